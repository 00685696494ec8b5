"""Small methods on small views, which the tests of this folder share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from medcl.pretrain.methods import Batch, Method, MethodConfig, build_method
from medcl.pretrain.methods.barlow_twins import BarlowTwinsConfig
from medcl.pretrain.methods.byol import BYOLConfig
from medcl.pretrain.methods.moco import MoCoConfig
from medcl.pretrain.methods.moco_v3 import MoCoV3Config
from medcl.pretrain.methods.simclr import SimCLRConfig
from medcl.pretrain.methods.simsiam import SimSiamConfig
from medcl.pretrain.methods.swav import SwAVConfig
from medcl.pretrain.methods.vicreg import VICRegConfig

torch.set_num_threads(1)
SMALL_METHODS = __name__
SMALL_ENCODER = f"{__name__}:SmallEncoder"
"""Import path of a class of somebody else's, for `EncoderConfig.name`."""


class SmallEncoder(nn.Module):
    """Two linear layers on flattened views; `norm` adds the batch norm that real encoders have."""

    def __init__(self, pixels: int = 16, features: int = 8, norm: bool = False) -> None:
        super().__init__()
        middle = nn.BatchNorm1d(12) if norm else nn.Identity()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, 12), middle, nn.Tanh(), nn.Linear(12, features)
        )
        self.feature_size = features

    def forward(self, views: Tensor) -> Tensor:
        return self.layers(views)


CONFIGS: dict[str, MethodConfig] = {
    "simclr": SimCLRConfig(projection=6),
    "simclr-margin": SimCLRConfig(projection=6, loss="contrastive"),
    "simclr-euclidean": SimCLRConfig(projection=6, similarity="euclidean"),
    "moco": MoCoConfig(projection=6, queue=20),
    "moco-euclidean": MoCoConfig(projection=6, queue=12, similarity="euclidean"),
    "moco_v3": MoCoV3Config(hidden=10, projection=6),
    "byol": BYOLConfig(hidden=10, projection=6),
    "swav": SwAVConfig(hidden=10, projection=6, prototypes=4, epsilon=0.05),
    "swav-queue": SwAVConfig(
        hidden=10, projection=6, prototypes=4, epsilon=0.05, queue=20, queue_from_epoch=1
    ),
    "barlow_twins": BarlowTwinsConfig(dimensions=6, redundancy=0.1),
    "vicreg": VICRegConfig(dimensions=6),
    "simsiam": SimSiamConfig(dimensions=12, bottleneck=4),
}


def make(name: str, norm: bool = False) -> Method:
    """Build the same method each time; `norm` puts batch norm into its encoder."""
    torch.manual_seed(0)
    return build_method(CONFIGS[name], SmallEncoder(norm=norm))


def without_batch_norm(method: Method) -> Method:
    """Take every batch norm out of a method, in place."""
    for module in list(method.modules()):
        for child, layer in module.named_children():
            if isinstance(layer, nn.BatchNorm1d):
                setattr(module, child, nn.Identity())
    return method


def make_views(seed: int = 0, scans: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    anatomy = torch.randn(scans, 1, 1, 4, 4, generator=generator)
    return anatomy + 0.3 * torch.randn(scans, 2, 1, 4, 4, generator=generator)


def train(method: Method, steps: int, first: int = 0, total: int = 12, lr: float = 0.05) -> list[float]:
    """Train without hidden state: only the method's state dict carries over (plain SGD)."""
    losses = []
    for step in range(first, first + steps):
        batch = Batch(scan=torch.arange(8) + 8 * (step % 3), step=step, epoch=step // 3)
        loss = method.loss(make_views(step % 3), batch)["loss"]
        method.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in method.parameters():
                if parameter.grad is not None:
                    parameter -= lr * parameter.grad
        method.on_step_end((step + 1) / total)
        losses.append(loss.item())
    return losses


class OneDirection(nn.Module):
    """An encoder that has collapsed: its features lie on one line."""

    def __init__(self, features: int = 8) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.features = features

    def forward(self, views: Tensor) -> Tensor:
        return self.scale * views.flatten(1).mean(1, keepdim=True).expand(-1, self.features)


class Dropping(SmallEncoder):
    """Drops half of its inputs while it trains."""

    def forward(self, views: Tensor) -> Tensor:
        return super().forward(nn.functional.dropout(views, training=self.training))


SCANS, TAU = 6, 0.2
BATCH = Batch(torch.arange(SCANS), epoch=1)
COPIES = {"moco_v3": 4, "byol": 6, "simsiam": 4}
"""Embeddings of a scan that a method compares, where there is not one per view."""


def compare(method: Method, embeddings: Tensor) -> Tensor:
    return method.compare(embeddings, BATCH)["loss"]


def equal_views(name: str, embedding: Tensor) -> Tensor:
    """The same embedding (B, D) as every view, prediction, key and target."""
    return embedding[:, None].repeat(1, COPIES.get(name, 2), 1)


def log_sum(negatives: int, gap: float) -> float:
    """Cross-entropy of a cosine of 1 against negatives that are `gap` less similar, in units of tau."""
    return math.log(1 + negatives * math.exp(-gap))
