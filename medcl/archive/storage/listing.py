"""The files of a walk in columns, so that the names of a million files fit in memory."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medcl.archive.storage.walk import Entry, Root

STAMP = pa.binary(16)


def stamp(entry: Entry) -> bytes:
    """Return 128 bits that change when the file's path, size, rights or time of change do."""
    text = f"{entry.path}\0{entry.size}\0{entry.mtime_ns}\0{entry.ctime_ns}\0{entry.fault}"
    return hashlib.blake2b(os.fsencode(text), digest_size=16).digest()


class Listing:
    """Entries by number, in the order of the walk.

    Attributes:
        stamps: One stamp per entry, (n,).
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._roots: list[Root] = []
        self._faults: list[str] = []
        stamps, self._paths, self._ends = bytearray(), bytearray(), array("q", [0])
        self._numbers = array("q")
        for entry in entries:
            stamps += stamp(entry)
            self._paths += os.fsencode(entry.path)
            self._ends.append(len(self._paths))
            codes = _code(self._roots, entry.root), _code(self._faults, entry.fault)
            self._numbers.extend((*codes, entry.size, entry.mtime_ns, entry.ctime_ns))
        self.stamps = pa.FixedSizeBinaryArray.from_buffers(
            STAMP, len(stamps) // 16, [None, pa.py_buffer(bytes(stamps))]
        )

    def __len__(self) -> int:
        return len(self.stamps)

    def __getitem__(self, number: int) -> Entry:
        path = os.fsdecode(bytes(self._paths[self._ends[number] : self._ends[number + 1]]))
        root, fault, size, mtime_ns, ctime_ns = self._numbers[5 * number : 5 * number + 5]
        return Entry(self._roots[root], path, size, mtime_ns, self._faults[fault], ctime_ns)

    def stamp(self, number: int) -> bytes:
        """Return the stamp of an entry."""
        return bytes(self.stamps[number].as_py())

    def numbers(self, stamps: pa.ChunkedArray) -> np.ndarray:
        """Return the number of the entry of each stamp; -1 for a stamp that no entry has."""
        return np.asarray(pc.fill_null(pc.index_in(stamps, value_set=self.stamps), -1))

    def unknown(self, stamps: pa.ChunkedArray) -> np.ndarray:
        """Return the numbers of the entries whose stamp is not among `stamps`."""
        return np.flatnonzero(~np.asarray(pc.is_in(self.stamps, value_set=stamps)))


def _code(known: list[Any], value: object) -> int:
    """Return the position of a value in a short list, to which it is added if it is new."""
    if value not in known:
        known.append(value)
    return known.index(value)
