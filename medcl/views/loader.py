"""Batches of views, made in a thread while the model works on the batch before."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from medcl.errors import UsageError
from medcl.views.draw import Kind, draw_views
from medcl.views.frames import Frames, ScanSource, read_frames
from medcl.views.keyed import combine
from medcl.views.params import ViewParams
from medcl.views.policy import Policy

Backend = Literal["auto", "torch", "fused", "monai"]
Render = Callable[[ScanSource, ViewParams], Tensor]

AHEAD = 2
"""Batches that are made before they are asked for."""


@dataclass(frozen=True)
class ViewBatch:
    """Views of B scans.

    Attributes:
        data: (B, V, C, H, W), 3-D views (B, V, C, D, H, W), float32, normalised as in
            `medcl.views.conventions`.
        rows: (B,) int64, row numbers of the store.
        affines: (B, V, 4, 4) float64 from view pixel to RAS+ millimetres; None without volumes.
        params: what was drawn.
        wait_s: seconds that the consumer waited for this batch.
    """

    data: Tensor
    rows: Tensor
    affines: Tensor | None
    params: ViewParams
    wait_s: float = 0.0


class ViewLoader:
    """Iterates over batches of views of a store's scans.

    The views depend on (seed, epoch, scan, view) alone, not on batch size, order, threads or ranks.

    Args:
        store: what `medcl prepare` wrote, or anything with its `scans`, `array` and `affine`.
        rows: row numbers to show.
        policy: the limits.
        size: edge of a view in pixels.
        batch_size: scans a batch on this rank.
        seed: of the views and the order.
        draw: see `medcl.views.draw.draw_views`.
        count: views a scan; a picture has one slice whatever is asked of `bag` and `whole`.
        backend: `auto` is the fastest that is installed.
        shuffle: a new order each epoch.
        drop_last: leave out the last batch when it is not full.
        rank, world_size: which share of every global batch is made here.
        dims: 2 for pictures and slices, 3 for volumes.
        stack: neighbouring slices (odd) that a 2-D view of a volume shows as channels.

    Raises:
        UsageError: no rows, a batch larger than them, or an argument that is not known.
    """

    def __init__(
        self,
        store: ScanSource,
        rows: Sequence[int] | np.ndarray,
        policy: Policy,
        size: int,
        batch_size: int,
        seed: int,
        draw: Kind = "pair",
        count: int = 2,
        backend: Backend = "auto",
        shuffle: bool = True,
        drop_last: bool = True,
        rank: int = 0,
        world_size: int = 1,
        dims: int = 2,
        stack: int = 1,
    ) -> None:
        self.store, self.policy = store, policy
        self.rows = np.asarray(rows, np.int64)
        if not self.rows.size or (drop_last and len(self.rows) < batch_size * world_size):
            raise UsageError(f"{len(self.rows)} scans do not fill a batch of {batch_size * world_size}")
        self.size, self.batch_size, self.seed = size, batch_size, seed
        self.draw, self.stack = draw, stack
        self.shuffle, self.drop_last = shuffle, drop_last
        self.rank, self.world_size = rank, world_size
        self.frames: Frames = read_frames(store, self.rows, dims)
        pictures = dims == 2 and bool((self.frames.slice_axis < 0).all())
        self.count = 1 if pictures and draw != "pair" else count
        self.render = choose_backend(backend)
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
        """Yield the epoch's batches; `wait_s` sums what the consumer waited for them."""
        self.wait_s = 0.0
        made: queue.Queue[ViewBatch | BaseException | None] = queue.Queue(AHEAD)
        stop = threading.Event()
        worker = threading.Thread(target=self._produce, args=(made, stop), daemon=True)
        worker.start()
        try:
            while True:
                begun = time.perf_counter()
                batch = made.get()
                waited = time.perf_counter() - begun
                if batch is None:
                    return
                if isinstance(batch, BaseException):
                    raise batch
                self.wait_s += waited
                yield ViewBatch(batch.data, batch.rows, batch.affines, batch.params, waited)
        finally:
            stop.set()
            worker.join()

    def _produce(self, made: queue.Queue, stop: threading.Event) -> None:
        """Make batches until all are, or the consumer has left."""
        epoch, order = self._epoch, self._order(self._epoch)
        try:
            for number in range(self._start, len(self)):
                if not _put(made, self.batch(self._share(order, number), epoch), stop):
                    return
            _put(made, None, stop)
        except BaseException as error:
            _put(made, error, stop)

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
        """Make the batch of the scans at `positions` of `rows`."""
        frames = self.frames.take(positions)
        params = draw_views(
            self.policy, frames, self.size, self.seed, epoch, self.draw, self.count, stack=self.stack
        )
        data = self.render(self.store, params)
        if torch.cuda.is_available():
            data = data.pin_memory()
        return ViewBatch(data, torch.from_numpy(params.rows), view_affines(self.store, params), params)


def _put(made: queue.Queue, item: object, stop: threading.Event) -> bool:
    """Hand over `item`, giving up when the consumer has left."""
    while not stop.is_set():
        try:
            made.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False


def choose_backend(name: Backend) -> Render:
    """Return the renderer called `name`.

    Raises:
        UsageError: it is not known.
    """
    modules = {"torch": "torch_backend", "fused": "fused_backend", "monai": "monai_backend"}
    compiled = find_spec("numba") is not None
    if name == "auto":
        name = "fused" if compiled else "torch"
    if name not in modules:
        raise UsageError(f"backend='{name}' is not known; it is auto, {', '.join(modules)}")
    if name == "fused" and not compiled:
        raise UsageError("backend='fused' needs numba; install medcl[fast], or say backend='torch'")
    render: Render = import_module(f"medcl.views.{modules[name]}").render
    return render


def view_affines(store: ScanSource, params: ViewParams) -> Tensor | None:
    """Return the affines (B, V, 4, 4) of views from pixel to RAS+ millimetres; None without volumes.

    The third column of a 2-D view is one step to the next slice.
    """
    batch, views = params.shape
    affines = np.zeros((batch, views, 4, 4))
    for scan, row in enumerate(params.rows):
        to_world = store.affine(int(row))
        if to_world is None:
            return None
        affines[scan] = to_world @ voxel_affines(params, scan)
    return torch.from_numpy(affines)


def voxel_affines(params: ViewParams, scan: int) -> np.ndarray:
    """Return the affines (V, 4, 4) of one scan's views from pixel to voxel."""
    matrix, axis = params.matrix[scan], int(params.slice_axis[scan])
    full = np.zeros((len(matrix), 4, 4))
    full[:, 3, 3] = 1
    if axis < 0:
        full[:, :3] = matrix
        return full
    inside = [n for n in range(3) if n != axis]
    full[:, inside, :2] = matrix[..., :2]
    full[:, inside, 3] = matrix[..., 2]
    full[:, axis, 2] = 1
    full[:, axis, 3] = params.slices[scan]
    return full
