"""Contrastive pretraining without labels."""

from medcl.pretrain.config import PretrainConfig, PretrainSettings, ViewsConfig
from medcl.pretrain.loop import pretrain
from medcl.pretrain.networks.encoders import Encoder, EncoderConfig, build_encoder, load_encoder

__all__ = [
    "Encoder",
    "EncoderConfig",
    "PretrainConfig",
    "PretrainSettings",
    "ViewsConfig",
    "build_encoder",
    "load_encoder",
    "pretrain",
]
