"""The scans of a run: batches of their views, and what a loss must know of them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from medcl.errors import UsageError
from medcl.pretrain.config import PretrainConfig
from medcl.pretrain.methods import METHODS
from medcl.store import Store
from medcl.views import Policy, ViewLoader, load_policy, related


class Scans:
    """The scans that a configuration names, as this process of `world_size` sees them.

    Attributes:
        store: where they lie.
        policy: the limits of their views.
        rows: of the store, the scans to train on.

    Raises:
        UsageError: settings that do not fit each other, or the scans.
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
        if config.small_views and not METHODS[type(config.method)].multi_crop:
            raise UsageError(f"small_views: {config.method.name} compares two views; only swav takes more")
        if config.small_views and config.pairs == "patient":
            raise UsageError("small_views: not for pairs=patient, whose views are of two scans")

    @cached_property
    def _stack(self) -> int:
        """Neighboring slices that a view shows as channels (2.5-D)."""
        encoder, kinds = self.config.encoder, self.store.scans["kind"].iloc[self.rows]
        return stacked(encoder.in_channels, encoder.spatial_dims, self.policy, kinds)

    def training(self) -> ViewLoader:
        """Return the shuffled batches of this process."""
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

    def monitored(self) -> ViewLoader | None:
        """Return the scans to measure on, always the same and in the same order; None when that is off."""
        monitor = self.config.monitor
        if monitor is None:
            return None
        rows = self._labeled() if monitor.labeled else self.rows
        return self._loader(rows[: monitor.scans], batch_size=32, draw="pair", shuffle=False, drop_last=False)

    def _labeled(self) -> np.ndarray:
        rows = np.setdiff1d(self.store.rows("val"), self.rows)
        labels = self.store.scans["label"].iloc[rows]
        rows = rows[labels.notna().to_numpy()]
        if labels.value_counts().ge(2).sum() < 2:
            raise UsageError(
                "monitor.labeled: needs validation scans of two classes that are not among splits"
            )
        return rows

    def _loader(self, rows: np.ndarray, **options: Any) -> ViewLoader:
        config, dims = self.config, self.config.encoder.spatial_dims
        size, seed = config.views.size_px, config.seed
        return ViewLoader(
            self.store, rows, self.policy, size=size, seed=seed, dims=dims, stack=self._stack, **options
        )

    def labels(self, rows: np.ndarray) -> tuple[Tensor, list[str]]:
        """Return class numbers (n,) of rows and the names of the classes."""
        codes, names = pd.factorize(self.store.scans["label"].iloc[rows], sort=True)
        return torch.as_tensor(codes), [str(name) for name in names]

    def identity(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return numbers (B,) that are equal for exact copies, and for scans of one patient."""
        scan, patient = torch.from_numpy(self._identities[rows.numpy()]).unbind(1)
        return scan, patient

    @cached_property
    def _identities(self) -> np.ndarray:
        return related.identities(self.store.scans)

    def names(self, rows: Tensor) -> list[str]:
        """Return the pseudonyms of the scans at `rows`."""
        return [str(name) for name in self.store.scans["scan"].iloc[rows.cpu().numpy()]]


def stacked(channels: int, dims: int, policy: Policy, kinds: pd.Series) -> int:
    """Return how many neighboring slices a view must show (2.5-D) to have an encoder's channels.

    Args:
        channels, dims: of the encoder.
        policy: whose views have channels of their own.
        kinds: of the scans, as in `Store.scans`.

    Raises:
        UsageError: no number of slices does it.
    """
    if channels == policy.channels:
        return 1
    if policy.channels == 1 and channels % 2 and dims == 2 and (kinds == "volume").all():
        return channels
    raise UsageError(
        f"encoder.in_channels={channels}: views of policy '{policy.name}' have {policy.channels}; only "
        "slices of gray volumes can show an odd number of neighbors as channels"
    )
