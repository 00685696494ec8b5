"""Color images: palettes and RGB."""

from __future__ import annotations

from typing import Any

import numpy as np

from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.tags import PALETTE_DESCRIPTORS, PALETTE_SEGMENTED, PALETTE_TABLES
from medcl.archive.flags import quarantined


def from_palette(values: np.ndarray, elements: Elements) -> np.ndarray:
    """Return the (row, column, 3) uint8 image behind palette indices (PS3.3 C.7.9).

    Raises:
        Rejected: the palette is missing or broken.
    """
    from pydicom.dataset import Dataset
    from pydicom.pixels import apply_color_lut

    palette: Any = Dataset()
    order: Any = "little" if elements.little else "big"
    try:
        for tag in PALETTE_DESCRIPTORS:
            raw = elements.values[tag]
            numbers = [int.from_bytes(raw[at : at + 2], order) for at in (0, 2, 4)]
            palette.add_new(tag, "US", numbers)
        for tag in (*PALETTE_TABLES, *PALETTE_SEGMENTED):
            if tag in elements.values:
                palette.add_new(tag, "OW", _little(elements.values[tag], elements.little))
        shown = apply_color_lut(np.ascontiguousarray(values), palette)
    except Exception:  # a palette that is missing, cut off or contradicts itself
        raise quarantined("BAD_HEADER") from None
    return as_bytes(shown[..., :3])


def _little(raw: bytes, little: bool) -> bytes:
    return raw if little else np.frombuffer(raw, ">u2").astype("<u2").tobytes()


def as_bytes(shown: np.ndarray) -> np.ndarray:
    """Return color as uint8; 16-bit samples lose their low byte."""
    return shown if shown.dtype == np.uint8 else (shown >> 8).astype(np.uint8)
