"""The scans of a pretraining run: their loaders, and which of them are not negatives of each other."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from medcl.errors import UsageError
from medcl.pretrain.config import PretrainConfig
from medcl.pretrain.methods import METHODS, method_name
from medcl.store import Store
from medcl.views import Policy, ViewLoader, load_policy, related


class TrainingData:
    """The scans that a configuration selects, as one process of `world_size` loads them.

    Args:
        config: Configuration of the run.
        rank: Number of this process.
        world_size: Number of processes.

    Attributes:
        store: The store of the scans.
        policy: Limits of their views.
        rows: Rows of the store to train on.

    Raises:
        UsageError: The settings do not fit each other, or the scans.
    """

    def __init__(self, config: PretrainConfig, rank: int = 0, world_size: int = 1) -> None:
        self.config, self.rank, self.world_size = config, rank, world_size
        self.store = Store.open(config.store)
        self.policy = load_policy(config.views.policy, config.views.variant)
        self.rows = np.concatenate([self.store.rows(split) for split in config.splits])
        self._check()

    def _check(self) -> None:
        config = self.config
        if len(self.rows) < config.batch_size:
            raise UsageError(
                f"{config.store}: {len(self.rows)} scans to pretrain on, fewer than "
                f"batch_size={config.batch_size}; lower batch_size"
            )
        if config.batch_size % self.world_size:
            raise UsageError(
                f"batch_size={config.batch_size} must be a multiple of {self.world_size} processes"
            )
        if config.small_views and not config.method.multi_crop:
            names = ", ".join(method_name(method) for method in METHODS if method.multi_crop)
            raise UsageError(
                f"small_views: {config.method.name} takes two views per scan; leave small_views out, or "
                f"choose a method with multi-crop: {names}"
            )
        if config.small_views and config.pairs == "patient":
            raise UsageError("small_views: not for pairs=patient, whose views are of two scans")

    @cached_property
    def _stack(self) -> int:
        """Neighboring slices that a view shows as channels (2.5-D)."""
        encoder, kinds = self.config.encoder, self.store.scans["kind"].iloc[self.rows]
        return stack_size(encoder.in_channels, encoder.spatial_dims, self.policy, kinds)

    def training_loader(self) -> ViewLoader:
        """Return the loader of this process's share of the shuffled batches."""
        config, small = self.config, self.config.small_views
        return self._loader(
            self.rows,
            batch_size=config.batch_size // self.world_size,
            draw="patient" if config.pairs == "patient" else "pair",
            rank=self.rank,
            world_size=self.world_size,
            small_count=small.count if small else 0,
            small_size=small.size_px if small else 0,
        )

    def monitor_loader(self) -> ViewLoader | None:
        """Return the loader of the monitor set, with a fixed order; None without a monitor."""
        monitor = self.config.monitor
        if monitor is None:
            return None
        rows = self._labeled_rows() if monitor.labeled else self.rows
        return self._loader(rows[: monitor.scans], batch_size=32, draw="pair", shuffle=False, drop_last=False)

    def _labeled_rows(self) -> np.ndarray:
        rows = np.setdiff1d(self.store.rows("val"), self.rows)
        labels = self.store.scans["label"].iloc[rows]
        labeled: np.ndarray = rows[labels.notna().to_numpy()]
        if labels.value_counts().ge(2).sum() < 2:
            raise UsageError(
                "monitor.labeled: needs validation scans of two classes that are not among splits"
            )
        return labeled

    def _loader(self, rows: np.ndarray, **options: Any) -> ViewLoader:
        config, dims = self.config, self.config.encoder.spatial_dims
        size, seed = config.views.size_px, config.seed
        return ViewLoader(
            self.store, rows, self.policy, size=size, seed=seed, dims=dims, stack=self._stack, **options
        )

    def labels(self, rows: np.ndarray) -> tuple[Tensor, list[str]]:
        """Return the class numbers (n,) of rows and the names of the classes."""
        codes, names = pd.factorize(self.store.scans["label"].iloc[rows], sort=True)
        return torch.as_tensor(codes), [str(name) for name in names]

    def identity(self, rows: Tensor) -> Tensor:
        """Return (B, 2): numbers that are equal for exact copies, and numbers that are equal for a patient.

        Beside a GPU they are in pinned memory, from which they are copied without waiting.
        """
        identity = torch.as_tensor(self._identities[rows.numpy()])
        return identity.pin_memory() if torch.cuda.is_available() else identity

    @cached_property
    def _identities(self) -> np.ndarray:
        return related.identities(self.store.scans)

    def scan_names(self, rows: Tensor) -> list[str]:
        """Return the pseudonyms of the scans at `rows`."""
        return [str(name) for name in self.store.scans["scan"].iloc[rows.cpu().numpy()]]


def stack_size(channels: int, dims: int, policy: Policy, kinds: pd.Series) -> int:
    """Return the number of neighboring slices in a view (2.5-D) that gives an encoder its channels.

    Args:
        channels: Input channels of the encoder.
        dims: Spatial dimensions of the encoder.
        policy: Policy of the views, which have channels of their own.
        kinds: Kind of each scan, as in `Store.scans`.

    Raises:
        UsageError: No number of slices does.
    """
    if channels == policy.channels:
        return 1
    if policy.channels == 1 and channels % 2 and dims == 2 and (kinds == "volume").all():
        return channels
    raise UsageError(
        f"encoder.in_channels={channels}: views of policy '{policy.name}' have {policy.channels}; only "
        "slices of gray volumes can show an odd number of neighbors as channels"
    )
