"""Networks that end in a feature vector: MONAI's, any class by import path, and slices in sequence."""

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


def build_shipped(name: str, dims: int, channels: int, width: int, stem: str) -> tuple[nn.Module, int]:
    """Build one of `SHIPPED` for views (N, channels, *spatial).

    Args:
        name: One of `SHIPPED`.
        dims: Number of spatial dimensions.
        channels: Channels of a view.
        width: Channels of the first stage of a ResNet.
        stem: First layer of a ResNet, one of `STEMS`.

    Returns:
        The network and the length F of its features.
    """
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
        # Two views of a scan must differ by their augmentation, not by which blocks were dropped.
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


def build_imported(path: str, options: dict[str, Any]) -> nn.Module:
    """Build the module whose class is named by `path`.

    Only subclasses of `nn.Module` are built, and no function is ever called: an encoder file names its class,
    and a file must not be able to run arbitrary code.

    Args:
        path: `package.module:Class`.
        options: Keyword arguments of the class.

    Raises:
        UsageError: There is no such class, it is no `nn.Module`, or it refuses the options.
    """
    package, _, name = path.partition(":")
    try:
        cls = getattr(importlib.import_module(package), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"encoder '{path}': {error}") from None
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise UsageError(f"encoder '{path}': not a subclass of torch.nn.Module")
    try:
        module: nn.Module = cls(**options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"encoder '{path}': {error}") from None
    return module


class SliceSequence(nn.Module):
    """A volume encoder from a 2-D one: a recurrent network reads the features of its slices, both ways.

    Args:
        slices: Maps (N, C, H, W) to (N, size).
        size: Length F of the features, an even number.
        kind: Type of the recurrent network.
    """

    def __init__(self, slices: nn.Module, size: int, kind: Literal["gru", "lstm"]) -> None:
        super().__init__()
        self.slices = slices
        recurrent = {"gru": nn.GRU, "lstm": nn.LSTM}[kind]
        self.reader = recurrent(size, size // 2, batch_first=True, bidirectional=True)

    def forward(self, volumes: Tensor) -> Tensor:
        """Map volumes (N, C, I, J, K), read along their last axis, to features (N, F)."""
        slices = volumes.movedim(-1, 1)
        features = self.slices(slices.flatten(0, 1)).unflatten(0, slices.shape[:2])
        outputs: Tensor = self.reader(features)[0]
        return outputs.mean(dim=1)
