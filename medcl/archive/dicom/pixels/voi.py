"""The window or table that a projection is meant to be shown with (PS3.3 C.11.2).

Applied to CR, DX and MG for presentation only: their detectors' raw ranges differ by maker. CT, MR and PET
keep their measured values; windows are for the views.
"""

from __future__ import annotations

import numpy as np

from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.header.model import Attributes
from medcl.archive.dicom.header.values import decimals, text
from medcl.archive.dicom.pixels.lut import LookupTable
from medcl.archive.dicom.tags import VOI_LUT, VOI_LUT_FUNCTION, WINDOW_CENTER, WINDOW_WIDTH
from medcl.archive.flags import Rejected

SHOWN = frozenset({"CR", "DX", "MG", "IO", "PX"})
FAR_FEWER_BITS = 3


def apply_voi(values: np.ndarray, elements: Elements, shared: Attributes) -> np.ndarray | None:
    """Return a projection as it is meant to be shown, in [0, 2^bits - 1] of 16 bits at most, or None.

    None where the modality keeps its values, the image is for processing, or no usable window is stated
    (a window outside of the image's values is not usable).
    """
    if shared.modality not in SHOWN or shared.presentation == "FOR PROCESSING":
        return None
    top = (1 << min(shared.bits_stored, 16)) - 1
    try:
        items = elements.items(VOI_LUT)
        if items:
            table = LookupTable.of(items[0], shared.signed, elements.little)
            return _spread(np.clip(table(values) / ((1 << _depth(table)) - 1), 0, 1), top)
        centers = decimals(elements.values.get(WINDOW_CENTER, b""))
        widths = decimals(elements.values.get(WINDOW_WIDTH, b""))
    except (Rejected, TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    if not centers or not widths:
        return None
    function = text(elements.values.get(VOI_LUT_FUNCTION, b"")) or "LINEAR"
    shown = _window(values.astype(np.float64), centers[0], widths[0], function)
    return None if shown is None or shown.min() == shown.max() else _spread(shown, top)


def _depth(table: LookupTable) -> int:
    """Return the bits of a table's entries: those stated, unless entries need more or far fewer.

    Writers that state 8 or 16 bits for entries of 12 would have the image white or black.
    """
    needed = int(table.values.max()).bit_length()
    return needed if needed > table.bits or 0 < needed <= table.bits - FAR_FEWER_BITS else table.bits


def _spread(shown: np.ndarray, top: int) -> np.ndarray:
    """Return values in [0, 1] as whole numbers from 0 to `top`."""
    return np.round(shown * top).astype(np.uint8 if top <= 255 else np.uint16)


def _window(values: np.ndarray, center: float, width: float, function: str) -> np.ndarray | None:
    """Return values mapped to [0, 1], or None for a width that the function does not allow."""
    if width <= 0 or (function == "LINEAR" and width <= 1):
        return None
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700))))
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0, 1)
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)
