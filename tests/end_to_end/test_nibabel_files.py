"""Every file of nibabel's own test data through scan and read: a table of outcomes, none of them silent."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medcl.archive import ArchiveError, read_all, scan_archive
from medcl.archive.privacy import pseudonym

FOLDER = Path(nib.__file__).parent / "tests" / "data"

# file: (state, reason, scans, flags of the scans beside PATIENT_UNKNOWN)
TABLE = {
    "anatomical.nii": ("used", "", 1, ""),
    "example4d.nii.gz": ("used", "", 2, "FRAME_OF_MANY"),
    "example_nifti2.nii.gz": ("used", "", 2, "FRAME_OF_MANY"),
    "functional.nii": ("used", "", 20, "FRAME_OF_MANY"),
    "reoriented_anat_moved.nii": ("used", "", 1, ""),
    "test.mgz": ("used", "", 2, "FRAME_OF_MANY;SHEARED"),
    "standard.nii.gz": ("used", "", 1, "LABEL_MAP;MASK_ORPHAN;UNITS_UNKNOWN"),
    # 58 % of its voxels are NaN, which only reading the pixels shows
    "resampled_anat_moved.nii": ("quarantined", "NONFINITE_MANY", 1, ""),
    # a CIFTI matrix
    "row_major.dconn.nii": ("dropped", "NOT_AN_IMAGE", 0, ""),
    # headers without their data files
    "analyze.hdr": ("quarantined", "DATA_MISSING", 0, ""),
    "nifti1.hdr": ("quarantined", "DATA_MISSING", 0, ""),
    "nifti2.hdr": ("quarantined", "DATA_MISSING", 0, ""),
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not FOLDER.is_dir():
        pytest.skip("this nibabel came without its test data")
    folder = tmp_path_factory.mktemp("nibabel") / "data"
    folder.mkdir()
    for path in FOLDER.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_outcomes(archive: Path, tmp_path: Path) -> None:
    catalog = scan_archive([archive], tmp_path / "catalog")
    where = catalog.locations()
    arrays = dict(read_all(catalog))
    ledger = catalog.ledger.set_index("file")
    assert len(ledger) == len(list(archive.iterdir()))
    assert ledger["state"].isin(["used", "dropped", "quarantined"]).all()
    for path in archive.iterdir():
        row = ledger.loc[pseudonym("file", f"data/{path.name}")]
        scans = where.loc[where["file"] == row.name, "scan"]
        if path.name in TABLE:
            state, reason, count, flags = TABLE[path.name]
            assert (row["state"], row["reason"], len(scans)) == (state, reason, count), path.name
            for scan in scans:
                seen = set(catalog.row(scan)["flags"].split(";"))
                assert seen == {"PATIENT_UNKNOWN", *filter(None, flags.split(";"))}, path.name
        elif path.suffix != ".dcm":
            assert row["state"] == "dropped", path.name
        for scan, part in zip(scans, where.loc[where["file"] == row.name, "part"], strict=True):
            scan_or_error = arrays[scan]
            if not isinstance(scan_or_error, ArchiveError) and path.suffix != ".dcm":
                reference = nib.as_closest_canonical(nib.load(path))
                values = np.asanyarray(reference.dataobj)
                if part:
                    values = values[..., int(part.partition(":")[2])]
                np.testing.assert_allclose(scan_or_error.array, values, rtol=1e-5, atol=1e-6)
                np.testing.assert_allclose(scan_or_error.affine, reference.affine, atol=1e-5)
