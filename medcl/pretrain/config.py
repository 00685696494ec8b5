"""Configuration of a pretraining run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from medcl.config import Config
from medcl.pretrain.methods import AnyMethodConfig, SimCLRConfig
from medcl.pretrain.networks import EncoderConfig
from medcl.pretrain.optimizers import OptimizerConfig


class ViewsConfig(Config):
    """Views of the scans that the network sees.

    Attributes:
        policy: Name of a shipped policy (`ct`, `mr`, `cxr`, `us`, ...) or path of a YAML file.
        variant: Name of one of the policy's variants.
        size_px: Edge of a view.
        slices: Slices that represent a volume when it is classified or predicted; images have one.
    """

    policy: str
    variant: str | None = None
    size_px: PositiveInt
    slices: PositiveInt = 12


class SmallViews(Config):
    """Further views of smaller fields (multi-crop), for methods that take them, such as SwAV.

    Attributes:
        count: Small views per scan, beside the two usual ones.
        size_px: Edge of a small view.
    """

    count: PositiveInt = 4
    size_px: PositiveInt


class MonitorConfig(Config):
    """Measures of collapse during a run; no weight depends on them.

    Attributes:
        scans: Number of scans that are measured, with two views each.
        every_epochs: Epochs between measurements; the last epoch is always measured.
        labeled: Measure labeled validation scans instead of training scans, and add a nearest-neighbor vote
            and a linear probe. Those scans must not be among `splits`.
        stop: Stop a run whose features have collapsed, once its warm-up is over.
    """

    scans: PositiveInt = 128
    every_epochs: PositiveInt = 5
    labeled: bool = False
    stop: bool = False


class PretrainSettings(Config):
    """Settings of a pretraining run that do not depend on its data.

    Attributes:
        encoder: Network to pretrain.
        initial_weights: Weights file of another library to start from (see `load_external_weights`).
        method: Contrastive method.
        optimizer: Optimizer and schedule.
        splits: Splits to pretrain on; labels are never used.
        pairs: Whether the two views are of one scan, or of two scans of one patient where there are two
            (MICLe).
        small_views: Further views for multi-crop.
        epochs: Passes over the scans; each shows one pair of views per scan.
        batch_size: Scans per step over all processes.
        cached_chunk: Scans whose graph a process holds at once. The loss still compares the whole batch
            (cached gradients), at the price of one more forward pass; batch norm sees one chunk at a time.
        clip_norm: Longer gradients are scaled to this norm.
        monitor: Measures of collapse.
        seed: Random seed of weights, views and order.
        precision: `auto` is bf16 on GPUs that compute in it natively, else float32.
        devices: Processes to start, one per GPU; `torchrun` and SLURM take precedence.
        threads: PyTorch threads on the CPU; all cores by default.
        checkpoint_every_s: Seconds between checkpoints, which is the work that a killed run may lose.
    """

    encoder: EncoderConfig = EncoderConfig()
    initial_weights: Path | None = None
    method: AnyMethodConfig = SimCLRConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    splits: tuple[Literal["train", "val"], ...] = ("train",)
    pairs: Literal["scan", "patient"] = "scan"
    small_views: SmallViews | None = None
    epochs: PositiveInt
    batch_size: PositiveInt = 256
    cached_chunk: PositiveInt | None = None
    clip_norm: PositiveFloat | None = None
    monitor: MonitorConfig | None = MonitorConfig()
    seed: int = 0
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    devices: PositiveInt = 1
    threads: PositiveInt | None = None
    checkpoint_every_s: float = 120.0


class PretrainConfig(PretrainSettings):
    """Configuration of a pretraining run: its settings and its data.

    Attributes:
        store: Folder that `medcl prepare` wrote.
        views: Views of the scans.
    """

    store: Path
    views: ViewsConfig
