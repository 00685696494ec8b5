"""Encoders and their files, weights of other libraries, and the heads and memory that training adds."""

from medcl.pretrain.networks.backbones import RESNETS, STEMS, SliceSequence
from medcl.pretrain.networks.encoders import (
    Encoder,
    EncoderConfig,
    build_encoder,
    load_encoder,
    save_encoder,
)
from medcl.pretrain.networks.external_weights import LoadedWeights, load_external_weights
from medcl.pretrain.networks.heads import Prototypes, mlp
from medcl.pretrain.networks.memory_bank import MemoryBank
from medcl.pretrain.networks.momentum import MomentumBranch, cosine_momentum

__all__ = [
    "RESNETS",
    "STEMS",
    "Encoder",
    "EncoderConfig",
    "LoadedWeights",
    "MemoryBank",
    "MomentumBranch",
    "Prototypes",
    "SliceSequence",
    "build_encoder",
    "cosine_momentum",
    "load_encoder",
    "load_external_weights",
    "mlp",
    "save_encoder",
]
