"""Units are true: SUV by dates, counts by the maker's factor, HU by air and water, color by its depth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from medcl.archive import Scan, convert, read, scan_archive
from medcl.store import prepare

CaseFolder = Callable[[str], Path]


def read_case(folder: Path, tmp_path: Path) -> list[Scan]:
    catalog = scan_archive([folder], tmp_path / "c")
    return [read(catalog, scan) for scan in catalog.scans["scan"]]


def truth(scan: Scan, cases: ModuleType) -> np.ndarray:
    """Return the phantom at the voxels of a scan."""
    assert scan.affine is not None
    index = np.stack(np.meshgrid(*map(np.arange, scan.array.shape), indexing="ij"), -1)
    points = index @ scan.affine[:3, :3].T + scan.affine[:3, 3]
    return np.asarray(cases.phantom(points * [-1, -1, 1]))


def test_suv_of_days_later(case_folder: CaseFolder, cases_module: ModuleType, tmp_path: Path) -> None:
    (scan,) = read_case(case_folder("suv_days_later"), tmp_path)
    assert scan.unit == "SUV"
    assert "SUV" in scan.flags
    hours = 5 * 24 + 1
    factor = 70_000 / (37e6 * 2 ** (-hours * 3600 / 282_240))
    np.testing.assert_allclose(scan.array, truth(scan, cases_module) * 10 * factor, atol=5.1 * factor)
    assert scan.array.max() == pytest.approx(81.0, abs=0.1)


def test_counts_become_suv_by_the_makers_factor(
    case_folder: CaseFolder, cases_module: ModuleType, tmp_path: Path
) -> None:
    (scan,) = read_case(case_folder("pet_counts"), tmp_path)
    assert scan.unit == "SUV"
    np.testing.assert_allclose(scan.array, truth(scan, cases_module) * 10 * 0.000551, atol=0.0028)


def test_hu_without_offset_is_uncalibrated_in_archive_conversion_and_store(
    case_folder: CaseFolder, cases_module: ModuleType, tmp_path: Path
) -> None:
    catalog = scan_archive([case_folder("hu_without_offset")], tmp_path / "c")
    for name in catalog.scans["scan"]:
        scan = read(catalog, name)
        assert scan.unit == "a.u."
        assert "UNCALIBRATED" in scan.flags
        np.testing.assert_allclose(scan.array, truth(scan, cases_module), atol=0.51)
    convert(catalog, tmp_path / "converted")
    assert '"unit": "a.u."' in (tmp_path / "converted" / f"{name}.json").read_text()
    store = prepare(catalog, tmp_path / "s")
    assert store.scans["unit"].tolist() == ["a.u.", "a.u."]
    assert store.record["warnings"][0].startswith("1 of 1 CT scans are not in HU")


def test_color_is_scaled_by_its_depth(
    case_folder: CaseFolder, cases_module: ModuleType, tmp_path: Path
) -> None:
    scans = read_case(case_folder("colour_depths"), tmp_path)
    assert sorted("DEPTH_REDUCED" in scan.flags for scan in scans) == [False, True, True]
    for scan in scans:
        assert (scan.array.dtype, scan.unit) == (np.uint8, "display")
        np.testing.assert_array_equal(scan.array, cases_module._red())


def test_a_volume_in_monochrome1_is_inverted(
    case_folder: CaseFolder, cases_module: ModuleType, tmp_path: Path
) -> None:
    (scan,) = read_case(case_folder("monochrome1_volume"), tmp_path)
    assert "MONO1_INVERTED" in scan.flags
    np.testing.assert_allclose(scan.array, truth(scan, cases_module) + 65535 - 2000, atol=0.51)
