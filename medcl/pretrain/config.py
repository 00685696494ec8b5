"""What a pretraining run is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import PositiveInt

from medcl.config import Config
from medcl.pretrain.encoders import EncoderConfig
from medcl.pretrain.methods import MethodConfig, SimCLRConfig
from medcl.pretrain.optimisers import OptimiserConfig


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


class PretrainSettings(Config):
    """How an encoder is pretrained, whatever it is pretrained on.

    Attributes:
        splits: whose scans are seen; labels never are.
        epochs: passes over the scans; each shows one pair of views a scan.
        batch_size: scans a step over all processes.
        precision: `auto` is bf16 where the hardware computes in it, else float32.
        threads: for PyTorch on the CPU; all cores when not given.
        checkpoint_every_s: seconds of work that a killed run may lose.
    """

    encoder: EncoderConfig = EncoderConfig()
    method: MethodConfig = SimCLRConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    splits: tuple[Literal["train", "val"], ...] = ("train",)
    epochs: PositiveInt
    batch_size: PositiveInt = 256
    seed: int = 0
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
