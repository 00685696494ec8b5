"""Batches of views, rendered in a thread while the model works on the batch before."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count as counted
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from medcl.errors import UsageError
from medcl.views.affines import view_affines
from medcl.views.backends.buffers import Buffers
from medcl.views.backends.choose import Backend, choose_backend
from medcl.views.backends.source import view_shape
from medcl.views.match import unmet_assumptions
from medcl.views.policy import Policy
from medcl.views.resolution import Sampling, plan
from medcl.views.sampling.draw import Kind, draw_views
from medcl.views.sampling.keyed_random import combine, scan_keys, uniform
from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanGeometry, ScanSource, read_geometry

AHEAD = 2
"""Batches that are rendered ahead of the consumer."""


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
        plans = plan(policy, read_geometry(store, self.rows, dims), size, sampling)
        self.geometry = plans.geometry
        self.flags = plans.flags + unmet_assumptions(policy, plans.geometry, store.scans.iloc[self.rows])
        images = dims == 2 and bool((self.geometry.slice_axis < 0).all())
        self.count = 1 if images and draw not in ("pair", "patient") else count
        self.small_count, self.small_size = small_count, small_size
        self.render = choose_backend(backend, threads)
        self._buffers = Buffers()
        self._partners = _partners(store.scans, self.rows) if draw == "patient" else None
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
        order, order_epoch = np.empty(0, np.int64), -1
        try:
            for step in counted(first) if last is None else range(first, last):
                epoch, number = divmod(step, len(self))
                if epoch != order_epoch:
                    order, order_epoch = self._order(epoch), epoch
                if not _put(batches, self.batch(self._share(order, number), epoch), stop):
                    return
            _put(batches, None, stop)
        except BaseException as error:
            _put(batches, error, stop)

    def _order(self, epoch: int) -> np.ndarray:
        positions = np.arange(len(self.rows))
        if not self.shuffle:
            return positions
        key = combine(np.zeros(1, np.uint64), self.seed, epoch)
        return np.random.Generator(np.random.Philox(key=int(key[0]))).permutation(positions)

    def _share(self, order: np.ndarray, number: int) -> np.ndarray:
        step = self.batch_size * self.world_size
        return order[number * step : (number + 1) * step][self.rank :: self.world_size]

    def batch(self, positions: np.ndarray, epoch: int) -> ViewBatch:
        """Return the batch of the scans at `positions` of `rows`."""
        geometry = self.geometry.take(positions)
        if self._partners is not None:
            return self._patient_batch(positions, epoch)
        params = self._draw(geometry, epoch)
        small = self._small(geometry, epoch) if self.small_count else None
        return self._packed(self._rendered(params), params, small)

    def _rendered(self, params: ViewParams) -> Tensor:
        return self.render(self.store, params, out=self._buffers.take(view_shape(params)))

    def _draw(self, geometry: ScanGeometry, epoch: int) -> ViewParams:
        draw = cast(Kind, self.draw)
        return draw_views(
            self.policy, geometry, self.size, self.seed, epoch, draw, self.count, stack=self.stack
        )

    def _small(self, geometry: ScanGeometry, epoch: int) -> Tensor:
        """Views of smaller fields, keyed after those of the pair."""
        params = draw_views(
            self.policy.with_small_crops(),
            geometry,
            self.small_size,
            self.seed,
            epoch,
            "pair",
            self.small_count,
            self.count,
        )
        return self._rendered(params)

    def _patient_batch(self, positions: np.ndarray, epoch: int) -> ViewBatch:
        """Return one view of each scan and one of another scan (or position) of the same patient."""
        assert self._partners is not None
        share = uniform(scan_keys(self.seed, epoch, self.geometry.fingerprint[positions]), _PARTNER_DRAW)
        partners = [self._partners[int(n)] for n in positions]
        other = np.array([m[int(u * len(m))] for m, u in zip(partners, share, strict=True)])
        parts = [
            draw_views(self.policy, self.geometry.take(at), self.size, self.seed + n, epoch, "pair", 1, n)
            for n, at in enumerate((positions, other))
        ]
        shape = view_shape(parts[0])
        data = self._buffers.take((shape[0], 2, *shape[2:]))
        for view, params in enumerate(parts):
            data[:, view : view + 1] = self._rendered(params)
        batch = self._packed(data, parts[0], None)
        affines = [view_affines(self.store, params) for params in parts]
        joined = (
            None if affines[0] is None or affines[1] is None else torch.cat([affines[0], affines[1]], dim=1)
        )
        return replace(batch, affines=joined, partners=torch.from_numpy(self.rows[other]))

    def _packed(self, data: Tensor, params: ViewParams, small: Tensor | None) -> ViewBatch:
        affines = view_affines(self.store, params)
        return ViewBatch(data, torch.from_numpy(params.rows), affines, params, small=small)


_PARTNER_DRAW = 48


def _partners(scans: pd.DataFrame, rows: np.ndarray) -> list[np.ndarray]:
    """Return, for each row, the positions of the patient's other scans of that modality, or its own."""
    selected = scans.iloc[rows]
    groups = selected.groupby(["patient", "modality"], dropna=False).indices
    partners: list[np.ndarray] = [np.array([n]) for n in range(len(rows))]
    for members in groups.values():
        if len(members) > 1:
            for n in members:
                partners[n] = members[members != n]
    return partners


def _put(batches: queue.Queue[Any], item: object, stop: threading.Event) -> bool:
    """Put `item` into the queue; return False if the consumer has stopped."""
    while not stop.is_set():
        try:
            batches.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
