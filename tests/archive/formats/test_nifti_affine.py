"""Position of a NIfTI from its forms, sizes and units, with flags where they disagree."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.archive.flags import Rejected
from medcl.archive.formats.nifti_affine import place


def raw(
    affine: np.ndarray | None = None, sform: int = 1, qform: int = 0, unit: str = "mm", **edit: Any
) -> np.void:
    header = nib.Nifti1Header()
    affine = np.diag([1.0, 2.0, 3.0, 1.0]) if affine is None else affine
    header.set_data_shape((4, 5, 6))
    header.set_sform(affine, sform)
    header.set_qform(affine, max(qform, 1))
    header.set_xyzt_units(unit)
    header["qform_code"], header["sform_code"] = qform, sform
    for name, value in edit.items():
        header[name] = value
    return np.void(header.structarr)


def turned(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(generator.normal(size=(3, 3)))[0] * generator.uniform(0.5, 4, 3)
    affine[:3, 3] = generator.uniform(-90, 90, 3)
    return affine


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_either_form_gives_the_affine(seed: int, use_sform: bool) -> None:
    affine = turned(seed)
    result, flags = place(raw(affine, sform=int(use_sform), qform=1))
    np.testing.assert_allclose(result, affine, atol=1e-3)
    assert flags == set()


def test_without_a_form_only_sizes_are_known() -> None:
    result, flags = place(raw(sform=0))
    np.testing.assert_allclose(result, np.diag([1, 2, 3, 1]))
    assert flags == {"XFORM_UNKNOWN"}
    pixdim = np.array([1, 1, 0, 3, 0, 0, 0, 0])
    result, flags = place(raw(sform=0, pixdim=pixdim))
    np.testing.assert_allclose(result, np.diag([1, 1, 3, 1]))
    assert flags == {"XFORM_UNKNOWN", "SPACING_UNKNOWN"}


def test_forms_that_differ_are_a_conflict_and_the_sform_wins() -> None:
    mirrored = raw(qform=1)
    mirrored["srow_x"] = [-1, 0, 0, 0]
    result, flags = place(mirrored)
    assert flags == {"XFORM_CONFLICT"}
    assert result[0, 0] == -1
    slightly = raw(qform=1)
    slightly["quatern_b"] = np.sin(np.radians(0.4) / 2)
    assert place(slightly)[1] == set()


def test_sizes_that_differ_are_flagged_and_negative_ones_too() -> None:
    assert place(raw(pixdim=np.array([1, 1, 2.5, 3, 0, 0, 0, 0])))[1] == {"PIXDIM_CONFLICT"}
    assert place(raw(pixdim=np.array([1, 1, -2, 3, 0, 0, 0, 0])))[1] == {"PIXDIM_NEGATIVE"}


@pytest.mark.parametrize(
    ("code", "scale", "expected"),
    [(0, 1, {"UNITS_UNKNOWN"}), (1, 1000, {"UNITS_SCALED"}), (2, 1, set()), (3, 0.001, {"UNITS_SCALED"}),
     (7, 1, {"UNITS_UNKNOWN"})],
)  # fmt: skip
def test_lengths_become_millimeters(code: int, scale: float, expected: set[str]) -> None:
    affine = np.diag([1 / scale, 2 / scale, 3 / scale, 1.0])
    result, flags = place(raw(affine, xyzt_units=code))
    np.testing.assert_allclose(np.diag(result), [1, 2, 3, 1], rtol=1e-5)
    assert flags == expected


def test_implausible_sizes_are_flagged() -> None:
    assert place(raw(np.diag([1.0, 2.0, 30.0, 1.0])))[1] == {"SPACING_IMPLAUSIBLE"}
    assert place(raw(np.diag([0.001, 2.0, 3.0, 1.0])))[1] == {"SPACING_IMPLAUSIBLE"}


@pytest.mark.parametrize(
    "edit",
    [
        {"srow_x": [0, 0, 0, 0]},
        {"srow_x": [np.nan, 0, 0, 0]},
        {"srow_x": [0, 2, 0, 0]},
        {"srow_z": [0, 0, np.inf, 0]},
    ],
)
def test_an_affine_that_is_none_is_refused(edit: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match="AFFINE_DEGENERATE"):
        place(raw(**edit))
    with pytest.raises(Rejected, match="AFFINE_DEGENERATE"):
        place(raw(sform=0, qform=1, quatern_b=np.nan))
