"""Compiled loops of the fused backend: one pass over each view, straight from the stored type.

Each kernel releases the interpreter lock. Shapes: S is the edge of a view, L its number of lines (S in 2-D,
S x S in 3-D); matrices lead from output pixel to source voxel.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_FAST = {"contract", "reassoc", "nsz", "arcp"}

GAUSSIAN, SPECKLE, POISSON, RICIAN = 0, 1, 2, 3


_SAFE = 0.01
"""How far inside the last cell the fast loops stay, as their positions are rounded to float32."""


@njit(nogil=True, cache=True, fastmath=_FAST)
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


@njit(nogil=True, cache=True, fastmath=_FAST)
def _cell(at: float, count: int) -> tuple[int, int, np.float32]:
    """Return both neighbours and the fraction between them; beyond the ends their value goes on."""
    at = min(max(at, 0.0), count - 1.0)
    low = int(at)
    return low, min(low + 1, count - 1), np.float32(at - low)


@njit(nogil=True, cache=True, fastmath=_FAST)
def _square(
    flat: np.ndarray, corner: np.uintp, down: np.uintp, across: np.uintp, fy: np.float32, fx: np.float32
) -> np.float32:
    """Interpolate between the four samples that begin at `corner`; unsigned so that no index is wrapped."""
    a, b = np.float32(flat[corner]), np.float32(flat[corner + across])
    c, d = np.float32(flat[corner + down]), np.float32(flat[corner + down + across])
    upper = a + fx * (b - a)
    return upper + fy * (c + fx * (d - c) - upper)


@njit(nogil=True, cache=True, fastmath=_FAST)
def sample_2d(
    flat: np.ndarray,
    shape: tuple[int, int],
    matrix: np.ndarray,
    bounds: np.ndarray,
    outside: float,
    out: np.ndarray,
) -> None:
    """Sample a slice of `shape` (H, W), given flat, bilinearly into `out` (S, S).

    `bounds` (2, 2) is where each axis ends, for what is `outside`.
    """
    height, width = shape
    size = out.shape[0]
    down, across = matrix[0, 1], matrix[1, 1]
    down32, across32, stride = np.float32(down), np.float32(across), np.int32(width)
    for row in range(size):
        y_start = matrix[0, 0] * row + matrix[0, 2]
        x_start = matrix[1, 0] * row + matrix[1, 2]
        first, end = _span(y_start, down, height - 1.0, 0, size)
        first, end = _span(x_start, across, width - 1.0, first, end)
        y32, x32 = np.float32(y_start), np.float32(x_start)
        for column in range(first, end):
            at = np.float32(column)
            y, x = y32 + down32 * at, x32 + across32 * at
            top, left = np.int32(y), np.int32(x)
            fy, fx = y - np.float32(top), x - np.float32(left)
            corner = np.uintp(top * stride + left)
            out[row, column] = _square(flat, corner, np.uintp(width), np.uintp(1), fy, fx)
        for rest in range(size - end + first):
            column = rest if rest < first else rest - first + end
            y, x = y_start + down * column, x_start + across * column
            if y < bounds[0, 0] or y > bounds[0, 1] or x < bounds[1, 0] or x > bounds[1, 1]:
                out[row, column] = outside
                continue
            top, bottom, fy = _cell(y, height)
            left, right, fx = _cell(x, width)
            corner = np.uintp(top * width + left)
            step = np.uintp((bottom - top) * width)
            out[row, column] = _square(flat, corner, step, np.uintp(right - left), fy, fx)


@njit(nogil=True, cache=True, fastmath=_FAST)
def sample_3d(
    flat: np.ndarray,
    shape: tuple[int, int, int],
    matrix: np.ndarray,
    bounds: np.ndarray,
    outside: float,
    out: np.ndarray,
) -> None:
    """Sample a volume of `shape` (I, J, K), given flat, trilinearly into `out` (S, S, S).

    `bounds` (3, 2) is where each axis ends, for what is `outside`.
    """
    size = out.shape[0]
    step_i, step_j, step_k = matrix[0, 2], matrix[1, 2], matrix[2, 2]
    i_step, j_step, k_step = np.float32(step_i), np.float32(step_j), np.float32(step_k)
    row_stride, plane_stride = shape[2], shape[1] * shape[2]
    beside, below, behind = np.uintp(1), np.uintp(row_stride), np.uintp(plane_stride)
    for plane in range(size):
        for row in range(size):
            i_start = matrix[0, 0] * plane + matrix[0, 1] * row + matrix[0, 3]
            j_start = matrix[1, 0] * plane + matrix[1, 1] * row + matrix[1, 3]
            k_start = matrix[2, 0] * plane + matrix[2, 1] * row + matrix[2, 3]
            first, end = _span(i_start, step_i, shape[0] - 1.0, 0, size)
            first, end = _span(j_start, step_j, shape[1] - 1.0, first, end)
            first, end = _span(k_start, step_k, shape[2] - 1.0, first, end)
            i32, j32, k32 = np.float32(i_start), np.float32(j_start), np.float32(k_start)
            for column in range(first, end):
                at = np.float32(column)
                y, x, z = i32 + i_step * at, j32 + j_step * at, k32 + k_step * at
                i, j, k = np.int32(y), np.int32(x), np.int32(z)
                fj, fk = x - np.float32(j), z - np.float32(k)
                corner = np.uintp(np.int64(i) * plane_stride + np.int64(j) * row_stride + k)
                near = _square(flat, corner, below, beside, fj, fk)
                far = _square(flat, corner + behind, below, beside, fj, fk)
                out[plane, row, column] = near + (y - np.float32(i)) * (far - near)
            for rest in range(size - end + first):
                column = rest if rest < first else rest - first + end
                yy, xx, zz = i_start + step_i * column, j_start + step_j * column, k_start + step_k * column
                if (
                    yy < bounds[0, 0]
                    or yy > bounds[0, 1]
                    or xx < bounds[1, 0]
                    or xx > bounds[1, 1]
                    or zz < bounds[2, 0]
                    or zz > bounds[2, 1]
                ):
                    out[plane, row, column] = outside
                    continue
                top, bottom, fi = _cell(yy, shape[0])
                left, right, fx = _cell(xx, shape[1])
                front, back, fz = _cell(zz, shape[2])
                corner = np.uintp(top * plane_stride + left * row_stride + front)
                step, over = np.uintp((right - left) * row_stride), np.uintp(back - front)
                near = _square(flat, corner, step, over, fx, fz)
                far = _square(flat, corner + np.uintp((bottom - top) * plane_stride), step, over, fx, fz)
                out[plane, row, column] = near + fi * (far - near)


@njit(nogil=True, cache=True, fastmath=_FAST)
def smooth(image: np.ndarray, weights: np.ndarray, scratch: np.ndarray) -> None:
    """Smooth `image` (outer, S, inner) along its middle axis in place; edges go on beyond it."""
    outer, size, inner = image.shape
    radius = len(weights) // 2
    for n in range(outer):
        for at in range(size):
            for m in range(inner):
                scratch[at, m] = weights[radius] * image[n, at, m]
            for shift in range(1, radius + 1):
                low, high = max(at - shift, 0), min(at + shift, size - 1)
                weight = weights[radius + shift]
                for m in range(inner):
                    scratch[at, m] += weight * (image[n, low, m] + image[n, high, m])
        for at in range(size):
            for m in range(inner):
                image[n, at, m] = scratch[at, m]


@njit(nogil=True, cache=True, fastmath=_FAST)
def smooth_lines(image: np.ndarray, weights: np.ndarray, scratch: np.ndarray) -> None:
    """Smooth each line of `image` (L, S) in place; edges go on beyond it. `scratch` holds S + 2 radius."""
    lines, size = image.shape
    radius = len(weights) // 2
    for line in range(lines):
        for n in range(radius):
            scratch[n] = image[line, 0]
            scratch[radius + size + n] = image[line, size - 1]
        for n in range(size):
            scratch[radius + n] = image[line, n]
            image[line, n] = 0.0
        for tap in range(2 * radius + 1):
            weight = weights[tap]
            for n in range(size):
                image[line, n] += weight * scratch[tap + n]


@njit(nogil=True, cache=True, fastmath=_FAST)
def look(
    image: np.ndarray,
    scale: np.float32,
    shift: np.float32,
    field: np.ndarray,
    kind: int,
    sigma: np.float32,
    noise: np.ndarray,
) -> None:
    """Window, shade and add noise to lines (L, S) in place, and clip to [0, 1].

    `field` (L, 4) holds the coefficients of each line's shading, (0, 4) for none; `noise` (2, L, S) standard
    normal numbers, (0, 0, 0) for none.
    """
    lines, size = image.shape
    for line in range(lines):
        values = image[line]
        for n in range(size):
            values[n] = values[n] * scale + shift
        if field.shape[0]:
            a, b, c, d = field[line, 0], field[line, 1], field[line, 2], field[line, 3]
            for n in range(size):
                v = np.float32(2.0 * n / max(size - 1, 1) - 1.0)
                values[n] *= a + v * (b + v * (c + v * d))
        if noise.shape[0]:
            first = noise[0, line]
            if kind == GAUSSIAN:
                for n in range(size):
                    values[n] += sigma * first[n]
            elif kind == SPECKLE:
                for n in range(size):
                    values[n] *= np.float32(1.0) + sigma * first[n]
            elif kind == POISSON:
                for n in range(size):
                    values[n] += sigma * first[n] * np.sqrt(max(values[n], np.float32(0.0)))
            else:
                second = noise[1, line]
                for n in range(size):
                    one, two = values[n] + sigma * first[n], sigma * second[n]
                    values[n] = np.sqrt(one * one + two * two)
        for n in range(size):
            values[n] = min(max(values[n], np.float32(0.0)), np.float32(1.0))


@njit(nogil=True, cache=True, fastmath=_FAST)
def tone(image: np.ndarray, curve: np.ndarray, contrast: np.float32, shift: np.float32) -> None:
    """Apply gamma, contrast and brightness to lines (L, S) in [0, 1], clip, and normalise.

    `curve` holds gamma at even steps of the root of the value, where it is smooth; (0,) for none.
    """
    lines, size = image.shape
    last = np.float32(len(curve) - 1)
    for line in range(lines):
        values = image[line]
        if len(curve):
            for n in range(size):
                at = np.sqrt(values[n]) * last
                low = min(int(at), len(curve) - 2)
                values[n] = curve[low] + (at - np.float32(low)) * (curve[low + 1] - curve[low])
        for n in range(size):
            value = values[n] * contrast + shift
            value = min(max(value, np.float32(0.0)), np.float32(1.0))
            values[n] = (value - np.float32(0.5)) * np.float32(4.0)
