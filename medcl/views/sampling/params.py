"""Everything that was drawn at random for a batch of views: explains, repeats and inverts them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Annotated, Any, get_type_hints

import numpy as np

_PER_SCAN = (
    "rows",
    "reduce",
    "slice_axis",
    "count",
    "anchor",
    "overlap",
    "marked",
    "padding_value",
    "preset",
)


@dataclass(frozen=True)
class Described:
    """Description of an intensity parameter for people.

    Attributes:
        unchanged: The value that changes nothing.
        text: Format of other values; `{unit}` is the scan's unit.
    """

    unchanged: float
    text: str


@dataclass(frozen=True)
class ViewParams:
    """The views of B scans, V of each; the same parameters give the same views through every backend.

    Attributes:
        rows: (B,) row numbers of the store.
        size: edge of a view in pixels.
        reduce: (B,) whole factor by which the source is averaged before it is sampled.
        slice_axis: (B,) source axis of the slices, -1 where there are none.
        slices: (B, V) slice of each view.
        matrix: (B, V, D, D + 1) output pixel to source voxel (to pixel of the slice).
        count: (B, D) samples of the source (of the slice) along its own axes.
        anchor: (B, D) millimeters in the displayed frame, as `center` (B, V, D) and `edge` (B, V).
        rotation: (B, V, 1 or 3) degrees.
        mirror: (B, V, D) -1 where an output axis is flipped, else 1.
        marked: (B,) whether the anchor was drawn from labeled tissue.
        overlap: (B,) intersection over union of the first two views; 1 for a single one.
        padding_value: (B,) what lies beyond the scan, in its unit.
        preset: (B,) number of the window preset, -1 for the scan's own range.
        gain, offset, low, width, gamma, contrast, brightness: (B, V), see `Policy`.
        field: (B, V, 4, ..., 4) coefficients of the shading's powers of the output coordinates in [-1, 1].
        blur_px: (B, V) standard deviation in output pixels, 0 for none.
        noise: (B, V) standard deviation in window widths (speckle: relative), 0 for none.
        noise_start, noise_sign: (B, V) where in the noise bank a view reads, and its sign.
        bank: seed and epoch of the noise bank.
        color: (B, V, 6) saturation factor, hue turn, three stain gains, one stain offset.
        kind: of the noise.
        channels: 1, or 3 where color is kept.
        stain: whether color changes are those of stains.
        stack: neighboring slices that a view shows as channels (1 for plain 2-D and for 3-D).
    """

    rows: np.ndarray
    reduce: np.ndarray
    slice_axis: np.ndarray
    slices: np.ndarray
    matrix: np.ndarray
    count: np.ndarray
    anchor: np.ndarray
    center: np.ndarray
    edge: np.ndarray
    rotation: np.ndarray
    mirror: np.ndarray
    overlap: np.ndarray
    marked: np.ndarray
    padding_value: np.ndarray
    preset: np.ndarray
    gain: Annotated[np.ndarray, Described(1, "gain {:.2f}")]
    offset: Annotated[np.ndarray, Described(0, "{:+.1f} {unit}")]
    low: np.ndarray
    width: np.ndarray
    gamma: Annotated[np.ndarray, Described(1, "gamma {:.2f}")]
    contrast: Annotated[np.ndarray, Described(1, "contrast {:.2f}")]
    brightness: Annotated[np.ndarray, Described(0, "brightness {:+.2f}")]
    field: np.ndarray
    blur_px: np.ndarray
    noise: np.ndarray
    noise_start: np.ndarray
    noise_sign: np.ndarray
    color: np.ndarray
    size: int
    bank: tuple[int, int]
    kind: str
    channels: int = 1
    stain: bool = False
    stack: int = 1

    @property
    def dims(self) -> int:
        """Dimensions of a view."""
        return int(self.matrix.shape[2])

    @property
    def shape(self) -> tuple[int, int]:
        """(B, V)."""
        return int(self.slices.shape[0]), int(self.slices.shape[1])

    def take(self, index: slice | np.ndarray) -> ViewParams:
        """Return the parameters of some of the scans."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays: dict[str, Any] = {k: v[index] for k, v in values.items() if isinstance(v, np.ndarray)}
        return replace(self, **arrays)

    def view(self, view: int) -> ViewParams:
        """Return the parameters of one view of every scan, as (B, 1)."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        per_view = [k for k, v in values.items() if isinstance(v, np.ndarray) and v.shape[:2] == self.shape]
        return replace(self, **{k: values[k][:, view : view + 1] for k in per_view if k not in _PER_SCAN})


@cache
def described_parameters() -> dict[str, Described]:
    """Return the intensity parameters annotated with `Described`, by name."""
    hints = get_type_hints(ViewParams, include_extras=True)
    return {
        name: extra
        for name, hint in hints.items()
        for extra in getattr(hint, "__metadata__", ())
        if isinstance(extra, Described)
    }
