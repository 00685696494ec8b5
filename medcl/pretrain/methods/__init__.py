"""Contrastive methods, each in a file that reads like its paper."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from medcl.config import Config
from medcl.pretrain.methods.barlow_twins import BarlowTwins, BarlowTwinsConfig
from medcl.pretrain.methods.base import Batch, Method
from medcl.pretrain.methods.byol import BYOL, BYOLConfig
from medcl.pretrain.methods.moco import MoCo, MoCoConfig
from medcl.pretrain.methods.moco_v3 import MoCoV3, MoCoV3Config
from medcl.pretrain.methods.simclr import SimCLR, SimCLRConfig
from medcl.pretrain.methods.simsiam import SimSiam, SimSiamConfig
from medcl.pretrain.methods.swav import SwAV, SwAVConfig
from medcl.pretrain.methods.vicreg import VICReg, VICRegConfig

__all__ = ["METHODS", "Batch", "Method", "MethodConfig", "SimCLRConfig", "build_method"]

MethodConfig = Annotated[
    SimCLRConfig
    | MoCoConfig
    | MoCoV3Config
    | BYOLConfig
    | SwAVConfig
    | BarlowTwinsConfig
    | VICRegConfig
    | SimSiamConfig,
    Field(discriminator="name"),
]
"""The settings of any method, told apart by `name`."""

METHODS: dict[type[Config], type[Method]] = {
    SimCLRConfig: SimCLR,
    MoCoConfig: MoCo,
    MoCoV3Config: MoCoV3,
    BYOLConfig: BYOL,
    SwAVConfig: SwAV,
    BarlowTwinsConfig: BarlowTwins,
    VICRegConfig: VICReg,
    SimSiamConfig: SimSiam,
}


def build_method(config: MethodConfig, encoder: nn.Module) -> Method:
    """Build the method that `config` names around `encoder` (see `Method`)."""
    return METHODS[type(config)](config, encoder)  # type: ignore[call-arg, arg-type]
