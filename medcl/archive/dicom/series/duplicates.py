"""Whether files hold the same pixels: checksums of all of them, taken only of files that may be copies."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

from medcl.archive.dicom.header.model import DicomHeader
from medcl.archive.dicom.pixels.frames import PixelFile
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
        """Return whether two single-frame files have the same pixels.

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


def distinct_files(files: Sequence[Numbered], sums: PixelSums | None) -> tuple[list[Numbered], list[int]]:
    """Keep one of files that are the same object with the same pixels at the same place, wherever they lie.

    Files of one UID whose pixels agree in the sample only are distinguished by the checksum of all pixels.
    Of copies in several series, the one in the series with the most files is kept.

    Returns:
        files to go on with, and the numbers of copies.
    """
    same: dict[tuple[str, int, int, int], list[Numbered]] = {}
    for number, header in files:
        unnamed = 0 if header.sop_uid else number + 1
        key = (header.sop_uid, header.probe, header.pixel_length, unnamed)
        same.setdefault(key, []).append((number, header))
    sizes = Counter(header.shared.series_uid for _, header in files)
    distinct: list[Numbered] = []
    dropped: list[int] = []
    for alike in same.values():
        if len(alike) == 1:
            distinct += alike
            continue
        by_content: dict[tuple[Any, ...], list[Numbered]] = {}
        for file in alike:
            whole = sums.stored(file) if sums is not None else 0
            sum_or_unreadable = -1 - file[0] if whole is None else whole
            by_content.setdefault((sum_or_unreadable, *_place(file[1])), []).append(file)
        has_sums = len({content[0] for content in by_content}) > 1
        for content, copies in by_content.items():
            copies.sort(key=lambda file: (-sizes[file[1].shared.series_uid], *_content(file[1])))
            number, header = copies[0]
            distinct.append((number, replace(header, probe=content[0]) if has_sums else header))
            dropped += [number for number, _ in copies[1:]]
    return distinct, dropped


def _place(header: DicomHeader) -> tuple[Any, ...]:
    """Return where images lie and what their values mean: copies agree in it."""
    shared = header.shared
    frames = tuple((frame.position, frame.orientation) for frame in header.functional)
    return header.position, shared.orientation, shared.slope, shared.intercept, frames


def _content(header: DicomHeader) -> tuple[str, ...]:
    """Return an order of copies that depends on their content alone."""
    shared = header.shared
    return shared.series_uid, shared.study_uid, shared.patient_id, repr(header)
