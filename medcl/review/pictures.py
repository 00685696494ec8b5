"""From stored pixels to what a radiologist expects: window, orientation letters, scale; no interpolation."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

WINDOWS_HU: dict[str, tuple[float, float]] = {
    "Soft tissue": (40.0, 400.0),
    "Liver": (90.0, 180.0),
    "Lung": (-600.0, 1500.0),
    "Bone": (400.0, 1800.0),
    "Brain": (40.0, 80.0),
}
"""Name: center and width in HU."""

TARGET_PX = 480
LARGEST_ZOOM = 10
OUTLINE = np.array([255, 200, 0], np.uint8)
LARGEST_SCALE_SHARE = 0.4
SCALES_MM = (1, 2, 5, 10, 20, 50, 100, 200)


@dataclass(frozen=True)
class Plane:
    """How a volume in closest canonical (RAS+) axes is cut: every axis is hung against its direction.

    Attributes:
        axis: array axis that is scrolled through.
        down, across: array axes of rows and columns.
        letters: what lies at the left, right, top and bottom of the picture.
        pixel_mm: (down, across).
    """

    axis: int
    down: int
    across: int
    letters: tuple[str, str, str, str]
    pixel_mm: tuple[float, float]


def plane_of(affine: np.ndarray) -> Plane:
    """Return the cut across the axis of coarsest spacing, axial where spacings are equal.

    Axial and coronal cuts show the patient's right on the left of the screen, sagittal cuts the front.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    axis = 2 - int(np.argmax(np.round(spacing, 2)[::-1]))
    across, down = {2: (0, 1), 1: (0, 2), 0: (1, 2)}[axis]
    left, right = ("R", "L") if across == 0 else ("A", "P")
    top, bottom = ("A", "P") if down == 1 else ("S", "I")
    return Plane(
        axis, down, across, (left, right, top, bottom), (float(spacing[down]), float(spacing[across]))
    )


def cut(volume: np.ndarray, plane: Plane, index: int) -> np.ndarray:
    """Return slice `index` of `volume` as (row, column), or (row, column, 3) in color."""
    order = (plane.axis, plane.down, plane.across, *range(3, volume.ndim))
    return volume.transpose(order)[index][::-1, ::-1]


def to_gray(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map `low`..`high` to 0..255; true color of 8 bits stays as it is."""
    if pixels.ndim == 3 and pixels.dtype == np.uint8:
        return pixels
    share = (pixels.astype(np.float32) - low) / max(high - low, 1e-6)
    return (np.clip(np.nan_to_num(share), 0, 1) * 255 + 0.5).astype(np.uint8)


def zooms(shape: tuple[int, ...], pixel_mm: tuple[float, float] | None) -> tuple[int, int]:
    """Return whole-number zooms (down, across) that fill the screen's share and keep proportions closest."""
    down_mm, across_mm = pixel_mm or (1.0, 1.0)
    smaller = min(down_mm, across_mm)
    ratio = (max(1, round(down_mm / smaller)), max(1, round(across_mm / smaller)))
    room = TARGET_PX // max(shape[0] * ratio[0], shape[1] * ratio[1], 1)
    zoom = min(max(room, 1), LARGEST_ZOOM)
    return ratio[0] * zoom, ratio[1] * zoom


def outline(mask: np.ndarray) -> np.ndarray:
    """Return the inner edge of a boolean mask."""
    inner = mask.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            inner &= np.roll(mask, step, axis)
    return mask & ~inner


def figure(
    gray: np.ndarray,
    zoom: tuple[int, int],
    letters: tuple[str, str, str, str] | None,
    pixel_mm: tuple[float, float] | None,
    caption: str,
    mask: np.ndarray | None = None,
) -> str:
    """Return the picture as HTML: pixels repeated, not interpolated, with letters, scale bar and caption."""
    large = np.repeat(np.repeat(gray, zoom[0], axis=0), zoom[1], axis=1)
    if mask is not None and mask.any():
        large = large if large.ndim == 3 else np.repeat(large[..., None], 3, axis=2)
        edge = outline(np.repeat(np.repeat(mask, zoom[0], axis=0), zoom[1], axis=1))
        large[edge] = OUTLINE
    file = io.BytesIO()
    Image.fromarray(large).save(file, format="PNG", compress_level=3)
    source = base64.b64encode(file.getvalue()).decode()
    height, width = large.shape[:2]
    marks = "".join(
        f'<span class="letter {place}">{letter}</span>'
        for place, letter in zip(("left", "right", "top", "bottom"), letters or (), strict=False)
    )
    scale = _scale(width, zoom[1], pixel_mm)
    told = html.escape(caption)
    return (
        f'<div class="picture"><div class="frame" style="width:{width}px;height:{height}px">'
        f'<img src="data:image/png;base64,{source}" width="{width}" height="{height}" alt="{told}">{marks}'
        f'</div><div class="below">{scale}<span>{told}</span></div></div>'
    )


def _scale(width: int, zoom: int, pixel_mm: tuple[float, float] | None) -> str:
    if pixel_mm is None:
        return '<span class="unknown">spacing unknown</span>'
    most = width * LARGEST_SCALE_SHARE
    length = next((mm for mm in reversed(SCALES_MM) if mm / pixel_mm[1] * zoom <= most), SCALES_MM[0])
    return f'<span class="scale" style="width:{round(length / pixel_mm[1] * zoom)}px"></span>{length} mm'
