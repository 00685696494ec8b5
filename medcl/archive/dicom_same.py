"""Whether files hold the same pixels: checksums of all of them, taken only of files that may be copies."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import BinaryIO

from medcl.archive.dicom_header import DicomHeader
from medcl.archive.dicom_pixels import PixelFile
from medcl.archive.flags import Rejected

Numbered = tuple[int, DicomHeader]


class PixelSums:
    """Checksums of the pixels of numbered files; each file is read once at most.

    Args:
        opened: opens a file by its number.
    """

    def __init__(self, opened: Callable[[int], BinaryIO]) -> None:
        self.opened = opened
        self._known: dict[tuple[int, bool], int | None] = {}

    def stored(self, file: Numbered) -> int | None:
        """Return the checksum of the pixels' bytes as stored, or None where they cannot be read."""
        return file[1].crc if file[1].crc is not None else self._sum(file[0], decoded=False)

    def same(self, first: Numbered, second: Numbered) -> bool:
        """True when two single-frame files have the same pixels.

        Those of one transfer syntax are compared as stored, those of two as decoded.
        """
        if first[1].syntax == second[1].syntax:
            sums = [self.stored(file) for file in (first, second)]
        else:
            sums = [self._sum(number, decoded=True) for number, _ in (first, second)]
        return sums[0] is not None and sums[0] == sums[1]

    def _sum(self, number: int, decoded: bool) -> int | None:
        if (number, decoded) not in self._known:
            self._known[number, decoded] = self._read(number, decoded)
        return self._known[number, decoded]

    def _read(self, number: int, decoded: bool) -> int | None:
        try:
            with self.opened(number) as stream:
                file = PixelFile.open(stream)
                return zlib.crc32(file.frame(0).tobytes() if decoded else file.value())
        except (Rejected, OSError):
            return None
