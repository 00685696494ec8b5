"""Watching a run: measures of its features on the same scans again and again, and a picture of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from medcl.pretrain.monitor.measures import encode_pairs, measure
from medcl.views import ViewLoader


class MonitorSet:
    """The monitor set of a run.

    Args:
        loader: its scans, always the same views in the same order.
        labels: class numbers (N,) and class names, where labels may be looked at.
        to_device: moves a tensor to where the encoder is.
    """

    def __init__(
        self,
        loader: ViewLoader,
        labels: tuple[Tensor, list[str]] | None,
        to_device: Callable[[Tensor], Tensor],
    ) -> None:
        self.loader, self.to_device = loader, to_device
        self.labels: Tensor | None = None if labels is None else labels[0]
        self.names = [] if labels is None else labels[1]

    def look(self, encoder: nn.Module) -> tuple[dict[str, float], Figure]:
        """Return the measures of the encoder as it is (see `monitors`), and a picture of its features."""
        first, second = encode_pairs(encoder, (self.to_device(batch.data) for batch in self.loader))
        labels = None if self.labels is None else self.to_device(self.labels)
        return measure(first, second, labels), draw(first.cpu(), self.labels, self.names)


def draw(features: Tensor, labels: Tensor | None, names: list[str]) -> Figure:
    """Draw features (N, F) on their two principal axes, a color a class."""
    centered = features - features.mean(0)
    _, values, axes = torch.linalg.svd(centered, full_matrices=False)
    at = (centered @ axes[:2].T).numpy()
    share = (values.square() / values.square().sum().clamp_min(1e-12))[:2].tolist()
    figure = Figure(figsize=(5, 5), layout="constrained")
    plot = figure.add_subplot(xlabel=f"axis 1 ({share[0]:.0%})", ylabel=f"axis 2 ({share[-1]:.0%})")
    if labels is None:
        plot.scatter(at[:, 0], at[:, -1], s=8)
        return figure
    for number, name in enumerate(names):
        mine = at[(labels == number).numpy()]
        plot.scatter(mine[:, 0], mine[:, -1], s=8, label=name)
    plot.legend()
    return figure
