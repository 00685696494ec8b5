"""What is said of one scan: its flags with their meaning, and its files."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcl.archive import Catalog, explain_scan, scan_archive
from medcl.archive.flags import explain
from medcl.errors import UsageError


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    (tmp_path / "archive").mkdir()
    voxels = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float32)
    voxels[0, 0, 0] = np.nan
    image = nib.Nifti1Image(voxels, np.diag([0.5, 0.5, 2.0, 1.0]))
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "archive" / "a.nii")
    return scan_archive([tmp_path / "archive"], tmp_path / "catalog")


def test_geometry_flags_and_files_are_there(catalog: Catalog) -> None:
    scan = catalog.scans["scan"][0]
    lines = explain_scan(catalog, scan).splitlines()
    assert lines[0] == f"{scan}: unknown volume, 6x5x4, from 1 file(s)"
    assert lines[1] == "  spacing 0.5 x 0.5 x 2 mm, values in a.u."
    assert "  NONFINITE (" in "\n".join(lines)
    assert any(line.endswith(f": {explain('NONFINITE')}") for line in lines), "pixels are read for it"
    assert lines[-1] == "  1 file(s) used"


def test_a_scan_that_cannot_be_read_says_so(catalog: Catalog, tmp_path: Path) -> None:
    scan = catalog.scans["scan"][0]
    (tmp_path / "archive" / "a.nii").unlink()
    text = explain_scan(catalog, scan)
    assert f"  cannot be read: {scan}: " in text
    assert "a.nii" not in text
    assert "1 file(s) quarantined for MISSING: " in text


def test_an_unknown_scan_is_refused(catalog: Catalog) -> None:
    with pytest.raises(UsageError, match=r"no scan 's-nothing'; catalog.parquet lists the scans"):
        explain_scan(catalog, "s-nothing")
