"""Encapsulated pixels taken apart into frames (PS3.5 A.4), whatever the offset table says.

Offset tables are often empty or wrong. One frame is all fragments; as many fragments as frames are one
each; otherwise a frame begins where a fragment begins with a codec's start marker, and only then is the
table asked.
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
        Rejected: MISMATCH when the fragments cannot be shared out among `count` frames.
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
    """Return the offset table, where each fragment begins as the table counts, and the fragments."""
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
