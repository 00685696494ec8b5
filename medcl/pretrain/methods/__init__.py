"""Contrastive methods, each in a file that reads like its paper.

To add a method, write a file with its configuration (a `MethodConfig`) and its `Method`, decorate the method
with `register`, import the file below and ship `configs/methods/NAME.yaml`.
"""

from __future__ import annotations

import operator
from functools import reduce
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from torch import nn

from medcl.pretrain.methods import (  # noqa: F401  (importing a method registers it)
    barlow_twins,
    byol,
    moco,
    moco_v3,
    simclr,
    simsiam,
    swav,
    vicreg,
)
from medcl.pretrain.methods.base import Batch, Method, MethodConfig
from medcl.pretrain.methods.method_cost import MethodCost
from medcl.pretrain.methods.registry import METHODS, method_name, register
from medcl.pretrain.methods.simclr import SimCLRConfig

__all__ = [
    "METHODS",
    "AnyMethodConfig",
    "Batch",
    "Method",
    "MethodConfig",
    "MethodCost",
    "SimCLRConfig",
    "build_method",
    "method_name",
    "register",
]

if TYPE_CHECKING:
    AnyMethodConfig = MethodConfig
else:
    AnyMethodConfig = Annotated[reduce(operator.or_, METHODS), Field(discriminator="name")]
"""Configuration of any registered method, discriminated by `name`."""


def build_method(config: MethodConfig, encoder: nn.Module) -> Method:
    """Build the method of `config` around `encoder` (see `Method`)."""
    return METHODS[type(config)](config, encoder)
