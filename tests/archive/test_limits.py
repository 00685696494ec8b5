"""What counts as a bomb."""

from __future__ import annotations

import pytest

from medcl.archive.limits import MAX_RATIO, is_bomb

MIB = 1 << 20


@pytest.mark.parametrize(
    ("unpacked", "packed", "bomb"),
    [
        (256 * MIB, 1, False),
        (257 * MIB, 2 * MIB, False),
        (257 * MIB, 1 * MIB, True),
        (1000 * MIB, 1000 * MIB // MAX_RATIO, False),
        (1000 * MIB, 1000 * MIB // MAX_RATIO - 1, True),
        (257 * MIB, 0, True),
    ],
)
def test_only_large_content_that_grows_absurdly_is_a_bomb(unpacked: int, packed: int, bomb: bool) -> None:
    assert is_bomb(unpacked, packed) is bomb
