"""Encoders: networks that turn a batch of views into feature vectors, and their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from medcl.config import Config, validate
from medcl.errors import UsageError
from medcl.files import atomic
from medcl.pretrain.networks.backbones import SHIPPED, SliceSequence, build_imported, build_shipped


class EncoderConfig(Config):
    """Configuration of an encoder: which network, and for which images.

    `stem` is the first layer: `small` keeps the resolution (3 px kernel, stride 1, no pooling), as usual for
    images up to 64 px (CIFAR form of He et al. 2015, section 4.2); `compact` halves it (stride 2), at a
    quarter of the cost; `standard` quarters it (7 px kernel, stride 2, pooling). `width` and `stem` are
    used by ResNets only.
    """

    name: str = "resnet18"
    """`resnet10`, `resnet18`, `resnet34`, `resnet50`, `densenet121`, `efficientnet-b0` to `-b7` (MONAI's), or
    your own class as `package.module:Class`, an `nn.Module` that maps (N, C, *spatial) to
    (N, feature_size), built with `options`."""
    width: Annotated[int, Field(ge=8, multiple_of=8)] = 64
    """Channels of a ResNet's first stage, a multiple of 8; each later stage has twice as many. (With 4, the
    channels-last convolutions of torch 2.13 write out of bounds on AVX2 processors.)"""
    stem: Literal["small", "compact", "standard"] = "standard"
    spatial_dims: Literal[2, 3] = 2
    in_channels: PositiveInt = 1
    """1 for gray images, 3 for color; an odd number for gray volumes: a slice and its neighbors (2.5-D)."""
    sequence: Literal["gru", "lstm"] | None = None
    """For volumes (`spatial_dims: 3`): a 2-D network encodes each slice, and this recurrent network reads the
    features of the slices in order."""
    feature_size: PositiveInt | None = None
    """Length of the feature vectors of your own class; for no other network."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments with which your own class is built; for no other network."""

    @model_validator(mode="after")
    def _known(self) -> EncoderConfig:
        imported = ":" in self.name
        if not imported and self.name not in SHIPPED:
            raise ValueError(
                f"no network '{self.name}'; there are {', '.join(SHIPPED)}, or package.module:Class"
            )
        if imported != (self.feature_size is not None) or (self.options and not imported):
            raise ValueError(
                "feature_size (always) and options belong to a network given as package.module:Class"
            )
        if self.sequence and self.spatial_dims != 3:
            raise ValueError("sequence reads volumes: set spatial_dims to 3")
        return self


class Encoder(nn.Module):
    """A network without its classifier.

    Attributes:
        config: Configuration that it was built from.
        feature_size: Length F of a feature vector.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.network, self.feature_size = _network(config)

    def forward(self, views: Tensor) -> Tensor:
        """Map views (N, C, *spatial) to features (N, F).

        Raises:
            UsageError: A network by import path returns another shape.
        """
        features: Tensor = self.network(views)
        if features.shape != (len(views), self.feature_size):
            raise UsageError(
                f"encoder '{self.config.name}' gives {tuple(features.shape)} for {len(views)} views, "
                f"not feature_size={self.feature_size} numbers each; correct encoder.feature_size"
            )
        return features


def _network(config: EncoderConfig) -> tuple[nn.Module, int]:
    dims = 2 if config.sequence else config.spatial_dims
    if config.feature_size is not None:
        network, size = build_imported(config.name, config.options), config.feature_size
    else:
        network, size = build_shipped(config.name, dims, config.in_channels, config.width, config.stem)
    if config.sequence:
        network = SliceSequence(network, size, config.sequence)
    return network, size


def build_encoder(config: EncoderConfig, seed: int | None = None) -> Encoder:
    """Build an encoder; with `seed` its weights are reproducible and no global random state changes."""
    if seed is None:
        return Encoder(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Encoder(config)


def save_encoder(encoder: Encoder, path: Path) -> None:
    """Write the weights as safetensors, with the configuration in the file's metadata."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in encoder.state_dict().items()}
    with atomic(path) as temporary:
        save_file(tensors, temporary, metadata={"encoder": encoder.config.model_dump_json()})


def load_encoder(path: Path) -> Encoder:
    """Load an encoder in evaluation mode.

    Args:
        path: `encoder.safetensors`, or the run folder that holds it.

    Raises:
        UsageError: There is no such file, or medcl did not write it.
    """
    file = path / "encoder.safetensors" if path.is_dir() else path
    if not file.is_file():
        raise UsageError(f"{file}: no encoder there; has the run finished?")
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
        document = json.loads(metadata["encoder"])
        weights = load_file(file)
    except Exception as error:  # safetensors raises its own type, which it does not document
        raise UsageError(f"{file}: not an encoder that medcl wrote ({type(error).__name__})") from None
    encoder = Encoder(validate(document, EncoderConfig, str(file)))
    encoder.load_state_dict(weights)
    return encoder.eval()
