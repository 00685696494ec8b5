"""The NIfTI traps: each file is right in space and value, or refused under its name."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.archive.flags import Rejected
from medcl.archive.formats import nifti
from medcl.archive.geometry import canonical_axes, to_canonical
from medcl.archive.scan import Scan
from tests.archive.formats.in_memory import in_memory

SHAPE = (7, 9, 5)
AFFINE = np.array([[-1.5, 0, 0, 10], [0, 2.0, 0, -20], [0, 0, 3.0, 30], [0, 0, 0, 1.0]])
OBLIQUE = np.array([[0.1, -1.98, 0.2, 3], [1.4, 0.13, 0.3, 4], [-0.2, -0.25, 2.9, 5], [0, 0, 0, 1.0]])


def phantom(points: np.ndarray) -> np.ndarray:
    """A value for every place in the world, (..., 3) in mm, that no flip or swap of axes leaves alone."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    return 1000 + 20 * x + 7 * y + 3 * z + 5 * np.sin(x / 9)


def world(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    return index @ affine[:3, :3].T + affine[:3, 3]


def sampled(affine: np.ndarray, dtype: type = np.float32, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return phantom(world(affine, shape)).astype(dtype)


def written(image: nib.Nifti1Image, edit: dict[int, bytes] | None = None) -> bytes:
    """Return an image as bytes, with raw edits of its header at byte offsets."""
    content = bytearray(image.to_bytes())
    for offset, replacement in (edit or {}).items():
        content[offset : offset + len(replacement)] = replacement
    return bytes(content)


def load(content: bytes, frame: int = 0) -> Scan:
    file = in_memory(content)
    info = nifti.inspect(file)[frame]
    scan = nifti.load(file, info.part)
    assert info.shape == scan.array.shape
    assert info.spacing_mm == pytest.approx(scan.spacing_mm)
    return scan


def refusal(content: bytes) -> str:
    with pytest.raises(Rejected) as verdict:
        load(content)
    return verdict.value.code


def error_in_world(scan: Scan) -> float:
    assert scan.affine is not None
    return float(np.abs(scan.array - phantom(world(scan.affine, scan.array.shape[:3]))).max())


@pytest.mark.parametrize("affine", [AFFINE, OBLIQUE, np.diag([1.0, -1, 2, 1]) @ OBLIQUE])
@pytest.mark.parametrize("make", [nib.Nifti1Image, nib.Nifti2Image])
def test_values_stand_where_the_affine_says(affine: np.ndarray, make: type) -> None:
    scan = load(make(sampled(affine), affine).to_bytes())
    assert error_in_world(scan) < 1e-2
    assert canonical_axes(scan.affine) == ((0, 1, 2), (False, False, False))


def test_big_endian_and_gzip_change_nothing() -> None:
    image = nib.Nifti1Image(sampled(AFFINE, np.int16), AFFINE)
    swapped = nib.Nifti1Image(sampled(AFFINE, np.int16), AFFINE, image.header.as_byteswapped(">"))
    plain = load(image.to_bytes())
    for content in (swapped.to_bytes(), gzip.compress(image.to_bytes())):
        other = load(content)
        assert other.array.dtype == np.int16
        np.testing.assert_array_equal(other.array, plain.array)
        np.testing.assert_array_equal(other.affine, plain.affine)


def test_sform_wins_and_a_conflict_about_left_and_right_is_flagged() -> None:
    image = nib.Nifti1Image(sampled(AFFINE), AFFINE)
    image.set_qform(np.diag([-1.0, 1, 1, 1]) @ AFFINE, code=1)
    image.set_sform(AFFINE, code=1)
    scan = load(image.to_bytes())
    assert "XFORM_CONFLICT" in scan.flags
    assert error_in_world(scan) < 1e-2
    image.set_qform(AFFINE, code=1)
    assert "XFORM_CONFLICT" not in load(image.to_bytes()).flags


def test_qform_alone_is_used() -> None:
    image = nib.Nifti1Image(sampled(AFFINE), AFFINE)
    image.set_qform(AFFINE, code=1)
    image.set_sform(np.eye(4), code=0)
    scan = load(image.to_bytes())
    assert error_in_world(scan) < 1e-2
    np.testing.assert_allclose(np.linalg.det(scan.affine[:3, :3]), 9.0, rtol=1e-5)


def test_no_form_code_leaves_direction_unknown() -> None:
    image = nib.Nifti1Image(sampled(AFFINE), AFFINE)
    image.set_qform(AFFINE, code=0)
    image.set_sform(AFFINE, code=0)
    scan = load(image.to_bytes())
    assert "XFORM_UNKNOWN" in scan.flags
    assert scan.spacing_mm == pytest.approx((1.5, 2.0, 3.0))
    np.testing.assert_array_equal(scan.array, sampled(AFFINE))


def test_pixdim_that_disagrees_is_flagged_and_the_sform_trusted() -> None:
    image = nib.Nifti1Image(sampled(AFFINE), AFFINE)
    scan = load(written(image, {80: struct.pack("<f", 9.0)}))
    assert "PIXDIM_CONFLICT" in scan.flags
    assert scan.spacing_mm == pytest.approx((1.5, 2.0, 3.0))


def test_negative_pixdim_keeps_its_size() -> None:
    image = nib.Nifti1Image(sampled(AFFINE), AFFINE)
    scan = load(written(image, {80: struct.pack("<f", -1.5)}))
    assert "PIXDIM_NEGATIVE" in scan.flags
    assert "PIXDIM_CONFLICT" not in scan.flags
    assert error_in_world(scan) < 1e-2


@pytest.mark.parametrize(("unit", "scale"), [("meter", 1e-3), ("micron", 1e3)])
def test_lengths_become_millimeters(unit: str, scale: float) -> None:
    image = nib.Nifti1Image(sampled(AFFINE), np.diag([scale, scale, scale, 1]) @ AFFINE)
    image.header.set_xyzt_units(unit)
    scan = load(image.to_bytes())
    assert "UNITS_SCALED" in scan.flags
    assert error_in_world(scan) < 5e-2


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_unset_slope_means_one(slope: float) -> None:
    image = nib.Nifti1Image(sampled(AFFINE, np.int16), AFFINE)
    scan = load(written(image, {112: struct.pack("<ff", slope, np.nan)}))
    assert scan.array.dtype == np.int16
    assert error_in_world(scan) < 1


def test_slope_is_applied_and_stays_integer_where_exact() -> None:
    image = nib.Nifti1Image(np.arange(315, dtype=np.uint16).reshape(SHAPE), np.eye(4))
    whole = load(written(image, {112: struct.pack("<ff", 2.0, -1024.0)}))
    assert whole.array.dtype == np.int16
    np.testing.assert_array_equal(whole.array, np.arange(315).reshape(SHAPE) * 2 - 1024)
    half = load(written(image, {112: struct.pack("<ff", 0.5, 0.25)}))
    assert half.array.dtype == np.float32
    np.testing.assert_allclose(half.array, np.arange(315).reshape(SHAPE) * 0.5 + 0.25)


def test_a_voxel_that_is_no_number_is_masked_and_many_are_doubted() -> None:
    values = sampled(AFFINE)
    values[2, 3, 1] = np.nan
    scan = load(nib.Nifti1Image(values, AFFINE).to_bytes())
    assert "NONFINITE" in scan.flags
    assert np.isfinite(scan.array).all()
    assert scan.valid is not None
    assert (~scan.valid).sum() == 1
    hole = np.argwhere(~scan.valid)[0]
    np.testing.assert_allclose(scan.affine[:3, :3] @ hole + scan.affine[:3, 3], world(AFFINE, SHAPE)[2, 3, 1])
    values[:2] = np.inf
    assert "NONFINITE_MANY" in load(nib.Nifti1Image(values, AFFINE).to_bytes()).flags


def test_time_gives_frames_and_other_axes_channels() -> None:
    stack = np.stack([sampled(AFFINE, np.int16) + step for step in range(4)], axis=-1)
    image = nib.Nifti1Image(stack, AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    content = image.to_bytes()
    parts = [info.part for info in nifti.inspect(in_memory(content))]
    assert parts == ["frame:0", "frame:1", "frame:2", "frame:3"]
    assert int((load(content, 3).array.astype(int) - load(content, 0).array).max()) == 3
    vector = nib.Nifti1Image(stack[:, :, :, None, :], AFFINE).to_bytes()
    assert nifti.inspect(in_memory(vector))[0].part == "channel:0"


def test_truncated_files_are_refused_whatever_the_packing() -> None:
    content = nib.Nifti1Image(sampled(AFFINE), AFFINE).to_bytes()
    packed = gzip.compress(content)
    half = gzip.compress(content[: len(content) // 2])
    for broken in (content[:-10], packed[:-200], packed[: len(packed) // 2], half, content[:300]):
        assert refusal(broken) == "TRUNCATED"


def test_damaged_gzip_is_refused() -> None:
    packed = bytearray(gzip.compress(nib.Nifti1Image(sampled(AFFINE), AFFINE).to_bytes()))
    packed[-6] ^= 0xFF  # the checksum
    assert refusal(bytes(packed)) == "DAMAGED"


def test_gzip_of_several_members_is_read() -> None:
    content = nib.Nifti1Image(sampled(AFFINE), AFFINE).to_bytes()
    packed = gzip.compress(content[:500]) + gzip.compress(content[500:]) + gzip.compress(b"")
    assert error_in_world(load(packed)) < 1e-2


def test_a_bomb_is_refused_before_it_unpacks() -> None:
    header = nib.Nifti1Header()
    header.set_data_shape((1024, 1024, 500))
    header.set_data_dtype(np.uint8)
    header.set_sform(np.eye(4), 1)
    packed = gzip.compress(bytes(header.binaryblock) + bytes(4))
    with pytest.raises(Rejected, match="BOMB"):
        nifti.inspect(in_memory(packed, size=2_000_000))
    with pytest.raises(Rejected, match="TRUNCATED"):
        nifti.inspect(in_memory(packed))


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        ({42: struct.pack("<hhh", 32767, 32767, 32767)}, "TOO_LARGE"),
        ({42: struct.pack("<h", -5)}, "BAD_HEADER"),
        ({40: struct.pack("<h", 9)}, "BAD_HEADER"),
        ({108: struct.pack("<f", 1e30)}, "BAD_HEADER"),
        ({108: struct.pack("<f", np.nan)}, "BAD_HEADER"),
        ({70: struct.pack("<h", 1792)}, "COMPLEX"),
        ({280: struct.pack("<4f", 0, 0, 0, 1), 296: struct.pack("<4f", 0, 2, 0, 1)}, "AFFINE_DEGENERATE"),
        ({280: struct.pack("<f", np.nan)}, "AFFINE_DEGENERATE"),
    ],
)
def test_headers_that_lie_are_refused(edit: dict[int, bytes], code: str) -> None:
    assert refusal(written(nib.Nifti1Image(sampled(AFFINE), AFFINE), edit)) == code


def test_color_stands_in_the_last_axis() -> None:
    color = np.arange(7 * 9 * 5 * 3, dtype=np.uint8).reshape(7, 9, 5, 3)
    kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    scan = load(nib.Nifti1Image(color.copy().view(kind)[..., 0], np.eye(4)).to_bytes())
    assert "COLOR_VOLUME" in scan.flags
    np.testing.assert_array_equal(scan.array, color)


@pytest.mark.parametrize(
    ("high", "dtype"), [(4, np.uint8), (-4, np.int16), (40_000, np.uint16), (1 << 25, np.int32)]
)
@pytest.mark.parametrize("stored", [np.int32, np.int64])
def test_labels_stay_integers(high: int, dtype: type, stored: type) -> None:
    labels = np.zeros(SHAPE, stored)
    labels[3, 4, 2] = high
    labels[1, 1, 1] = 1
    scan = load(nib.Nifti1Image(labels, np.eye(4), dtype=stored).to_bytes())
    assert scan.array.dtype == dtype
    assert scan.array[3, 4, 2] == high


@given(
    angles=st.tuples(*[st.floats(-np.pi, np.pi)] * 3),
    sizes=st.tuples(*[st.floats(0.3, 6)] * 3),
    flips=st.tuples(*[st.booleans()] * 3),
)
@settings(max_examples=60, deadline=None)
def test_canonical_order_is_exact_and_idempotent(
    angles: tuple[float, ...], sizes: tuple[float, ...], flips: tuple[bool, ...]
) -> None:
    turns = [np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]) for a in angles]
    cycle = np.eye(3)[[1, 2, 0]]
    affine = np.eye(4)
    signs = [-1 if flip else 1 for flip in flips]
    affine[:3, :3] = turns[0] @ cycle @ turns[1] @ cycle @ turns[2] * sizes * signs
    affine[:3, 3] = [5, -7, 11]
    array = phantom(world(affine, (3, 4, 5)))
    turned, new = to_canonical(array, affine)
    np.testing.assert_allclose(turned, phantom(world(new, turned.shape)), atol=1e-6)
    again, same = to_canonical(turned, new)
    np.testing.assert_array_equal(again, turned)
    np.testing.assert_array_equal(same, new)


@pytest.mark.parametrize("folder", ["msd_hippocampus/images", "brats6", "dicom_mr_nih/Ref"])
def test_real_files_agree_with_nibabel(folder: str, data: object) -> None:
    paths = sorted(p for p in Path(data(folder)).rglob("*.nii*"))[:2]  # type: ignore[operator]
    assert paths
    for path in paths:
        scan = load(path.read_bytes())
        reference = nib.as_closest_canonical(nib.load(path))
        values = np.asanyarray(reference.dataobj)
        np.testing.assert_allclose(scan.array, values[..., 0] if values.ndim == 4 else values, rtol=1e-6)
        np.testing.assert_allclose(scan.affine, reference.affine, atol=1e-5)
