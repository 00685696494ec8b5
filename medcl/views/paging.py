"""Reading from disk, in threads, what the next batches will show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, TypeGuard, runtime_checkable

import numpy as np

from medcl.views.backends.source import sampled_box
from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanSource

PAGE_IN_THREADS = 4


@runtime_checkable
class PagedSource(Protocol):
    """A source of scans that lie in shards on disk, such as `medcl.store.Store`."""

    def page_in(self, row: int, box: np.ndarray | None = None) -> None:
        """Read the pixels of a scan, or of a box of voxels (3, 2) of it, ahead of their use."""

    def shards(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of the shard that each row lies in."""


def paged(store: object) -> TypeGuard[PagedSource]:
    """Return whether the scans lie in shards on disk."""
    return isinstance(store, PagedSource)


class PageIn:
    """Threads that read the pixels of the next views; nothing for scans that are in memory anyway.

    Args:
        store: The scans.
    """

    def __init__(self, store: ScanSource) -> None:
        self._store = store if paged(store) else None
        self._pool = ThreadPoolExecutor(PAGE_IN_THREADS, thread_name_prefix="page-in")

    def __enter__(self) -> PageIn:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def read(self, params: Sequence[ViewParams]) -> None:
        """Begin to read what these views show, and return at once.

        An error is left to the rendering of the views, which meets it again.
        """
        if self._store is None:
            return
        for one in params:
            for part in np.array_split(np.arange(one.shape[0]), PAGE_IN_THREADS):
                self._pool.submit(_page_in, self._store, one, part)


def _page_in(store: PagedSource, params: ViewParams, scans: np.ndarray) -> None:
    for row, box in boxes_read(params, scans):
        store.page_in(row, box)


def boxes_read(params: ViewParams, scans: np.ndarray) -> Iterator[tuple[int, np.ndarray | None]]:
    """Yield what views of some scans read: the row, and its box of voxels or None for the whole scan."""
    for scan in scans:
        views = range(params.shape[1]) if params.slice_axis[scan] >= 0 else range(1)
        for view in views:
            yield int(params.rows[scan]), sampled_box(params, int(scan), view)
