"""NumPy arrays: images, volumes without geometry, and arrays that are neither."""

from __future__ import annotations

import io

import numpy as np
import pytest

from medcl.archive.flags import Rejected
from medcl.archive.formats import npy
from tests.archive.formats.in_memory import in_memory


def written(array: np.ndarray, pickled: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=pickled)
    return stream.getvalue()


def refused(content: bytes) -> str:
    with pytest.raises(Rejected) as caught:
        npy.inspect(in_memory(content))
    return caught.value.code


def test_numbers_too_large_for_float32_are_masked() -> None:
    array = np.zeros((20, 30, 40))
    array[3, 4, 5] = 1e300
    scan = npy.load(in_memory(written(array)), "")
    assert scan.array.max() == 0
    assert "NONFINITE" in scan.flags
    assert scan.valid is not None
    assert (~scan.valid).sum() == 1


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3), (5, 4, 6)])
def test_arrays_come_back_in_either_order(order: str, shape: tuple[int, ...]) -> None:
    array = np.asarray(np.arange(np.prod(shape), dtype=np.uint8).reshape(shape), order=order)  # type: ignore[call-overload]
    file = in_memory(written(array))
    (info,) = npy.inspect(file)
    scan = npy.load(file, "")
    np.testing.assert_array_equal(scan.array, array)
    is_image = shape in ((5, 4), (5, 4, 3))
    assert info.kind == ("image" if is_image else "volume")
    assert (scan.affine is None) == is_image
    assert info.shape == shape
    assert set(info.flags) == (
        {"NO_GEOM", "SPACING_UNKNOWN"} if is_image else {"XFORM_UNKNOWN", "SPACING_UNKNOWN"}
    )


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.zeros(5), "NPY_SHAPE"),
        (np.zeros((2, 3, 4, 5)), "NPY_SHAPE"),
        (np.zeros((4, 5), complex), "COMPLEX"),
        (np.zeros((4, 5), "U3"), "UNSUPPORTED_DTYPE"),
        (np.zeros((1, 5)), "NOT_AN_IMAGE"),
    ],
)
def test_arrays_that_are_no_image_have_their_reason(array: np.ndarray, code: str) -> None:
    assert refused(written(array)) == code


def test_pickled_objects_are_never_loaded() -> None:
    assert refused(written(np.array([[object()] * 3] * 3), pickled=True)) == "PICKLE"


def test_an_array_that_is_cut_off_is_truncated() -> None:
    assert refused(written(np.zeros((5, 4)))[:-1]) == "TRUNCATED"
