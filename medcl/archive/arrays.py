"""Steps that pixel arrays of every file format go through: data type, unit, gray from color, NaN."""

from __future__ import annotations

from typing import Any

import numpy as np

MAX_NONFINITE = 0.01
"""Share of NaN and infinite voxels above which a scan is in doubt."""


def compact(array: np.ndarray) -> np.ndarray:
    """Return the same values in the smallest common dtype and native byte order.

    uint8, int16 and uint16 are kept; other integers become the first of uint8, int16, uint16, int32 and int64
    that holds them; the rest is float32.
    """
    kind = array.dtype.kind
    if kind == "b":
        return array.astype(np.uint8)
    if kind == "f":
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and `finite` masks it
            return array.astype(np.float32)
    native = array.dtype.newbyteorder("=")
    if native in (np.uint8, np.int16, np.uint16):
        return array.astype(native)
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    for dtype in (np.uint8, np.int16, np.uint16, np.int32, np.int64):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return array.astype(dtype)
    return array.astype(np.float32)


def image_unit(dtype: np.dtype[Any]) -> str:
    """Return the unit of an image without a statement about its values: `display` for 8 bits, else `a.u.`."""
    return "display" if dtype == np.uint8 else "a.u."


def gray_if_equal(array: np.ndarray) -> np.ndarray:
    """Return a color array without its last axis if the three channels are equal."""
    if (array[..., 0] == array[..., 1]).all() and (array[..., 0] == array[..., 2]).all():
        return np.ascontiguousarray(array[..., 0])
    return array


def finite(array: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, set[str]]:
    """Fill NaN and infinite values with the lowest finite value.

    Returns:
        The array, a mask of the finite values (None when all are finite), and the flags: NONFINITE, or
        NONFINITE_MANY for over 1 %.
    """
    if array.dtype.kind != "f":
        return array, None, set()
    valid = np.isfinite(array)
    missing = array.size - int(np.count_nonzero(valid))
    if not missing:
        return array, None, set()
    lowest = array[valid].min() if missing < array.size else array.dtype.type(0)
    return (
        np.where(valid, array, lowest),
        valid,
        {"NONFINITE" if missing <= MAX_NONFINITE * array.size else "NONFINITE_MANY"},
    )
