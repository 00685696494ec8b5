"""Finding the elements of a DICOM file by walking its tags instead of parsing the data set.

The walker reads 8 KiB and jumps from tag to tag without decoding, keeping the raw bytes of wanted values and
the places of wanted sequences; it stops at the pixels. It reads explicit and implicit VR, both byte orders,
deflate, missing preambles, and skips nested sequences without recursion. Source: DICOM PS3.5 section 7,
PS3.10 section 7.
"""

from __future__ import annotations

import io
import zlib
from functools import lru_cache
from struct import Struct
from typing import Any, BinaryIO

from medcl.archive.dicom.header.elements import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, Elements
from medcl.archive.dicom.tags import MEDIA_STORAGE_SOP_CLASS_UID, PIXEL_DATA, PIXELS
from medcl.archive.flags import quarantined
from medcl.archive.limits import MAX_SCAN_BYTES, is_bomb

BLOCK = 8192
MAX_VALUE = 1 << 20
MAX_META = 1 << 20
UNDEFINED = 0xFFFFFFFF

SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_IS_LONG = dict.fromkeys(SHORT_VRS, False) | dict.fromkeys(LONG_VRS, True)
_ITEM_END, _SEQUENCE_END = 0xFFFEE00D, 0xFFFEE0DD
_SHORT_WORDS = frozenset(int.from_bytes(vr, "little") for vr in SHORT_VRS)
_LONG_WORDS = frozenset(int.from_bytes(vr, "little") for vr in LONG_VRS)
_ELEMENT = Struct("<IHH").unpack_from
_SHORT = Struct("<HH2sH").unpack_from
_LONG = Struct("<I").unpack_from


@lru_cache(maxsize=8)
def _turned(tags: frozenset[int]) -> dict[int, int]:
    """Return tags by their little-endian bytes read as one number."""
    return {(tag & 0xFFFF) << 16 | tag >> 16: tag for tag in tags}


def read_elements(
    stream: BinaryIO, size: int, wanted: frozenset[int], sequences: frozenset[int]
) -> Elements | None:
    """Walk a file up to its pixels; None when it is not DICOM.

    Raises:
        Rejected: TRUNCATED, BAD_HEADER or BOMB.
    """
    stream.seek(0)
    head = stream.read(BLOCK)
    start = _data_start(head)
    if start is None:
        return None
    elements = Elements(stream, size)
    walk = _ElementParser(elements, head, wanted, sequences)
    if start < 0:
        elements.flags.add("NO_PREAMBLE")
        start = 0
    else:
        start = walk.meta(start)
    if elements.syntax == DEFLATED:
        elements.stream, elements.size = _inflated(stream, size, start)
        walk = _ElementParser(elements, b"", wanted, sequences)
        start = 0
    else:
        _settle_form(elements, walk.peek(start, 8))
    if elements.explicit and elements.little:
        walk.explicit_little(start)
    else:
        walk.any_form(start)
    return elements


def _data_start(head: bytes) -> int | None:
    """Return where elements begin: 132, 0 (meta header without preamble), -1 (no meta header) or None."""
    if head[128:132] == b"DICM":
        return 132
    if head[:4] == b"\x02\0\0\0" and head[4:6] in SHORT_VRS:
        return 0
    group, element = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:4], "little")
    if len(head) < 16 or not (group == 8 or head[:2] == b"\0\x08"):
        return None
    if head[4:6] in _IS_LONG or (group == 8 and element <= 0x70 and head[6:8] == b"\0\0"):
        return -1
    return None


def _settle_form(elements: Elements, first: bytes) -> None:
    """Set byte order and VR form from the transfer syntax, corrected by what the first element looks like."""
    elements.little = elements.syntax != BIG_ENDIAN
    looks_explicit = first[4:6] in _IS_LONG
    if "NO_PREAMBLE" in elements.flags or not elements.syntax:
        elements.little = not (first[:1] == b"\0" and first[1:2] != b"\0")
        elements.syntax = (EXPLICIT if elements.little else BIG_ENDIAN) if looks_explicit else IMPLICIT
    elif looks_explicit == (elements.syntax == IMPLICIT) and len(first) >= 8:
        elements.flags.add("BAD_VR")
    elements.explicit = looks_explicit


def _inflated(stream: BinaryIO, size: int, start: int) -> tuple[BinaryIO, int]:
    """Inflate a deflated data set, refusing what grows absurdly (checked while it grows)."""
    stream.seek(start)
    unpacker = zlib.decompressobj(wbits=-15)
    parts: list[bytes] = []
    length = 0
    try:
        while not unpacker.eof:
            packed = unpacker.unconsumed_tail or stream.read(1 << 16)
            if not packed:
                raise quarantined("TRUNCATED")
            parts.append(unpacker.decompress(packed, 1 << 20))
            length += len(parts[-1])
            if length > MAX_SCAN_BYTES or (length > 64 << 20 and is_bomb(length * 4, size)):
                raise quarantined("BOMB")
    except zlib.error:
        raise quarantined("DAMAGED") from None
    return io.BytesIO(b"".join(parts)), length


class _ElementParser:
    """A buffer over the stream that moves along as tags are passed."""

    def __init__(
        self, elements: Elements, head: bytes, wanted: frozenset[int], sequences: frozenset[int]
    ) -> None:
        self.elements = elements
        self.buffer = head
        self.base = 0
        self.wanted = wanted
        self.sequences = sequences

    def peek(self, at: int, count: int) -> bytes:
        """Return `count` bytes at a place of the stream (fewer at its end), moving the buffer if need be."""
        if not self.base <= at <= self.base + len(self.buffer) - count:
            self.elements.stream.seek(at)
            self.buffer = self.elements.stream.read(max(BLOCK, count))
            self.base = at
        offset = at - self.base
        return self.buffer[offset : offset + count]

    def meta(self, at: int) -> int:
        """Read the file meta header (always explicit little endian) and return where the data set starts."""
        elements, end = self.elements, at + MAX_META
        elements.syntax = ""
        while True:
            head = self.peek(at, 12)
            if head[:2] != b"\x02\0" or len(head) < 8:
                return at
            if at > end:
                raise quarantined("BAD_HEADER")
            _, element, vr, length = _SHORT(head)
            start = at + 8
            if vr in LONG_VRS and len(head) == 12:
                (length,), start = _LONG(head, 8), at + 12
            if element == 0x0010:
                elements.syntax = self.peek(start, min(length, 64)).decode("ascii", "replace").strip("\0 ")
            elif element == 0x0002:
                elements.values[MEDIA_STORAGE_SOP_CLASS_UID] = self.peek(start, min(length, 64))
            at = start + length

    def explicit_little(self, at: int) -> None:
        """Read elements of the common form in one tight loop, and unusual ones by `_one`.

        Here a tag is the four bytes as they stand, group last, so that nothing is computed for elements that
        are only passed.
        """
        unpack, short, long = _ELEMENT, _SHORT_WORDS, _LONG_WORDS
        wanted, special = _turned(self.wanted), _turned(self.sequences | frozenset(PIXELS))
        values = self.elements.values
        buffer, offset, last = self._buffered(at)
        while True:
            if offset > last:
                at = self.base + offset
                if self._is_over(at):
                    return
                buffer, offset, last = self._buffered(at)
            key, vr, length = unpack(buffer, offset)
            start = offset + 8
            if vr not in short:
                if vr in long and key not in special:
                    (length,) = _LONG(buffer, start)
                    start += 4
                else:
                    length = UNDEFINED
                if length == UNDEFINED:
                    at = self._one(self.base + offset)
                    if at < 0:
                        return
                    buffer, offset, last = self._buffered(at)
                    continue
            offset = start + length
            if key in wanted:
                if offset <= len(buffer):
                    values[wanted[key]] = buffer[start:offset]
                else:
                    end = self.base + offset
                    values[wanted[key]] = self._value(self.base + start, length)
                    buffer, offset, last = self._buffered(end)

    def _buffered(self, at: int) -> tuple[bytes, int, int]:
        """Return a buffer with at least 12 bytes from `at` on (zeros past the end of the file).

        Returns:
            The buffer, the offset of `at` in it, and the last offset in it at which an element can begin.
        """
        if len(self.peek(at, 12)) < 12:
            self.buffer += bytes(12)
        last = min(len(self.buffer) - 12, self.elements.size - self.base - 8)
        return self.buffer, at - self.base, last

    def _is_over(self, at: int) -> bool:
        """Return whether the file ends here; an element that claims to go on after it is refused."""
        if at > self.elements.size:
            raise quarantined("TRUNCATED")
        return at + 8 > self.elements.size

    def any_form(self, at: int) -> None:
        """Implicit VR or big endian: the same walk without haste."""
        while at + 8 <= self.elements.size:
            at = self._one(at)
            if at < 0:
                return

    def _one(self, at: int) -> int:
        """Take in the element at `at` and return where the next begins, or -1 at the pixels."""
        elements = self.elements
        tag, vr, length, start = self._element(at)
        if tag in PIXELS:
            elements.pixel_tag, elements.pixel_start = tag, start
            elements.pixel_vr = vr.decode("ascii", "replace")
            elements.pixel_length = -1 if length == UNDEFINED else length
            return -1
        if tag > PIXEL_DATA:
            return -1
        end = self._skip(start) if length == UNDEFINED else start + length
        if end > elements.size:
            raise quarantined("TRUNCATED")
        if tag in self.sequences and vr in (b"SQ", b"UN", b""):
            elements.sequences[tag] = (at, end)
        elif tag in self.wanted and length != UNDEFINED:
            elements.values[tag] = self._value(start, length)
        return end

    def _value(self, start: int, length: int) -> bytes:
        if start + length > self.elements.size:
            raise quarantined("TRUNCATED")
        return self.peek(start, length) if length <= MAX_VALUE else b""

    def _element(self, at: int) -> tuple[int, bytes, int, int]:
        """Return (tag, VR, length, start of value) of the element at `at`, in the data set's form."""
        meta = self.elements.syntax == "" or self.peek(at, 2) == b"\x02\0"
        explicit, little = (True, True) if meta else (self.elements.explicit, self.elements.little)
        head = self.peek(at, 12)
        if len(head) < 8:
            raise quarantined("TRUNCATED")
        order: Any = "little" if little else "big"
        tag = int.from_bytes(head[:2], order) << 16 | int.from_bytes(head[2:4], order)
        vr = head[4:6]
        long = _IS_LONG.get(vr)
        if not explicit or tag >> 16 == 0xFFFE or (long is None and not vr.isupper()):
            if explicit and tag >> 16 != 0xFFFE:
                self.elements.flags.add("BAD_VR")
            return tag, b"", int.from_bytes(head[4:8], order), at + 8
        if long:
            return tag, vr, int.from_bytes(head[8:12], order), at + 12
        return tag, vr, int.from_bytes(head[6:8], order), at + 8

    def _skip(self, at: int) -> int:
        """Return the end of a sequence of undefined length; its nesting is counted, not recursed into."""
        depth = 1
        while depth:
            tag, _, length, start = self._element(at)
            if tag in (_ITEM_END, _SEQUENCE_END):
                depth, at = depth - 1, start
            elif length == UNDEFINED:
                depth, at = depth + 1, start
            else:
                at = start + length
            if at > self.elements.size:
                raise quarantined("TRUNCATED")
        return at
