"""Formats that people bring: read where they hold scans, else named with what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from medcl.archive import Catalog, read, scan_archive
from medcl.archive.privacy import pseudonym
from medcl.archive.storage.walk import check_roots, walk

CaseFolder = Callable[[str], Path]


def outcomes(catalog: Catalog, folder: Path) -> dict[str, str]:
    """Return the ledger's reason of each file on disk by its name; empty for one that is used."""
    names = {pseudonym("file", entry.key): Path(entry.path).name for entry in walk(check_roots([folder]))}
    rows = zip(catalog.ledger["file"], catalog.ledger["reason"], strict=True)
    return {names[file]: reason for file, reason in rows if file in names}


EXPECTED = {
    **dict.fromkeys(["a.nrrd", "b.nhdr", "c.mha", "d.mhd", "e.mgz", "e2.mgh", "f.hdr", "g.hdr"], ""),
    **dict.fromkeys(["h_nifti2.nii.gz", "k_16bit.png", "l.tif", "m.bmp", "n.gif", "o.webp", "p.jp2"], ""),
    **dict.fromkeys(["q.npy", "z_mac.zip"], ""),
    **dict.fromkeys(["b.raw", "d.raw", "f.img", "g.img"], "DATA_FILE"),
    **dict.fromkeys([".DS_Store", "Thumbs.db"], "SYSTEM_FILE"),
    **dict.fromkeys(["t.mat", "g.mat"], "MATLAB"),
    **dict.fromkeys(["u.svs", "u2_bigtiff.ndpi"], "WHOLE_SLIDE"),
    **dict.fromkeys(["zz.par", "zz.rec"], "PAR_REC"),
    **dict.fromkeys(["brik+orig.HEAD", "brik+orig.BRIK"], "AFNI"),
    "d.zraw": "DATA_WITHOUT_HEADER",
    "i_complex.nii.gz": "COMPLEX",
    "j.nii.bz2": "BZIP2",
    "s.h5": "HDF5",
    "v.pdf": "PDF",
    "w.mnc": "MINC",
    "x.pt": "PYTORCH",
    "y.docx": "OFFICE_DOCUMENT",
    "vtk.vti": "VTK",
    "video.mp4": "VIDEO",
    "r2_medmnist3d.npz": "NPZ_SHAPE",
    "r_volume.npz": "NO_IMAGES",
}


def test_every_file_of_the_zoo_is_read_or_named(case_folder: CaseFolder, tmp_path: Path) -> None:
    folder = case_folder("format_zoo")
    catalog = scan_archive([folder], tmp_path / "catalog")
    assert outcomes(catalog, folder) == EXPECTED
    volumes = catalog.scans[(catalog.scans["kind"] == "volume") & (catalog.scans["source"] != "npy")]
    assert len(volumes) == 10
    arrays = [read(catalog, scan).array.astype(float) for scan in volumes["scan"]]
    for array in arrays:  # NRRD and MetaImage were written in LPS
        assert np.array_equal(arrays[0], array) or np.array_equal(arrays[0], array[::-1, ::-1])
    assert all(np.allclose(spacing, [1.5, 2.0, 3.0]) for spacing in volumes["spacing_mm"])


def test_gzipped_slices_are_one_volume(case_folder: CaseFolder, tmp_path: Path) -> None:
    catalog = scan_archive([case_folder("dicom_in_gzip")], tmp_path / "catalog")
    assert list(catalog.scans["shape"]) == ["56x40x8"]
    assert read(catalog, catalog.scans["scan"][0]).array.shape == (56, 40, 8)


def test_broken_zips_are_called_by_their_fault(case_folder: CaseFolder, tmp_path: Path) -> None:
    folder = case_folder("broken_zips")
    catalog = scan_archive([folder], tmp_path / "catalog")
    assert outcomes(catalog, folder) == {
        "whole.zip": "",
        "bitrot.zip": "",
        "cut.zip": "DAMAGED",
        "deflate64.zip": "DEFLATE64",
        "part.z01": "SPLIT_ARCHIVE",
    }
    assert list(catalog.scans["shape"]) == ["56x40x8"]
