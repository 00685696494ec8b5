"""From slice positions to a grid: order along the normal, exact affines, gaps, tilt and uneven spacing.

Everything here is in the patient's LPS millimeters of DICOM until `Grid.affine`, which is RAS+.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from medcl.archive.dicom.header.values import Vector
from medcl.archive.geometry import LPS_TO_RAS

ORIENTATION_TOLERANCE = np.cos(np.radians(0.1))
SPACING_TOLERANCE = 1e-3
SAME_PLACE_MM = 0.005
JITTER_MM, JITTER_FRACTION = 0.02, 0.01
DRIFT_FRACTION = 0.1
TILT_TOLERANCE = 2e-3
MAX_MISSING_FRACTION, MAX_MISSING_RUN, MAX_GAP_MM = 0.10, 3, 15.0
MAX_REFINEMENT = 4
MIN_RUN = 3
MAX_SLICES = 20_000


@dataclass(frozen=True)
class Grid:
    """Where the slices of one stack stand.

    Attributes:
        affine: (4, 4), index (column, row, slice) to RAS+ mm; exact, sheared where the slices are.
        count: slices of the grid, those to be interpolated included.
        places: grid coordinate of each measured slice, ascending from 0 to `count` - 1; whole numbers where
            slices are measured at grid points.
        flags: codes earned.
    """

    affine: np.ndarray
    count: int
    places: np.ndarray
    flags: tuple[str, ...]

    @property
    def is_even(self) -> bool:
        """Return whether every slice of the grid was measured."""
        return np.array_equal(self.places, np.arange(self.count))


@lru_cache(maxsize=4096)
def normal(orientation: Vector) -> tuple[float, float, float]:
    """Return the unit normal of a slice: rows' direction x columns' direction."""
    vector = np.cross(orientation[:3], orientation[3:])
    x, y, z = (vector / np.linalg.norm(vector)).tolist()
    return x, y, z


def same_orientation(first: Vector, second: Vector) -> bool:
    """Return whether rows and columns of two slices differ by less than 0.1 degrees."""
    a, b = np.reshape(first, (2, 3)), np.reshape(second, (2, 3))
    return bool(((a * b).sum(axis=1) >= ORIENTATION_TOLERANCE).all())


def same_spacing(first: Vector, second: Vector) -> bool:
    """Return whether two pixel spacings differ by less than 0.1 %."""
    return all(abs(a - b) <= SPACING_TOLERANCE * a for a, b in zip(first, second, strict=True))


def grid(positions: Sequence[Vector], orientation: Vector, spacing: Vector, thickness: float | None) -> Grid:
    """Return the grid of slices that are sorted along their normal and stand at different places.

    Args:
        positions: of the slices' first voxels, LPS mm.
        orientation: direction of rows then of columns.
        spacing: mm between rows, between columns.
        thickness: stated by the header; used for a single slice only.

    Raises:
        ValueError: a single slice without thickness, or slices that are shifted sideways irregularly.
    """
    corners = np.array(positions, dtype=np.float64)
    direction = np.array(normal(orientation))
    if len(corners) == 1:
        if thickness is None:
            raise ValueError("a single slice without thickness has no extent")
        return Grid(_affine(corners[0], direction * thickness, orientation, spacing), 1, np.zeros(1), ())
    depths = corners @ direction
    places, flags = _places(np.diff(depths))
    count = round(float(places[-1])) + 1
    step = (corners[-1] - corners[0]) / (count - 1)
    _check_straight(corners, places, step, min(spacing))
    if np.linalg.norm(np.cross(step, direction)) > TILT_TOLERANCE * float(step @ direction):
        flags.add("TILT")
    return Grid(_affine(corners[0], step, orientation, spacing), count, places, tuple(sorted(flags)))


def _affine(corner: np.ndarray, step: np.ndarray, orientation: Vector, spacing: Vector) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, 0] = np.array(orientation[:3]) * spacing[1]
    affine[:3, 1] = np.array(orientation[3:]) * spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = corner
    return LPS_TO_RAS @ affine


def _places(distances: np.ndarray) -> tuple[np.ndarray, set[str]]:
    """Return grid coordinates of slices and what their distances say."""
    if is_even(distances):
        return np.arange(len(distances) + 1, dtype=np.float64), set()
    median = float(np.median(distances))
    jitter = max(JITTER_FRACTION * median, JITTER_MM)
    steps = _whole_steps(distances, median, jitter)
    if steps is not None and not _is_planned(steps):
        return np.concatenate([[0.0], np.cumsum(steps)]), _gap_flags(steps, distances.sum() / steps.sum())
    return _uneven(distances, median)


def spacing_flags(distances: np.ndarray) -> set[str]:
    """Return the flags that distances between slices earn."""
    return _places(distances)[1]


def is_even(distances: np.ndarray) -> bool:
    """Return whether slices are equidistant, in pairs and over the whole stack, where small errors add up."""
    if not distances.size:
        return True
    median = float(np.median(distances))
    jitter = max(JITTER_FRACTION * median, JITTER_MM)
    alike = bool((np.abs(distances - median) <= jitter).all())
    return alike and _drift(distances, np.ones_like(distances)) <= max(jitter, DRIFT_FRACTION * median)


def _drift(distances: np.ndarray, steps: np.ndarray) -> float:
    """Return by how many mm slices at most miss the place that even `steps` give them."""
    even = np.cumsum(steps) * (distances.sum() / steps.sum())
    return float(np.abs(np.cumsum(distances) - even).max())


def _whole_steps(distances: np.ndarray, median: float, jitter: float) -> np.ndarray | None:
    """Return the distances in steps of the smallest one, or None when they are no whole multiples of it."""
    smallest = float(distances.min())
    if smallest < median / MAX_REFINEMENT:
        return None
    native = float(distances[distances <= smallest + 2 * jitter].mean())
    steps = np.round(distances / native)
    native = float(distances.sum() / steps.sum())
    whole = np.abs(distances - steps * native) <= jitter * np.sqrt(steps)
    drifts = _drift(distances, steps) > max(jitter, DRIFT_FRACTION * native)
    return steps if whole.all() and not drifts else None


def _is_planned(steps: np.ndarray) -> bool:
    """Return whether wider steps come in runs of three or more: planned so, with no slice missing."""
    changes = np.flatnonzero(np.diff(steps)) + 1
    runs = np.split(steps, changes)
    return all(len(run) >= MIN_RUN for run in runs if run[0] > 1)


def _gap_flags(steps: np.ndarray, native: float) -> set[str]:
    missing = steps - 1
    total = steps.sum() + 1
    large = (
        missing.sum() > MAX_MISSING_FRACTION * total
        or missing.max() > MAX_MISSING_RUN
        or steps.max() * native > MAX_GAP_MM
    )
    return {"GAP", "GAP_LARGE"} if large or total > MAX_SLICES else {"GAP"}


def _uneven(distances: np.ndarray, median: float) -> tuple[np.ndarray, set[str]]:
    """Return places on an even grid about as fine as the closest pair of slices."""
    flags = {"VARSPACING"}
    if distances.max() > max(MAX_GAP_MM, MAX_MISSING_RUN * median):
        flags.add("GAP_LARGE")
    fine = max(float(distances.min()), median / MAX_REFINEMENT)
    steps = min(max(round(float(distances.sum()) / fine), 1), MAX_SLICES)
    along = np.concatenate([[0.0], np.cumsum(distances)]) / distances.sum()
    return along * steps, flags


def _check_straight(corners: np.ndarray, places: np.ndarray, step: np.ndarray, pixel: float) -> None:
    """Refuse slices whose corners do not lie on a line: no affine describes them."""
    apart = corners - corners[0] - places[:, None] * step
    way = step / np.linalg.norm(step)
    aside = np.linalg.norm(apart - (apart @ way)[:, None] * way, axis=1)
    if aside.max() > pixel / 2:
        raise ValueError("slices are shifted sideways irregularly")
