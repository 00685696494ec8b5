"""The progress bar of all long work, on standard error: name, progress, rate and time left."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def track(items: Iterable[Item], what: str, total: int | None = None, unit: str = "it") -> Iterator[Item]:
    """Iterate over `items` with a progress bar named `what`; into a file, it prints at most every 10 s."""
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
    """Return a progress bar that the caller advances with `update()`."""
    interactive = sys.stderr.isatty()
    return tqdm(
        desc=what,
        total=total,
        initial=start,
        unit=unit,
        file=sys.stderr,
        mininterval=0.2 if interactive else 10.0,
    )
