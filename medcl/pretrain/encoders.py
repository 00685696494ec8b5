"""Encoders: MONAI networks that turn a batch of views into feature vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import torch
from monai.networks.nets import DenseNet121, ResNet
from pydantic import Field
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from medcl.config import Config, validate
from medcl.errors import UsageError
from medcl.files import atomic

LAYERS = {
    "resnet10": ("basic", [1, 1, 1, 1]),
    "resnet18": ("basic", [2, 2, 2, 2]),
    "resnet34": ("basic", [3, 4, 6, 3]),
    "resnet50": ("bottleneck", [3, 4, 6, 3]),
}


class EncoderConfig(Config):
    """Which network, and for which images.

    The first layer: `small` keeps the resolution (3 px kernel, stride 1, no pooling), as usual for images up
    to 64 px (CIFAR form of He et al. 2015, section 4.2); `compact` halves it (stride 2) for a quarter of the
    cost; `standard` quarters it (7 px kernel, stride 2, pooling).
    """

    name: Literal["resnet10", "resnet18", "resnet34", "resnet50", "densenet121"] = "resnet18"
    width: Annotated[int, Field(ge=8, multiple_of=8)] = 64
    """Channels of a ResNet's first stage; each later stage has twice as many. In eights: with 4, the
    channels-last convolutions of torch 2.13 write out of bounds on AVX2 processors."""
    stem: Literal["small", "compact", "standard"] = "standard"
    spatial_dims: Literal[2, 3] = 2
    in_channels: int = 1


class Encoder(nn.Module):
    """A network without its classifier.

    Attributes:
        config: what it was built from.
        feature_size: length F of a feature vector.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.network, self.feature_size = _network(config)

    def forward(self, views: Tensor) -> Tensor:
        """Map views (N, C, *spatial) to features (N, F)."""
        features: Tensor = self.network(views)
        return features


def _network(config: EncoderConfig) -> tuple[nn.Module, int]:
    if config.name == "densenet121":
        dense = DenseNet121(config.spatial_dims, config.in_channels, out_channels=1)
        features = dense.class_layers.out.in_features
        dense.class_layers.out = nn.Identity()
        return dense, features
    block, layers = LAYERS[config.name]
    kernel, stride = {"small": (3, 1), "compact": (3, 2), "standard": (7, 2)}[config.stem]
    network = ResNet(
        block,
        layers,
        [config.width * 2**stage for stage in range(4)],
        spatial_dims=config.spatial_dims,
        n_input_channels=config.in_channels,
        conv1_t_size=kernel,
        conv1_t_stride=stride,
        no_max_pool=config.stem != "standard",
        bias_downsample=False,
        feed_forward=False,
    )
    expansion = 4 if block == "bottleneck" else 1
    return network, config.width * 8 * expansion


def build_encoder(config: EncoderConfig, seed: int | None = None) -> Encoder:
    """Build an encoder; with `seed` its weights are the same every time and no global state moves."""
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
    """Load an encoder from `encoder.safetensors` or from the run folder that holds it, in evaluation mode.

    Raises:
        UsageError: no such file, or a file that medcl did not write.
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
