"""Compiled sampling of the fused backend: bi- and trilinear, straight from the stored type.

A line of a view is made in three passes over up to `RUN` columns: where each column lies, its neighbors,
and the mean of them. The first and the last run in vector registers; scratch arrays lie `RUN` apart, a
constant, so that the compiler sees that they do not overlap. Neighbors along the last axis are fetched
together, as one number of twice the width. Shapes: S is the edge of a view; matrices lead from output pixel
to source voxel; indices are unsigned so that none is wrapped.
"""

from __future__ import annotations

import numpy as np

from medcl.views.backends.compiled import compiled

RUN = 256
_1, _2, _3, _4, _6 = (np.uintp(n * RUN) for n in (1, 2, 3, 4, 6))
_NEXT = np.uintp(1)

_SAFE = 0.01
"""Margin in voxels that fast passes keep from the last voxel, as positions are rounded to float32."""


_PAIRS = {1: np.uint16, 2: np.uint32, 4: np.uint64}


def pairs_of(flat: np.ndarray) -> np.ndarray:
    """Return the same memory as overlapping pairs: element n holds the samples n and n + 1."""
    width = flat.itemsize
    pairs: np.ndarray = np.ndarray((flat.size - 1,), _PAIRS[width], buffer=flat, strides=(width,))
    pairs.flags.writeable = False
    return pairs


@compiled
def _span(start: float, step: float, last: float, first: int, end: int) -> tuple[int, int]:
    """Return the part of columns first..end in which 0 <= start + step * column < last, safely."""
    last -= _SAFE
    if abs(step) < 1e-9:
        return (first, end) if 0.0 <= start < last else (first, first)
    one, two = -start / step, (last - start) / step
    low = max(min(one, two), first - 1.0)
    high = min(max(one, two), end + 1.0)
    if high <= low:
        return first, first
    begin = max(first, int(np.floor(low)) + 1)
    return begin, max(begin, min(end, int(np.ceil(high))))


@compiled
def _neighbors(at: float, count: int) -> tuple[int, int, np.float32]:
    """Return both neighbors and the fraction between them; beyond the ends their value goes on."""
    at = min(max(at, 0.0), count - 1.0)
    low = int(at)
    return low, min(low + 1, count - 1), np.float32(at - low)


@compiled
def _mean(
    a: np.float32, b: np.float32, c: np.float32, d: np.float32, fy: np.float32, fx: np.float32
) -> np.float32:
    """Interpolate between a, b of the upper row and c, d of the lower."""
    upper = a + fx * (b - a)
    return upper + fy * (c + fx * (d - c) - upper)


@compiled
def _square(
    flat: np.ndarray, corner: np.uintp, down: np.uintp, across: np.uintp, fy: np.float32, fx: np.float32
) -> np.float32:
    """Interpolate between the four samples that begin at `corner`."""
    a, b = np.float32(flat[corner]), np.float32(flat[corner + across])
    c, d = np.float32(flat[corner + down]), np.float32(flat[corner + down + across])
    return _mean(a, b, c, d, fy, fx)


@compiled
def _line_2d(
    pairs: np.ndarray,
    start: tuple[np.float32, np.float32],
    step: tuple[np.float32, np.float32],
    width: np.int32,
    columns: tuple[int, int],
    out: np.ndarray,
    corner: np.ndarray,
    part: np.ndarray,
    pair: np.ndarray,
    near: np.ndarray,
) -> None:
    """Sample columns of a line whose neighbors all lie in the slice; `near` is the memory of `pair`."""
    for n in range(columns[1] - columns[0]):
        at, q = np.float32(columns[0] + n), np.uintp(n)
        y, x = start[0] + step[0] * at, start[1] + step[1] * at
        top, left = np.int32(y), np.int32(x)
        corner[q] = top * width + left
        part[q], part[q + _1] = y - np.float32(top), x - np.float32(left)
    for n in range(columns[1] - columns[0]):
        q = np.uintp(n)
        upper = np.uintp(corner[q])
        pair[q], pair[q + _1] = pairs[upper], pairs[upper + np.uintp(width)]
    for n in range(columns[1] - columns[0]):
        q, w = np.uintp(n), np.uintp(2 * n)
        a, b = np.float32(near[w]), np.float32(near[w + _NEXT])
        c, d = np.float32(near[w + _2]), np.float32(near[w + _2 + _NEXT])
        out[np.uintp(columns[0]) + q] = _mean(a, b, c, d, part[q], part[q + _1])


@compiled
def sample_2d(
    flat: np.ndarray,
    pairs: np.ndarray,
    shape: tuple[int, int],
    matrix: np.ndarray,
    bounds: np.ndarray,
    padding_value: float,
    out: np.ndarray,
) -> None:
    """Sample a slice of `shape` (H, W), flat and as `pairs_of` it, bilinearly into `out` (S, S).

    `bounds` (2, 2) is where each axis ends, for what is `padding_value`.
    """
    height, width = shape
    size = out.shape[0]
    down, across = matrix[0, 1], matrix[1, 1]
    step = (np.float32(down), np.float32(across))
    corner, part = np.empty(RUN, np.int32), np.empty(2 * RUN, np.float32)
    pair = np.empty(2 * RUN, pairs.dtype)
    near = pair.view(flat.dtype)
    for row in range(size):
        y_start = matrix[0, 0] * row + matrix[0, 2]
        x_start = matrix[1, 0] * row + matrix[1, 2]
        first, end = _span(y_start, down, height - 1.0, 0, size)
        first, end = _span(x_start, across, width - 1.0, first, end)
        start = (np.float32(y_start), np.float32(x_start))
        for begin in range(first, end, RUN):
            columns = (begin, min(begin + RUN, end))
            _line_2d(pairs, start, step, np.int32(width), columns, out[row], corner, part, pair, near)
        for rest in range(size - end + first):
            column = rest if rest < first else rest - first + end
            y, x = y_start + down * column, x_start + across * column
            if y < bounds[0, 0] or y > bounds[0, 1] or x < bounds[1, 0] or x > bounds[1, 1]:
                out[row, column] = padding_value
                continue
            top, bottom, fy = _neighbors(y, height)
            left, right, fx = _neighbors(x, width)
            below, beside = np.uintp((bottom - top) * width), np.uintp(right - left)
            out[row, column] = _square(flat, np.uintp(top * width + left), below, beside, fy, fx)


@compiled
def _line_3d(
    pairs: np.ndarray,
    start: tuple[np.float32, np.float32, np.float32],
    step: tuple[np.float32, np.float32, np.float32],
    strides: tuple[int, int],
    columns: tuple[int, int],
    out: np.ndarray,
    corner: np.ndarray,
    part: np.ndarray,
    pair: np.ndarray,
    near: np.ndarray,
) -> None:
    """Sample columns of a line whose neighbors all lie in the volume; `near` is the memory of `pair`."""
    plane, row = np.int32(strides[0]), np.int32(strides[1])
    for n in range(columns[1] - columns[0]):
        at, q = np.float32(columns[0] + n), np.uintp(n)
        y, x, z = start[0] + step[0] * at, start[1] + step[1] * at, start[2] + step[2] * at
        i, j, k = np.int32(y), np.int32(x), np.int32(z)
        corner[q] = i * plane + j * row + k
        part[q], part[q + _1], part[q + _2] = y - np.float32(i), x - np.float32(j), z - np.float32(k)
    below, behind = np.uintp(strides[1]), np.uintp(strides[0])
    for n in range(columns[1] - columns[0]):
        q = np.uintp(n)
        front, back = np.uintp(corner[q]), np.uintp(corner[q]) + behind
        pair[q], pair[q + _1] = pairs[front], pairs[front + below]
        pair[q + _2], pair[q + _3] = pairs[back], pairs[back + below]
    for n in range(columns[1] - columns[0]):
        q, w = np.uintp(n), np.uintp(2 * n)
        fj, fk = part[q + _1], part[q + _2]
        a, b = np.float32(near[w]), np.float32(near[w + _NEXT])
        c, d = np.float32(near[w + _2]), np.float32(near[w + _2 + _NEXT])
        first = _mean(a, b, c, d, fj, fk)
        a, b = np.float32(near[w + _4]), np.float32(near[w + _4 + _NEXT])
        c, d = np.float32(near[w + _6]), np.float32(near[w + _6 + _NEXT])
        out[np.uintp(columns[0]) + q] = first + part[q] * (_mean(a, b, c, d, fj, fk) - first)


@compiled
def sample_3d(
    flat: np.ndarray,
    pairs: np.ndarray,
    shape: tuple[int, int, int],
    matrix: np.ndarray,
    bounds: np.ndarray,
    padding_value: float,
    out: np.ndarray,
) -> None:
    """Sample a volume of `shape` (I, J, K), flat and as `pairs_of` it, trilinearly into `out` (S, S, S).

    `bounds` (3, 2) is where each axis ends, for what is `padding_value`.
    """
    size = out.shape[0]
    step_i, step_j, step_k = matrix[0, 2], matrix[1, 2], matrix[2, 2]
    step = (np.float32(step_i), np.float32(step_j), np.float32(step_k))
    strides = (shape[1] * shape[2], shape[2])
    corner, part = np.empty(RUN, np.int32), np.empty(3 * RUN, np.float32)
    pair = np.empty(4 * RUN, pairs.dtype)
    near = pair.view(flat.dtype)
    for line in range(size * size):
        plane, row = line // size, line % size
        i_start = matrix[0, 0] * plane + matrix[0, 1] * row + matrix[0, 3]
        j_start = matrix[1, 0] * plane + matrix[1, 1] * row + matrix[1, 3]
        k_start = matrix[2, 0] * plane + matrix[2, 1] * row + matrix[2, 3]
        first, end = _span(i_start, step_i, shape[0] - 1.0, 0, size)
        first, end = _span(j_start, step_j, shape[1] - 1.0, first, end)
        first, end = _span(k_start, step_k, shape[2] - 1.0, first, end)
        start = (np.float32(i_start), np.float32(j_start), np.float32(k_start))
        for begin in range(first, end, RUN):
            columns = (begin, min(begin + RUN, end))
            _line_3d(pairs, start, step, strides, columns, out[plane, row], corner, part, pair, near)
        for rest in range(size - end + first):
            column = rest if rest < first else rest - first + end
            place = (i_start + step_i * column, j_start + step_j * column, k_start + step_k * column)
            out[plane, row, column] = _edge_3d(flat, shape, place, bounds, padding_value)


@compiled
def _edge_3d(
    flat: np.ndarray,
    shape: tuple[int, int, int],
    place: tuple[float, float, float],
    bounds: np.ndarray,
    padding_value: float,
) -> np.float32:
    """Return one sample near the volume's edge, or beyond it."""
    for axis in range(3):
        if place[axis] < bounds[axis, 0] or place[axis] > bounds[axis, 1]:
            return np.float32(padding_value)
    top, bottom, fi = _neighbors(place[0], shape[0])
    left, right, fj = _neighbors(place[1], shape[1])
    front, back, fk = _neighbors(place[2], shape[2])
    plane = shape[1] * shape[2]
    corner = np.uintp(top * plane + left * shape[2] + front)
    below, beside = np.uintp((right - left) * shape[2]), np.uintp(back - front)
    near = _square(flat, corner, below, beside, fj, fk)
    far = _square(flat, corner + np.uintp((bottom - top) * plane), below, beside, fj, fk)
    return near + fi * (far - near)
