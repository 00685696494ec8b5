"""Batches of views, rendered in a thread while the model works on the batch before."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count as counted
from itertools import islice
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from medcl.errors import UsageError
from medcl.views.affines import view_affines
from medcl.views.backends.buffers import Buffers
from medcl.views.backends.choose import Backend, choose_backend
from medcl.views.backends.source import view_shape
from medcl.views.match import unmet_assumptions
from medcl.views.paging import PageIn, paged
from medcl.views.partners import Partners
from medcl.views.policy import Policy
from medcl.views.resolution import Sampling, plan
from medcl.views.sampling.draw import Kind, draw_views
from medcl.views.sampling.keyed_random import combine, scan_keys, uniform
from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanGeometry, ScanSource, read_geometry

AHEAD = 2
"""Batches that are rendered ahead of the consumer."""

PAGED_AHEAD = 2
"""Batches whose pixels are read from disk ahead of those that are rendered."""

BUFFER_SHARDS = 32
"""Shards whose scans are shuffled together: 128 GB of shards of the largest size."""

SURVEYED = 2**14
"""Scans whose flags are looked up at once when a loader is made."""


@dataclass(frozen=True)
class ViewBatch:
    """Views of B scans.

    Attributes:
        data: (B, V, C, H, W), 3-D views (B, V, C, D, H, W), float32, normalized as in
            `medcl.views.backends.pipeline`.
        rows: (B,) int64 row numbers of the store.
        affines: (B, V, 4, 4) float64 from view pixel to RAS+ millimeters; None without volumes.
        params: Parameters of the views.
        wait_s: Seconds that the consumer waited for this batch.
        small: (B, small_count, C, h, w) small views for multi-crop methods (SwAV); None without.
        partners: (B,) row of the second view, for `draw="patient"`; None elsewhere.
    """

    data: Tensor
    rows: Tensor
    affines: Tensor | None
    params: ViewParams
    wait_s: float = 0.0
    small: Tensor | None = None
    partners: Tensor | None = None


class DrawnBatch(NamedTuple):
    """Parameters of a batch that is to be rendered.

    Attributes:
        views: Parameters of the views, which are put side by side.
        small: Parameters of the small views.
        partners: Row of the second view, where it is of another scan.
    """

    views: list[ViewParams]
    small: ViewParams | None = None
    partners: np.ndarray | None = None

    def parts(self) -> list[ViewParams]:
        """Return the parameters of all views."""
        return [*self.views, *([] if self.small is None else [self.small])]


class ViewLoader:
    """Iterates over batches of views of a store's scans.

    The views depend on (seed, epoch, scan, view) alone, not on batch size, order, threads or ranks.

    Args:
        store: What `medcl prepare` wrote, or any other `ScanSource`.
        rows: Row numbers of the scans.
        policy: The limits of the views.
        size: Edge of a view in pixels.
        batch_size: Scans per batch on this rank.
        seed: Random seed of the views and of their order.
        draw: See `medcl.views.sampling.draw.draw_views`; or `patient`: the second view is of another scan of
            the patient in that modality, or of another place of the scan where there is none (MICLe).
        count: Views per scan; images have one for `bag` and `whole`.
        backend: `auto` is the fastest that is installed.
        shuffle: Whether every epoch has an order of its own.
        drop_last: Whether the last batch is left out when it is not full.
        rank: Number of this process.
        world_size: Number of processes; each renders its share of every global batch.
        dims: 2 for views of images and slices, 3 for views of volumes.
        stack: Neighboring slices (odd) that a 2-D view of a volume shows as channels.
        small_count: Small views per scan for multi-crop methods, of smaller fields round the same anchor.
        small_size: Their edge in pixels.
        sampling: What to do where pixels would be too coarse for the smallest structure to protect; see
            `medcl.views.resolution.plan`.
        threads: Threads of the fused backend; by default 1, or up to 8 beside a GPU.

    Attributes:
        flags: `SPACING_UNKNOWN`, `COARSE`, `TILED`, and those of `medcl.views.match.unmet_assumptions`.

    Raises:
        UsageError: There are no rows or fewer than a batch, or an argument is not known.
    """

    def __init__(
        self,
        store: ScanSource,
        rows: Sequence[int] | np.ndarray,
        policy: Policy,
        size: int,
        batch_size: int,
        seed: int,
        draw: Kind | Literal["patient"] = "pair",
        count: int = 2,
        backend: Backend = "auto",
        shuffle: bool = True,
        drop_last: bool = True,
        rank: int = 0,
        world_size: int = 1,
        dims: int = 2,
        stack: int = 1,
        small_count: int = 0,
        small_size: int = 0,
        sampling: Sampling = "flag",
        threads: int | None = None,
    ) -> None:
        self.store, self.policy = store, policy
        self.rows = np.asarray(rows, np.int64)
        if not self.rows.size or (drop_last and len(self.rows) < batch_size * world_size):
            raise UsageError(f"{len(self.rows)} scans do not fill a batch of {batch_size * world_size}")
        self.size, self.batch_size, self.seed = size, batch_size, seed
        self.draw, self.stack = draw, stack
        self.shuffle, self.drop_last = shuffle, drop_last
        self.rank, self.world_size = rank, world_size
        self.dims, self.sampling = dims, sampling
        self.flags, images = self._survey()
        self.count = 1 if images and draw not in ("pair", "patient") else count
        self.small_count, self.small_size = small_count, small_size
        self.render = choose_backend(backend, threads)
        self._buffers = Buffers()
        self._partners = Partners(store.scans.iloc[self.rows]) if draw == "patient" else None
        self._shards = np.unique(store.shards(self.rows), return_inverse=True)[1] if paged(store) else None
        self.wait_s = 0.0
        self._epoch, self._start = 0, 0

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch of the next iteration, and the batch that it begins with (after a resume)."""
        self._epoch, self._start = epoch, start

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        step = self.batch_size * self.world_size
        return len(self.rows) // step if self.drop_last else -(-len(self.rows) // step)

    def __iter__(self) -> Iterator[ViewBatch]:
        """Yield the batches of the epoch that was set."""
        first = self._epoch * len(self)
        return self.steps(first + self._start, first + len(self))

    def steps(self, first: int, last: int | None = None) -> Iterator[ViewBatch]:
        """Yield the batches of steps `first` to `last`, or for ever, one epoch after the other.

        The next batches are rendered meanwhile, also across epochs. `wait_s` sums what the consumer waited.
        """
        self.wait_s = 0.0
        batches: queue.Queue[ViewBatch | BaseException | None] = queue.Queue(AHEAD)
        stop = threading.Event()
        worker = threading.Thread(target=self._produce, args=(first, last, batches, stop), daemon=True)
        worker.start()
        try:
            while True:
                begun = time.perf_counter()
                batch = batches.get()
                waited = time.perf_counter() - begun
                if batch is None:
                    return
                if isinstance(batch, BaseException):
                    raise batch
                self.wait_s += waited
                yield replace(batch, wait_s=waited)
        finally:
            stop.set()
            worker.join()

    def _produce(
        self, first: int, last: int | None, batches: queue.Queue[Any], stop: threading.Event
    ) -> None:
        """Render batches until none is left, or the consumer has stopped."""
        try:
            with PageIn(self.store) as pages:
                drawn: deque[DrawnBatch] = deque()
                upcoming = self._upcoming(first, last)
                while not stop.is_set():
                    for positions, epoch in islice(upcoming, 1 + PAGED_AHEAD - len(drawn)):
                        drawn.append(self.draw_batch(positions, epoch))
                        pages.read(drawn[-1].parts())
                    if not drawn:
                        break
                    _put(batches, self.render_batch(drawn.popleft()), stop)
            _put(batches, None, stop)
        except BaseException as error:
            _put(batches, error, stop)

    def _upcoming(self, first: int, last: int | None) -> Iterator[tuple[np.ndarray, int]]:
        """Yield the positions and the epoch of each batch of this rank."""
        order, order_epoch = np.empty(0, np.int64), -1
        for step in counted(first) if last is None else range(first, last):
            epoch, number = divmod(step, len(self))
            if epoch != order_epoch:
                order, order_epoch = self._order(epoch), epoch
            yield self._share(order, number), epoch

    def _order(self, epoch: int) -> np.ndarray:
        """Return the positions of `rows` in the order of an epoch.

        They are shuffled as a whole where they lie in at most `BUFFER_SHARDS` shards. Else the shards are
        shuffled, and the scans of each `BUFFER_SHARDS` of them, so that an epoch reads each shard once.
        """
        positions = np.arange(len(self.rows))
        if not self.shuffle:
            return positions
        key = combine(np.zeros(1, np.uint64), self.seed, epoch)
        generator = np.random.Generator(np.random.Philox(key=int(key[0])))
        order: np.ndarray = generator.permutation(positions)
        if self._shards is None or self._shards.max() < BUFFER_SHARDS:
            return order
        group = generator.permutation(self._shards.max() + 1) // BUFFER_SHARDS
        return order[np.argsort(group[self._shards[order]], kind="stable")]

    def _share(self, order: np.ndarray, number: int) -> np.ndarray:
        step = self.batch_size * self.world_size
        return order[number * step : (number + 1) * step][self.rank :: self.world_size]

    def geometry(self, positions: np.ndarray) -> ScanGeometry:
        """Return the geometry of the scans at `positions` of `rows`."""
        geometry = read_geometry(self.store, self.rows[positions], self.dims)
        return plan(self.policy, geometry, self.size, self.sampling).geometry

    def _survey(self) -> tuple[tuple[str, ...], bool]:
        """Return the flags of the views, and whether all scans are images, without keeping anything."""
        flags, images = set(), True
        for start in range(0, len(self.rows), SURVEYED):
            rows = self.rows[start : start + SURVEYED]
            plans = plan(
                self.policy,
                read_geometry(self.store, rows, self.dims, anchored=False),
                self.size,
                self.sampling,
            )
            scans = self.store.scans.iloc[rows]
            flags |= {*plans.flags, *unmet_assumptions(self.policy, plans.geometry, scans)}
            images &= self.dims == 2 and bool((plans.geometry.slice_axis < 0).all())
        return tuple(sorted(flags)), images

    def batch(self, positions: np.ndarray, epoch: int) -> ViewBatch:
        """Return the batch of the scans at `positions` of `rows`."""
        return self.render_batch(self.draw_batch(positions, epoch))

    def draw_batch(self, positions: np.ndarray, epoch: int) -> DrawnBatch:
        """Draw the parameters of the batch of the scans at `positions` of `rows`."""
        if self._partners is not None:
            return self._draw_patients(positions, epoch, self._partners)
        geometry, draw = self.geometry(positions), cast(Kind, self.draw)
        params = draw_views(
            self.policy, geometry, self.size, self.seed, epoch, draw, self.count, stack=self.stack
        )
        return DrawnBatch([params], self._draw_small(geometry, epoch) if self.small_count else None)

    def _draw_small(self, geometry: ScanGeometry, epoch: int) -> ViewParams:
        """Draw views of smaller fields, keyed after those of the pair."""
        policy, size, count = self.policy.with_small_crops(), self.small_size, self.small_count
        return draw_views(policy, geometry, size, self.seed, epoch, "pair", count, self.count)

    def _draw_patients(self, positions: np.ndarray, epoch: int, partners: Partners) -> DrawnBatch:
        """Draw one view of each scan, and one of another scan (or place) of the same patient."""
        geometry = self.geometry(positions)
        share = uniform(scan_keys(self.seed, epoch, geometry.fingerprint), _PARTNER_DRAW)
        other = partners.draw(positions, share)
        parts = [
            draw_views(self.policy, one, self.size, self.seed + n, epoch, "pair", 1, n)
            for n, one in enumerate((geometry, self.geometry(other)))
        ]
        return DrawnBatch(parts, None, self.rows[other])

    def render_batch(self, drawn: DrawnBatch) -> ViewBatch:
        """Render a batch that was drawn."""
        shape = view_shape(drawn.views[0])
        data = self._buffers.take((shape[0], shape[1] * len(drawn.views), *shape[2:]))
        for number, params in enumerate(drawn.views):
            self.render(self.store, params, out=data[:, number * shape[1] : (number + 1) * shape[1]])
        small = drawn.small
        affines = [view_affines(self.store, params) for params in drawn.views]
        return ViewBatch(
            data,
            torch.from_numpy(drawn.views[0].rows),
            None if any(one is None for one in affines) else torch.cat(cast(list[Tensor], affines), dim=1),
            drawn.views[0],
            small=None if small is None else self._rendered(small),
            partners=None if drawn.partners is None else torch.from_numpy(drawn.partners),
        )

    def _rendered(self, params: ViewParams) -> Tensor:
        return self.render(self.store, params, out=self._buffers.take(view_shape(params)))


_PARTNER_DRAW = 48


def _put(batches: queue.Queue[Any], item: object, stop: threading.Event) -> bool:
    """Put `item` into the queue; return False if the consumer has stopped."""
    while not stop.is_set():
        try:
            batches.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
