"""Compilation of the loops of the fused backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Loop = TypeVar("Loop", bound=Callable[..., object])


def compiled(loop: Loop) -> Loop:
    """Compile a loop with Numba, so that it releases the interpreter lock; the result is cached on disk.

    Operations may be reordered and fused, but infinity and NaN keep their meaning.
    """
    fast = {"contract", "reassoc", "nsz", "arcp"}
    return cast(Loop, njit(nogil=True, cache=True, fastmath=fast)(loop))
