"""From stored bits to measured values, in the standard's order: bits, padding, modality transform.

Source: PS3.3 C.7.6.3 (pixels), C.11.1 (modality LUT), C.7.5.1.1.2 (padding).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from medcl.archive.dicom.header.elements import NATIVE, Elements
from medcl.archive.dicom.header.model import Attributes, DicomHeader, Frame
from medcl.archive.dicom.header.read import header_of, open_elements, stored_length
from medcl.archive.dicom.pixels.codecs import decode, sign_differs
from medcl.archive.dicom.pixels.encapsulated import frames
from medcl.archive.dicom.pixels.lut import LookupTable
from medcl.archive.dicom.tags import MODALITY_LUT, PIXEL_DATA, PIXELS
from medcl.archive.flags import quarantined

Opener = Callable[[], BinaryIO]


class PixelFile:
    """One open file whose frames can be read."""

    def __init__(self, stream: BinaryIO, elements: Elements, header: DicomHeader) -> None:
        self.stream = stream
        self.elements = elements
        self.header = header
        self.flags: set[str] = set()
        self._content: bytes | None = None
        self._frames: list[bytes] | None = None
        self._whole: np.ndarray | None = None

    @classmethod
    def open(cls, stream: BinaryIO) -> PixelFile:
        """Walk a file again.

        Raises:
            Rejected: it is no longer the DICOM image that was scanned.
        """
        stream.seek(0, 2)
        elements = open_elements(stream, stream.tell())
        if elements is None:
            raise quarantined("CHANGED")
        return cls(stream, elements, header_of(elements))

    def close(self) -> None:
        """Close the file."""
        self.stream.close()

    def frame(self, index: int) -> np.ndarray:
        """Return the container values of one frame (of one tile of a mosaic), (row, column[, sample])."""
        tiles = self.header.tiles
        if tiles is None:
            return self._decoded(index)
        if self._whole is None:
            self._whole = self._decoded(0)
        rows, columns = self.header.matrix
        top, left = index // tiles[1] * rows, index % tiles[1] * columns
        return self._whole[top : top + rows, left : left + columns]

    def _decoded(self, index: int) -> np.ndarray:
        header, shared = self.header, self.header.shared
        plain = header.syntax in NATIVE and self.elements.little
        if plain and shared.samples == 1 and shared.bits_allocated >= 8:
            return self._native(index)
        options = _options(shared, header.pixel_tag, self.elements.pixel_vr)
        if header.syntax not in NATIVE:
            if self._frames is None:
                self._frames = frames(self.value(), shared.n_frames)
            if sign_differs(header.syntax, self._frames[index], shared):
                self.flags.add("PIXELREP_MISMATCH")
            return decode(header.syntax, self._frames[index], options)
        if self._content is None:
            self._content = self.value()
        from pydicom.pixels import get_decoder

        try:
            array: np.ndarray
            decoder = get_decoder(header.syntax)
            # The bits above or below the value are handled by `stored_values`.
            array, _ = decoder.as_array(self._content, index=index, correct_unused_bits=False, **options)
        except Exception:  # whatever pydicom finds wrong with the pixels
            raise quarantined("UNDECODABLE") from None
        return array.astype(array.dtype.newbyteorder("="), copy=False)

    def _native(self, index: int) -> np.ndarray:
        shared, elements = self.header.shared, self.elements
        kind = "f" if elements.pixel_tag != PIXEL_DATA else "u"
        dtype = np.dtype(f"<{kind}{shared.bits_allocated // 8}")
        count = shared.rows * shared.columns
        elements.stream.seek(elements.pixel_start + index * count * dtype.itemsize)
        content = elements.stream.read(count * dtype.itemsize)
        if len(content) < count * dtype.itemsize:
            raise quarantined("TRUNCATED")
        return np.frombuffer(content, dtype).reshape(shared.rows, shared.columns)

    def value(self) -> bytes:
        """Return the bytes of all frames as stored."""
        self.elements.stream.seek(self.elements.pixel_start)
        return self.elements.stream.read(stored_length(self.elements, self.header.shared))


def _options(shared: Attributes, pixel_tag: int, pixel_vr: str) -> dict[str, Any]:
    options: dict[str, Any] = {
        "rows": shared.rows,
        "columns": shared.columns,
        "samples_per_pixel": shared.samples,
        "photometric_interpretation": shared.photometric,
        "number_of_frames": shared.n_frames,
        "bits_allocated": shared.bits_allocated,
        "bits_stored": shared.bits_stored,
        "pixel_representation": int(shared.signed),
        "pixel_keyword": PIXELS[pixel_tag],
        "pixel_vr": pixel_vr if pixel_vr in ("OB", "OW") else "OW",
    }
    if shared.samples > 1:
        options["planar_configuration"] = shared.planar
    return options


@dataclass(frozen=True)
class MeasuredFrame:
    """One frame after the modality transform.

    Attributes:
        values: integers where the transform is exact in integers, else float32.
        padding: mask of pixels that were not measured, or None.
    """

    values: np.ndarray
    padding: np.ndarray | None


def stored_values(container: np.ndarray, shared: Attributes) -> tuple[np.ndarray, bool]:
    """Take the value out of its container: shift, mask the unused bits, extend the sign.

    Returns:
        the values, and whether unused bits held anything else (an overlay).
    """
    if container.dtype.kind == "f":
        return container, False
    width = container.dtype.itemsize * 8
    signed = np.dtype(f"i{container.dtype.itemsize}")
    raw = container.view(np.dtype(f"u{container.dtype.itemsize}"))
    shift = shared.high_bit + 1 - shared.bits_stored
    if shared.bits_stored == width and shift == 0:
        return raw.view(signed) if shared.signed else raw, False
    mask = (1 << shared.bits_stored) - 1
    values = (raw >> shift) & raw.dtype.type(mask) if shift > 0 else raw & raw.dtype.type(mask)
    if shared.signed:
        spare = width - shared.bits_stored
        values = (values << spare).view(signed) >> spare
    same = values.view(raw.dtype) << shift if shift > 0 else values.view(raw.dtype)
    return values, bool((same != raw).any())


def padding_mask(container: np.ndarray, values: np.ndarray, shared: Attributes) -> np.ndarray | None:
    """Return where pixels are padding by the header's padding value (and range limit)."""
    if container.dtype.kind == "f":
        mask = container == (shared.float_padding if container.itemsize == 4 else shared.double_padding)
        return mask if mask.any() else None
    if len(shared.padding) != 2 or container.itemsize > 2:
        return None
    low = int.from_bytes(shared.padding, "little", signed=shared.signed)
    high = low
    if len(shared.padding_limit) == 2:
        high = int.from_bytes(shared.padding_limit, "little", signed=shared.signed)
    low, high = min(low, high), max(low, high)
    # Padding may use bits of the container that values do not.
    seen = container.view(np.dtype(f"{'i' if shared.signed else 'u'}{container.itemsize}"))
    mask = ((seen >= low) & (seen <= high)) | ((values >= low) & (values <= high))
    return mask if mask.any() else None


def is_whole(number: float | None) -> bool:
    """Return whether a slope or intercept keeps integers exact."""
    return number is None or (float(number).is_integer() and abs(number) < 1 << 24)


def rescaled(values: np.ndarray, frame: Frame) -> np.ndarray:
    """Apply slope and intercept; int32 where exact, else float32."""
    slope, intercept = frame.slope or 1.0, frame.intercept or 0.0
    if values.dtype.kind in "iu" and is_whole(slope) and is_whole(intercept):
        if (slope, intercept) == (1.0, 0.0):
            return values
        wide = np.int32 if values.dtype.itemsize <= 2 and abs(slope) < 1 << 14 else np.int64
        return values.astype(wide) * int(slope) + int(intercept)
    return (values.astype(np.float64) * slope + intercept).astype(np.float32)


def modality_table(file: PixelFile) -> LookupTable | None:
    """Return the table that stored values go through, or None when the file has none.

    Raises:
        Rejected: BAD_HEADER.
    """
    items = file.elements.items(MODALITY_LUT)
    if not items:
        return None
    try:
        return LookupTable.of(items[0], file.header.shared.signed, file.elements.little)
    except (TypeError, ValueError):
        raise quarantined("BAD_HEADER") from None


def measure(file: PixelFile, frame: Frame, table: LookupTable | None) -> MeasuredFrame:
    """Return one frame's measured values and its padding."""
    shared = file.header.shared
    container = file.frame(frame.index)
    values, overlaid = stored_values(container, shared)
    if overlaid:
        file.flags.add("OVERLAY_MASKED")
    padding = padding_mask(container, values, shared)
    return MeasuredFrame(table(values) if table is not None else rescaled(values, frame), padding)
