"""Contrastive methods, each in a file that reads like its paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from medcl.pretrain.methods.base import Batch, EmbeddingMethod, Method
from medcl.pretrain.methods.byol import BYOL, BYOLConfig
from medcl.pretrain.methods.simclr import SimCLR, SimCLRConfig

__all__ = ["Batch", "EmbeddingMethod", "Method", "MethodConfig", "build_method"]

MethodConfig = SimCLRConfig | BYOLConfig

METHODS: dict[type, Callable[[Any, nn.Module], Method]] = {SimCLRConfig: SimCLR, BYOLConfig: BYOL}


def build_method(config: MethodConfig, encoder: nn.Module) -> Method:
    """Build the method that `config` names around `encoder` (see `Method`)."""
    return METHODS[type(config)](config, encoder)
