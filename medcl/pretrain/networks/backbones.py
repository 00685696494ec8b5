"""Networks with a feature vector at their end: MONAI's, anybody's by import path, and slices in sequence."""

from __future__ import annotations

import importlib
from typing import Any, Literal

from monai.networks.nets import DenseNet121, EfficientNetBN, ResNet
from torch import Tensor, nn

from medcl.errors import UsageError

RESNETS = {
    "resnet10": ("basic", [1, 1, 1, 1]),
    "resnet18": ("basic", [2, 2, 2, 2]),
    "resnet34": ("basic", [3, 4, 6, 3]),
    "resnet50": ("bottleneck", [3, 4, 6, 3]),
}
STEMS = {"small": (3, 1), "compact": (3, 2), "standard": (7, 2)}
"""Kernel and stride of a ResNet's first layer."""
SHIPPED = (*RESNETS, "densenet121", *(f"efficientnet-b{n}" for n in range(8)))


def shipped(name: str, dims: int, channels: int, width: int, stem: str) -> tuple[nn.Module, int]:
    """Build one of `SHIPPED` for views (N, channels, *spatial) of `dims` dimensions; return it and its F."""
    if name in RESNETS:
        return _resnet(name, dims, channels, width, stem)
    if name == "densenet121":
        dense = DenseNet121(dims, channels, out_channels=1)
        features = dense.class_layers.out.in_features
        dense.class_layers.out = nn.Identity()
        return dense, features
    efficient = EfficientNetBN(name, pretrained=False, spatial_dims=dims, in_channels=channels, num_classes=1)
    features = efficient._fc.in_features
    efficient._fc = efficient._dropout = nn.Identity()
    for block in efficient._blocks.modules():
        # Two views of a scan shall differ by their augmentation, not by which blocks were left out.
        if hasattr(block, "drop_connect_rate"):
            block.drop_connect_rate = 0.0
    return efficient, features


def _resnet(name: str, dims: int, channels: int, width: int, stem: str) -> tuple[nn.Module, int]:
    block, layers = RESNETS[name]
    kernel, stride = STEMS[stem]
    network = ResNet(
        block,
        layers,
        [width * 2**stage for stage in range(4)],
        spatial_dims=dims,
        n_input_channels=channels,
        conv1_t_size=kernel,
        conv1_t_stride=stride,
        no_max_pool=stem != "standard",
        bias_downsample=False,
        feed_forward=False,
    )
    return network, width * 8 * (4 if block == "bottleneck" else 1)


def imported(path: str, options: dict[str, Any]) -> nn.Module:
    """Make the module that `package.module:Class` names.

    Only classes of modules are made, never functions called: an encoder file names its class, and a file
    must not be able to run whatever it likes.

    Raises:
        UsageError: there is no such class, it is no `nn.Module`, or it refuses the options.
    """
    package, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(package), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"encoder '{path}': {error}") from None
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UsageError(f"encoder '{path}': not a subclass of torch.nn.Module")
    try:
        module: nn.Module = found(**options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"encoder '{path}': {error}") from None
    return module


class SliceSequence(nn.Module):
    """A volume encoder from a 2-D one: a recurrent network reads the features of its slices, both ways.

    Args:
        slices: maps (N, C, H, W) to (N, size).
        size: an even number F.
        kind: of recurrent network.
    """

    def __init__(self, slices: nn.Module, size: int, kind: Literal["gru", "lstm"]) -> None:
        super().__init__()
        self.slices = slices
        recurrent = {"gru": nn.GRU, "lstm": nn.LSTM}[kind]
        self.reader = recurrent(size, size // 2, batch_first=True, bidirectional=True)

    def forward(self, volumes: Tensor) -> Tensor:
        """Map volumes (N, C, I, J, K), read along their last axis, to features (N, F)."""
        apart = volumes.movedim(-1, 1)
        features = self.slices(apart.flatten(0, 1)).unflatten(0, apart.shape[:2])
        read: Tensor = self.reader(features)[0]
        return read.mean(dim=1)
