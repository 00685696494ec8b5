"""Contrastive pretraining without labels: configuration, training loop, and encoders to build and load."""

from medcl.pretrain.config import PretrainConfig, PretrainSettings, ViewsConfig
from medcl.pretrain.data import stack_size
from medcl.pretrain.loop import pretrain
from medcl.pretrain.networks import (
    RESNETS,
    STEMS,
    Encoder,
    EncoderConfig,
    LoadedWeights,
    SliceSequence,
    build_encoder,
    load_encoder,
    load_external_weights,
)
from medcl.pretrain.once import pretrain_once
from medcl.pretrain.optimizers import cosine_rate

__all__ = [
    "RESNETS",
    "STEMS",
    "Encoder",
    "EncoderConfig",
    "LoadedWeights",
    "PretrainConfig",
    "PretrainSettings",
    "SliceSequence",
    "ViewsConfig",
    "build_encoder",
    "cosine_rate",
    "load_encoder",
    "load_external_weights",
    "pretrain",
    "pretrain_once",
    "stack_size",
]
