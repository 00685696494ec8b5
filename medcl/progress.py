"""One progress bar for all long work: what, how far, rate and time left, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def track(items: Iterable[Item], what: str, total: int | None = None, unit: str = "it") -> Iterator[Item]:
    """Iterate over `items` with a bar; where standard error is no terminal, a line at most every 10 s."""
    interactive = sys.stderr.isatty()
    yield from tqdm(
        items,
        desc=what,
        total=total,
        unit=unit,
        file=sys.stderr,
        mininterval=0.2 if interactive else 10.0,
        dynamic_ncols=interactive,
    )


def bar(what: str, total: int, start: int, unit: str) -> tqdm:
    """Return a bar that the caller moves with `update()`, for loops that end inside an item."""
    interactive = sys.stderr.isatty()
    return tqdm(
        desc=what,
        total=total,
        initial=start,
        unit=unit,
        file=sys.stderr,
        mininterval=0.2 if interactive else 10.0,
    )
