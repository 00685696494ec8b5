"""A U-Net whose contracting path is the encoder under test.

Skip connections come from its stages; the decoder is made of the blocks of MONAI's FlexibleUNet.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from monai.networks.nets.basic_unet import UpCat
from monai.networks.nets.flexible_unet import SegmentationHead
from monai.networks.nets.resnet import ResNetFeatures
from torch import Tensor, nn

from medcl.pretrain import STEMS, Encoder, EncoderConfig


class Segmenter(nn.Module):
    """Maps views (N, C, *spatial) to the log odds (N, 1, *spatial) of each pixel.

    Args:
        encoder: A ResNet, which becomes part of the network.
        seed: Random seed of the decoder's weights.
    """

    def __init__(self, encoder: Encoder, seed: int) -> None:
        super().__init__()
        self.encoder = encoder
        config, dims = encoder.config, encoder.config.spatial_dims
        channels = [encoder.feature_size // 2**n for n in (3, 2, 1, 0)]
        if config.stem == "standard":
            channels.insert(0, config.width)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.up = nn.ModuleList(
                UpCat(dims, deep, skip, skip, ("relu", {"inplace": True}), "batch", bias=False)
                for deep, skip in pairwise(reversed(channels))
            )
            self.head = SegmentationHead(dims, channels[0], 1, scale_factor=STEMS[config.stem][1])

    def forward(self, views: Tensor) -> Tensor:
        """Return the log odds (N, 1, *spatial) of each pixel of views (N, C, *spatial)."""
        skips = self.stages(views)
        features = skips.pop()
        for up in self.up:
            features = up(features, skips.pop())
        logits: Tensor = self.head(features)
        return logits

    def stages(self, views: Tensor) -> list[Tensor]:
        """Return the encoder's features from fine to coarse, each half the resolution of the one before."""
        network = self.encoder.network
        stages: list[Tensor] = ResNetFeatures.forward(network, views)
        # Without pooling the first layer and the first stage have the same resolution.
        return stages[1:] if network.no_max_pool else stages


def total_stride(config: EncoderConfig) -> int:
    """Return the stride in pixels, along each axis, of a ResNet's last stage."""
    return 8 * STEMS[config.stem][1] * (2 if config.stem == "standard" else 1)
