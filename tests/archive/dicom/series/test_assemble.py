"""Real DICOM: the reference arrays of dcm_qa_nih, the tilted gantry of dcm_qa_ct, pydicom's own files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from medcl.archive.flags import Rejected
from medcl.archive.geometry import to_canonical
from tests.archive.dicom.samples import UNREADABLE, Folder


@pytest.mark.parametrize(("maker", "series"), [("GE", 4), ("GE", 6), ("Si", 3), ("Si", 6)])
def test_mr_series_and_mosaics_equal_their_reference(
    maker: str, series: int, data: Callable[[str], Path]
) -> None:
    root = data("dicom_mr_nih")
    folder = Folder(root / "In" / f"20180918{maker}" / f"mr_{series:04d}")
    (reference,) = [
        nibabel.load(path)
        for path in (root / "Ref").glob("*.nii")
        if path.stem.endswith(f"_{series}") and path.stem.startswith("EPI") == (maker == "Si")
    ]
    stored = np.asarray(reference.dataobj)
    assert len(folder.stacks) == stored.shape[3]
    scans = [folder.scan(stack) for stack in folder.stacks]
    unmatched = list(range(stored.shape[3]))
    for scan in scans:
        assert scan.affine is not None
        (number,) = [n for n in unmatched if np.array_equal(scan.array, _canonical(stored, reference, n)[0])]
        unmatched.remove(number)
        affine = _canonical(stored, reference, number)[1]
        np.testing.assert_allclose(scan.affine, affine, atol=1e-3)
    assert not unmatched


def _canonical(stored: np.ndarray, reference: nibabel.Nifti1Image, number: int) -> tuple[np.ndarray, ...]:
    return to_canonical(stored[..., number], reference.affine)


def test_a_tilted_gantry_keeps_the_exact_sheared_affine(data: Callable[[str], Path]) -> None:
    folder = Folder(data("dicom_ct_philips"))
    (stack,) = folder.stacks
    scan = folder.scan(stack)
    assert Counter(folder.reasons.values()) == {"DICOMDIR": 1}
    assert "TILT" in scan.flags
    assert scan.unit == "HU"
    assert scan.affine is not None
    slices = [pydicom.dcmread(folder.paths[number]) for number in stack.files]
    for number in (0, 20, 53):
        index = np.array([100, 200, number, 1])
        position = scan.affine @ index
        ds = slices[number]
        row, column = np.array(ds.ImageOrientationPatient[:3]), np.array(ds.ImageOrientationPatient[3:])
        i, j = 511 - index[0], 511 - index[1]
        place = (
            np.array(ds.ImagePositionPatient) + i * row * ds.PixelSpacing[1] + j * column * ds.PixelSpacing[0]
        )
        np.testing.assert_allclose(position[:3], place * [-1, -1, 1], atol=2e-3)
        assert scan.array[100, 200, number] == ds.pixel_array[j, i] + ds.RescaleIntercept
    tilt = np.degrees(np.arctan2(scan.affine[1, 2], scan.affine[2, 2]))
    shear = np.degrees(np.arcsin(np.dot(*(_unit(scan.affine[:3, axis]) for axis in (1, 2)))))
    assert tilt == pytest.approx(0, abs=1e-6)
    assert abs(shear) == pytest.approx(18.5, abs=0.05)


def _unit(vector: np.ndarray) -> np.ndarray:
    return np.asarray(vector / np.linalg.norm(vector))


def test_tcia_series_are_whole(data: Callable[[str], Path]) -> None:
    folder = Folder(data("dicom_mr_tcia"))
    assert sorted(stack.shape for stack in folder.stacks) == [
        (256, 30, 256), (256, 256, 53), (256, 256, 54), (256, 256, 55), (256, 256, 56),
    ]  # fmt: skip
    assert not folder.reasons
    liver = next(stack for stack in folder.stacks if stack.shape == (256, 30, 256))
    assert liver.spacing_mm == pytest.approx((1.5625, 8.75, 1.5625), abs=1e-4)
    assert liver.body_part == "LIVER"
    assert liver.manufacturer == "Siemens"


def test_outcomes_of_pydicoms_files(wheel: Folder) -> None:
    """The table of outcomes: every file is used or has its reason."""
    assert Counter(wheel.reasons.values()) == {
        "NO_PIXELS": 72,
        "UNKNOWN_FORMAT": 22,
        "DICOMDIR": 8,
        "DOSE": 7,
        "TRUNCATED": 5,
        "DUPLICATE_FILE": 5,
        "BAD_HEADER": 4,  # two of them SEG whose frames are not those that they describe
    }
    used = {number for stack in wheel.stacks for number in stack.files}
    assert len(used) + len(wheel.reasons) == len(wheel.paths)


def test_every_scan_of_pydicoms_files_is_read_or_refused_with_a_reason(wheel: Folder) -> None:
    refused = {}
    for stack in wheel.stacks:
        try:
            scan = wheel.scan(stack)
        except Rejected as verdict:
            refused[wheel.paths[stack.files[0]].name] = verdict.code
            continue
        gray = scan.array.shape == stack.shape[:-1] and stack.shape[-1] == 3
        assert scan.array.shape == stack.shape or gray
        assert (scan.affine is not None) == (stack.kind == "volume")
    assert refused == UNREADABLE
