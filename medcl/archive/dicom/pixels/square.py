"""Pictures whose pixels are not square (PixelAspectRatio, PS3.3 C.7.6.3.1.7), resampled to square pixels."""

from __future__ import annotations

import numpy as np


def square_shape(rows: int, columns: int, aspect: float) -> tuple[int, int]:
    """Return the shape of an image in square pixels: the longer side of a pixel is divided.

    Args:
        rows: Number of rows.
        columns: Number of columns.
        aspect: Height of a pixel over its width.
    """
    if aspect >= 1:
        return round(rows * aspect), columns
    return rows, round(columns / aspect)


def to_shape(array: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return an image (row, column[, color]) linearly resampled; of a mask, the nearest pixels."""
    for axis in range(2):
        if array.shape[axis] != shape[axis]:
            array = _resampled(array, axis, shape[axis])
    return array


def _resampled(array: np.ndarray, axis: int, count: int) -> np.ndarray:
    size = array.shape[axis]
    places = np.clip((np.arange(count) + 0.5) * size / count - 0.5, 0, size - 1)
    if array.dtype == bool:
        return np.asarray(array.take(np.rint(places).astype(int), axis))
    below = np.floor(places).astype(int)
    share = (places - below).reshape([-1 if number == axis else 1 for number in range(array.ndim)])
    first, second = array.take(below, axis), array.take(np.minimum(below + 1, size - 1), axis)
    mixed = first + (second.astype(np.float64) - first) * share
    return np.asarray(mixed if array.dtype.kind == "f" else np.rint(mixed), array.dtype)
