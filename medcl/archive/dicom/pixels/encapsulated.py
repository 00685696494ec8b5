"""Splitting encapsulated pixel data into compressed frames (PS3.5 A.4), with or without its offset table.

Offset tables are often empty or wrong, so the table is used last. A single frame consists of all fragments.
Where there are as many fragments as frames, each fragment is a frame. Otherwise a frame begins at each
fragment that starts with the start marker of a codec, and only where their number differs from that of the
frames, at the offsets of the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import unpack_from

from medcl.archive.flags import quarantined

STARTS = (b"\xff\xd8", b"\xff\x4f\xff\x51")
ITEM, END = 0xE000FFFE, 0xE0DDFFFE


def frames(content: bytes, count: int) -> list[bytes]:
    """Return the compressed frames of an encapsulated value.

    Raises:
        Rejected: MISMATCH when the fragments cannot be assigned to `count` frames, UNDECODABLE without any.
    """
    table, starts, fragments = _fragments(content)
    if count == 1:
        return [b"".join(fragments)]
    if len(fragments) == count:
        return fragments
    begins = [number for number, fragment in enumerate(fragments) if fragment.startswith(STARTS)]
    if len(begins) != count:
        begins = [starts.index(offset) for offset in table if offset in starts]
    if len(begins) != count or begins[:1] != [0]:
        raise quarantined("MISMATCH")
    ends = [*begins[1:], len(fragments)]
    return [b"".join(fragments[begin:end]) for begin, end in zip(begins, ends, strict=True)]


def _fragments(content: bytes) -> tuple[Sequence[int], list[int], list[bytes]]:
    """Return the offset table, the offset of each fragment (counted as in the table), and the fragments."""
    table: Sequence[int] = ()
    starts: list[int] = []
    fragments: list[bytes] = []
    at = first = 0
    while at + 8 <= len(content):
        tag, length = unpack_from("<II", content, at)
        if tag != ITEM:
            break
        if at == 0:
            table = unpack_from(f"<{min(length, len(content) - 8) // 4}I", content, 8)
            first = 8 + length
        else:
            starts.append(at - first)
            fragments.append(content[at + 8 : at + 8 + length])
        at += 8 + length
    if not fragments:
        raise quarantined("UNDECODABLE")
    return table, starts, fragments
