"""Frames of one file that are several scans: energy windows, regions of an ultrasound picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from medcl.archive import read, scan_archive
from medcl.archive.convert import convert
from medcl.store import prepare
from medcl.testing import phantom

CaseFolder = Callable[[str], Path]


def test_two_energy_windows_are_two_volumes(
    case_folder: CaseFolder, cases_module: ModuleType, tmp_path: Path
) -> None:
    catalog = scan_archive([case_folder("nm_two_windows")], tmp_path / "catalog")
    assert list(catalog.scans["shape"]) == ["56x40x20"] * 2
    volumes = sorted((read(catalog, scan) for scan in catalog.scans["scan"]), key=lambda s: s.array.max())
    for scan, level in zip(volumes, (0.3, 1.0), strict=True):
        assert np.allclose(scan.spacing_mm, [1.5, 2.0, 3.0])

        def truth(points: np.ndarray, level: float = level) -> np.ndarray:
            return np.asarray(level * cases_module.phantom(points))

        assert phantom.deviation(scan.array, scan.affine, truth).largest < 0.51
    store = prepare(catalog, tmp_path / "store")
    assert len(store.scans) == 2
    assert store.scans["patient"].nunique() == 1


def test_both_images_of_a_dual_ultrasound_are_kept(case_folder: CaseFolder, tmp_path: Path) -> None:
    catalog = scan_archive([case_folder("dual_view_ultrasound")], tmp_path / "catalog")
    whole = np.random.default_rng(0).integers(0, 255, (200, 300)).astype(np.uint8)
    pictures = [read(catalog, scan) for scan in catalog.scans["scan"]]
    assert sorted(int(scan.array.sum()) for scan in pictures) == sorted(
        [int(whole[:121, :150].sum()), int(whole[:121, 150:].sum())]
    )
    for scan in pictures:
        assert scan.array.shape == (121, 150)
        assert np.allclose(scan.spacing_mm, [0.3, 0.2])
        assert "REGION_OF_MANY" in scan.flags
    assert convert(catalog, tmp_path / "nifti")["written"] == 2
