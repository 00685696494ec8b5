"""Limits on what one file may unpack to."""

from __future__ import annotations

MAX_SCAN_BYTES = 4 << 30
"""Larger arrays are refused: no medical volume of one frame reaches 4 GiB, but a false header does."""

MAX_RATIO = 200
"""Above 256 MiB, data that unpacks to more than this multiple of its size is refused as a bomb."""


def is_bomb(unpacked: int, packed: int) -> bool:
    """Return whether `packed` bytes claim to unpack to an absurd number of bytes."""
    return unpacked > 256 << 20 and unpacked > MAX_RATIO * max(packed, 1)
