"""Position of a NIfTI in space from sform, qform, voxel sizes and units, with flags where they disagree."""

from __future__ import annotations

import numpy as np

from medcl.archive.flags import quarantined

MILLIMETERS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Millimeters per unit, by `xyzt_units & 7`: unknown, meter, millimeter, micrometer."""

PLAUSIBLE_MM = (0.005, 20.0)
ROTATION_TOLERANCE_DEG = 1.0
SIZE_TOLERANCE = 0.01


def place(raw: np.void) -> tuple[np.ndarray, set[str]]:
    """Return the affine (voxel index to RAS+ mm) of a raw header, and the flags that go with it.

    Raises:
        Rejected: AFFINE_DEGENERATE when an axis has no length, two are parallel or a number is not finite.
    """
    flags: set[str] = set()
    sizes = raw["pixdim"][1:4].astype(np.float64)
    if (sizes < 0).any():
        flags.add("PIXDIM_NEGATIVE")
    sizes = np.abs(sizes)
    if int(raw["sform_code"]) > 0:
        affine = _sform(raw)
        if int(raw["qform_code"]) > 0 and _directions_differ(affine, _qform(raw, np.ones(3))):
            flags.add("XFORM_CONFLICT")
        if _sizes_differ(np.linalg.norm(affine[:3, :3], axis=0), sizes):
            flags.add("PIXDIM_CONFLICT")
    elif int(raw["qform_code"]) > 0:
        affine = _qform(raw, sizes)
    else:
        flags.add("XFORM_UNKNOWN")
        affine = np.diag([*np.where(sizes > 0, sizes, 1.0), 1.0])
        if (sizes == 0).any():
            flags.add("SPACING_UNKNOWN")
    return _in_millimeters(affine, int(raw["xyzt_units"]) & 7, flags), flags


def _in_millimeters(affine: np.ndarray, unit: int, flags: set[str]) -> np.ndarray:
    scale = MILLIMETERS.get(unit, 1.0)
    if unit not in MILLIMETERS or unit == 0:
        flags.add("UNITS_UNKNOWN")
    if scale != 1.0:
        flags.add("UNITS_SCALED")
    affine = affine.copy()
    affine[:3] *= scale
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or (lengths == 0).any():
        raise quarantined("AFFINE_DEGENERATE", *flags)
    if abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-3:
        raise quarantined("AFFINE_DEGENERATE", *flags)
    if lengths.min() < PLAUSIBLE_MM[0] or lengths.max() > PLAUSIBLE_MM[1]:
        flags.add("SPACING_IMPLAUSIBLE")
    return affine


def _sform(raw: np.void) -> np.ndarray:
    rows = [raw["srow_x"], raw["srow_y"], raw["srow_z"], [0.0, 0.0, 0.0, 1.0]]
    return np.array([np.asarray(row, dtype=np.float64) for row in rows])


def _qform(raw: np.void, sizes: np.ndarray) -> np.ndarray:
    """Return the affine of the quaternion (method 2 of the standard), with voxels of `sizes`."""
    b, c, d = (float(raw[f"quatern_{axis}"]) for axis in "bcd")
    norm = b * b + c * c + d * d
    if not np.isfinite(norm):
        raise quarantined("AFFINE_DEGENERATE")
    if norm > 1.0:
        b, c, d = (value / np.sqrt(norm) for value in (b, c, d))
    a = np.sqrt(max(0.0, 1.0 - norm))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    handedness = -1.0 if float(raw["pixdim"][0]) < 0 else 1.0
    affine = np.eye(4)
    affine[:3, :3] = rotation * sizes * [1.0, 1.0, handedness]
    affine[:3, 3] = [float(raw[f"qoffset_{axis}"]) for axis in "xyz"]
    return affine


def _directions_differ(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether two affines differ in handedness or by a rotation of more than one degree."""
    linear = first[:3, :3]
    if not np.isfinite(linear).all() or np.linalg.matrix_rank(linear) < 3:
        return False
    if np.sign(np.linalg.det(linear)) != np.sign(np.linalg.det(second[:3, :3])):
        return True
    rotation = _rotation(linear).T @ _rotation(second[:3, :3])
    angle = np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))
    return bool(angle > ROTATION_TOLERANCE_DEG)


def _rotation(linear: np.ndarray) -> np.ndarray:
    """Return the orthogonal matrix that is nearest to the directions of `linear`'s columns."""
    left, _, right = np.linalg.svd(linear / np.linalg.norm(linear, axis=0))
    return np.asarray(left @ right)


def _sizes_differ(lengths: np.ndarray, sizes: np.ndarray) -> bool:
    if not np.isfinite(lengths).all() or (sizes == 0).any():
        return False
    return bool((np.abs(lengths - sizes) > SIZE_TOLERANCE * np.maximum(lengths, 1e-9)).any())
