"""Mosaics: the slices of a volume tiled into one image, as Siemens and United Imaging write them.

Private elements of Siemens (the CSA image header, "SV10") hold the number of tiles and the slice normal. The
position in the header is that of a slice as large as the whole mosaic; it is moved to the corner of one tile.
United Imaging (image type VFRAME) states the position of every slice in a private sequence. Source:
https://github.com/rordenlab/dcm2niix, which documents both.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from struct import unpack_from

import numpy as np

from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.header.model import Attributes, Frame, plain_frame
from medcl.archive.dicom.header.values import decimal, finite_vector, place, short
from medcl.archive.dicom.tags import (
    IMAGE_POSITION,
    SIEMENS_CSA,
    SIEMENS_IMAGES_IN_MOSAIC,
    UIH_SLICE_SEQUENCE,
    UIH_SLICES,
)
from medcl.archive.flags import quarantined

Tiles = tuple[tuple[int, int], tuple[Frame, ...]]


def is_mosaic(shared: Attributes) -> bool:
    """Return whether the image is made of tiles."""
    return "MOSAIC" in shared.image_type or "VFRAME" in shared.image_type


def mosaic_frames(elements: Elements, shared: Attributes) -> Tiles:
    """Return rows and columns of tiles, and a frame for each slice.

    Raises:
        Rejected: TILES_UNPLACED where the number of slices or their place is not known, BAD_HEADER where they
            do not fit into the image.
    """
    tiles, frames = (_siemens if "MOSAIC" in shared.image_type else _united_imaging)(elements, shared)
    if shared.rows % tiles[0] or shared.columns % tiles[1]:
        raise quarantined("BAD_HEADER")
    return tiles, frames


def _united_imaging(elements: Elements, shared: Attributes) -> Tiles:
    try:
        count = round(decimal(elements.values.get(UIH_SLICES, b"")) or 0)
        slices = elements.items(UIH_SLICE_SEQUENCE)
        positions = [finite_vector(item.get("ImagePositionPatient"), 3) for item in slices]
    except (TypeError, ValueError):
        raise quarantined("BAD_HEADER") from None
    if not count or None in positions or len(positions) != count:
        raise quarantined("TILES_UNPLACED")
    if shared.orientation is None or shared.pixel_spacing is None:
        raise quarantined("TILES_UNPLACED")
    across = math.isqrt(count - 1) + 1
    plain = plain_frame(shared, None)
    frames = tuple(
        replace(plain, index=number, position=position) for number, position in enumerate(positions)
    )
    return (math.ceil(count / across), across), frames


def _siemens(elements: Elements, shared: Attributes) -> Tiles:
    csa = csa_values(elements.values.get(SIEMENS_CSA, b""))
    count = int(csa.get("NumberOfImagesInMosaic", (0,))[0]) or short(
        elements.values.get(SIEMENS_IMAGES_IN_MOSAIC, b"")
    )
    corner = place(elements.values.get(IMAGE_POSITION))
    if not count or corner is None or shared.orientation is None or shared.pixel_spacing is None:
        raise quarantined("TILES_UNPLACED")
    tiles = math.isqrt(count - 1) + 1
    row, column = np.array(shared.orientation[:3]), np.array(shared.orientation[3:])
    normal = np.array(csa.get("SliceNormalVector", ()), dtype=float)
    if normal.shape != (3,) or not normal.any():
        normal = np.cross(row, column)
    distance = shared.spacing_between or shared.thickness
    if distance is None:
        raise quarantined("TILES_UNPLACED")
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
    return (tiles, tiles), frames


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
