"""Pictures of scans as HTML: exact pixels without interpolation, orientation letters and a scale bar."""

from __future__ import annotations

import base64
import html
import io

import numpy as np
from PIL import Image

TARGET_PX = 480
MAX_ZOOM = 10
OUTLINE = np.array([255, 200, 0], np.uint8)
MAX_SCALE_SHARE = 0.4
SCALES_MM = (1, 2, 5, 10, 20, 50, 100, 200)


def zooms(shape: tuple[int, ...], pixel_mm: tuple[float, float] | None) -> tuple[int, int]:
    """Return integer zooms (down, across) that reach about `TARGET_PX` and keep proportions closest."""
    down_mm, across_mm = pixel_mm or (1.0, 1.0)
    smaller = min(down_mm, across_mm)
    ratio = (max(1, round(down_mm / smaller)), max(1, round(across_mm / smaller)))
    factor = TARGET_PX // max(shape[0] * ratio[0], shape[1] * ratio[1], 1)
    zoom = min(max(factor, 1), MAX_ZOOM)
    return ratio[0] * zoom, ratio[1] * zoom


def outline(mask: np.ndarray) -> np.ndarray:
    """Return the inner edge of a boolean mask."""
    inner = mask.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            inner &= np.roll(mask, step, axis)
    return np.asarray(mask & ~inner)


def figure(
    gray: np.ndarray,
    zoom: tuple[int, int],
    letters: tuple[str, str, str, str] | None,
    pixel_mm: tuple[float, float] | None,
    caption: str,
    mask: np.ndarray | None = None,
) -> str:
    """Return a picture as HTML: pixels repeated, not interpolated, with letters, scale bar and caption.

    Args:
        gray: Pixels (rows, columns) or (rows, columns, 3), uint8.
        zoom: How often each pixel is repeated, down and across.
        letters: Sides of the patient at the left, right, top and bottom; None when unknown.
        pixel_mm: Spacing down and across; None when unknown.
        caption: Text below the picture and for screen readers.
        mask: Mask (rows, columns) to outline.
    """
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
    text = html.escape(caption)
    return (
        f'<div class="picture"><div class="frame" style="width:{width}px;height:{height}px">'
        f'<img src="data:image/png;base64,{source}" width="{width}" height="{height}" alt="{text}">{marks}'
        f'</div><div class="below">{scale}<span>{text}</span></div></div>'
    )


def _scale(width: int, zoom: int, pixel_mm: tuple[float, float] | None) -> str:
    if pixel_mm is None:
        return '<span class="unknown">spacing unknown</span>'
    longest = width * MAX_SCALE_SHARE
    length = next((mm for mm in reversed(SCALES_MM) if mm / pixel_mm[1] * zoom <= longest), SCALES_MM[0])
    return f'<span class="scale" style="width:{round(length / pixel_mm[1] * zoom)}px"></span>{length} mm'
