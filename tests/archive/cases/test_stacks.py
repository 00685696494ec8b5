"""Stacks, series and copies of the situations that people reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medcl.archive import read, scan_archive
from medcl.errors import UsageError

CaseFolder = Callable[[str], Path]


@pytest.mark.parametrize(
    ("name", "shapes", "flag"),
    [
        ("thick_and_thin", {"56x40x11": 5.0, "56x40x46": 1.25}, "SPLIT"),
        ("series_uid_per_slice", {"56x40x20": 3.0}, "SERIES_JOINED"),
        ("spine_two_slabs", {"56x40x6": 3.0}, "PARALLEL_STACKS"),
    ],
)
def test_stacks_are_whole_and_even(
    name: str,
    shapes: dict[str, float],
    flag: str,
    case_folder: CaseFolder,
    cases_module: object,
    tmp_path: Path,
) -> None:
    catalog = scan_archive([case_folder(name)], tmp_path / "c")
    assert set(catalog.scans["shape"]) == set(shapes)
    assert len(catalog.scans) == 2 - (name == "series_uid_per_slice")
    for scan in catalog.scans["scan"]:
        volume = read(catalog, scan)
        assert flag in volume.flags
        assert volume.affine is not None
        assert volume.affine[2, 2] == pytest.approx(shapes["x".join(map(str, volume.array.shape))])
        index = np.stack(np.meshgrid(*map(np.arange, volume.array.shape), indexing="ij"), axis=-1)
        points = (index @ volume.affine[:3, :3].T + volume.affine[:3, 3]) * [-1.0, -1.0, 1.0]
        offset = 1024 if volume.unit == "HU" else 0
        assert np.abs(volume.array + offset - cases_module.phantom(points)).max() <= 0.51  # type: ignore[attr-defined]


def test_phases_of_one_slice_are_a_cine(case_folder: CaseFolder, tmp_path: Path) -> None:
    catalog = scan_archive([case_folder("cardiac_cine")], tmp_path / "c")
    assert list(catalog.scans["kind"]) == ["cine"]
    cine = read(catalog, catalog.scans["scan"].iloc[0])
    assert cine.array.shape == (25, 40, 56)
    assert cine.spacing_mm == (2.0, 1.5)
    assert "NO_GEOM" not in cine.flags
    means = cine.array.mean(axis=(1, 2))
    np.testing.assert_allclose(means / means[0], 1 + 0.02 * np.arange(25), rtol=1e-3)


def test_directions_without_a_name_are_refused(case_folder: CaseFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="DUP_CONFLICT"):
        scan_archive([case_folder("directions_unnamed")], tmp_path / "c")
