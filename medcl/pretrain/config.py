"""What a pretraining run is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from medcl.config import Config
from medcl.pretrain.methods import MethodConfig, SimCLRConfig
from medcl.pretrain.networks.encoders import EncoderConfig
from medcl.pretrain.optimizers import OptimizerConfig


class ViewsConfig(Config):
    """Which views of the scans the network sees.

    Attributes:
        policy: a shipped policy (`ct`, `mr`, `cxr`, `us`) or a path to a YAML file.
        variant: one of the policy's named variants.
        size_px: edge of a view.
        slices: slices that stand for a volume when it is classified or predicted (pictures have one).
    """

    policy: str
    variant: str | None = None
    size_px: PositiveInt
    slices: PositiveInt = 12


class SmallViews(Config):
    """Further views of smaller fields, for methods that take them (multi-crop; SwAV).

    Attributes:
        count: of a scan, beside its two usual views.
        size_px: edge of such a view.
    """

    count: PositiveInt = 4
    size_px: PositiveInt


class MonitorConfig(Config):
    """Measures of collapse while a run goes on; no weight depends on them.

    Attributes:
        scans: how many are measured, two views each.
        every_epochs: how often; the last epoch always is.
        labeled: measure on labeled validation scans instead of training ones, and a nearest-neighbor vote
            and a linear probe with them. Those scans must not be among `splits`.
        stop: end a run that has collapsed, once its warm-up is over.
    """

    scans: PositiveInt = 128
    every_epochs: PositiveInt = 5
    labeled: bool = False
    stop: bool = False


class PretrainSettings(Config):
    """How an encoder is pretrained, whatever it is pretrained on.

    Attributes:
        initial_weights: a file of another library to start from (see
            `medcl.pretrain.networks.external_weights`).
        splits: whose scans are seen; labels never are.
        pairs: the two views are of one scan, or of two scans of one patient where there are two (MICLe).
        small_views: for multi-crop.
        epochs: passes over the scans; each shows one pair of views a scan.
        batch_size: scans a step over all processes.
        cached_chunk: scans whose graph a process holds at once; the batch stays whole (cached gradients), at
            the price of one more forward pass, and batch norm sees a chunk at a time.
        clip_norm: gradients longer than this are shortened to it.
        compile: compile the encoder, if a trial says that it pays.
        precision: `auto` is bf16 where the hardware computes in it, else float32.
        threads: for PyTorch on the CPU; all cores when not given.
        checkpoint_every_s: seconds of work that a killed run may lose.
    """

    encoder: EncoderConfig = EncoderConfig()
    initial_weights: Path | None = None
    method: MethodConfig = SimCLRConfig()
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
    compile: bool = False
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    devices: PositiveInt = 1
    threads: PositiveInt | None = None
    checkpoint_every_s: float = 120.0


class PretrainConfig(PretrainSettings):
    """One pretraining run: the settings, and the scans they are applied to.

    Attributes:
        store: folder that `medcl prepare` wrote.
        views: what the network sees of a scan.
    """

    store: Path
    views: ViewsConfig
