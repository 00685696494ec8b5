"""Siemens mosaics: the slices of a volume tiled into one image.

Private elements (the CSA image header, "SV10") hold the number of tiles and the slice normal. The position in
the header is that of a slice as large as the whole mosaic; it is moved to the corner of one tile.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from struct import unpack_from

import numpy as np

from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.header.model import Attributes, Frame, plain_frame
from medcl.archive.dicom.header.values import place, short
from medcl.archive.dicom.tags import IMAGE_POSITION, SIEMENS_CSA, SIEMENS_IMAGES_IN_MOSAIC
from medcl.archive.flags import quarantined


def mosaic_frames(elements: Elements, shared: Attributes) -> tuple[int, tuple[Frame, ...], tuple[str, ...]]:
    """Return tiles per side, a frame for each slice, and flags.

    Raises:
        Rejected: BAD_HEADER where the number of slices or their place is not known.
    """
    csa = csa_values(elements.values.get(SIEMENS_CSA, b""))
    count = int(csa.get("NumberOfImagesInMosaic", (0,))[0]) or short(
        elements.values.get(SIEMENS_IMAGES_IN_MOSAIC, b"")
    )
    corner = place(elements.values.get(IMAGE_POSITION))
    if not count or corner is None or shared.orientation is None or shared.pixel_spacing is None:
        raise quarantined("BAD_HEADER")
    tiles = math.isqrt(count - 1) + 1
    if shared.rows % tiles or shared.columns % tiles:
        raise quarantined("BAD_HEADER")
    row, column = np.array(shared.orientation[:3]), np.array(shared.orientation[3:])
    normal = np.array(csa.get("SliceNormalVector", ()), dtype=float)
    if normal.shape != (3,) or not normal.any():
        normal = np.cross(row, column)
    distance = shared.spacing_between or shared.thickness
    if distance is None:
        raise quarantined("BAD_HEADER")
    between_rows, between_columns = shared.pixel_spacing
    hidden = (tiles - 1) / tiles / 2
    first = (
        np.array(corner)
        + row * shared.columns * hidden * between_columns
        + column * shared.rows * hidden * between_rows
    )
    plain = plain_frame(shared, None)
    frames = tuple(
        replace(plain, index=number, position=tuple(map(float, first + number * distance * normal)))
        for number in range(count)
    )
    return tiles, frames, ("MOSAIC",)


def csa_values(raw: bytes) -> dict[str, tuple[float, ...]]:
    """Return the numeric values of a CSA header by name; empty when it is not one."""
    values: dict[str, tuple[float, ...]] = {}
    if raw[:4] != b"SV10" or len(raw) < 16:
        return values
    count, at = unpack_from("<I", raw, 8)[0], 16
    for _ in range(min(count, 1000)):
        if at + 84 > len(raw):
            break
        name = raw[at : at + 64].split(b"\0")[0].decode("ascii", "replace")
        items = unpack_from("<I", raw, at + 76)[0]
        at += 84
        numbers = []
        for _ in range(min(items, 1000)):
            if at + 16 > len(raw):
                break
            length = unpack_from("<I", raw, at + 4)[0]
            word = raw[at + 16 : at + 16 + length].split(b"\0")[0].strip()
            with contextlib.suppress(ValueError):
                numbers.append(float(word))
            at += 16 + (length + 3) // 4 * 4
        if numbers:
            values[name] = tuple(numbers)
    return values
