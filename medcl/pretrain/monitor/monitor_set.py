"""The monitor set of a run: its features are measured and drawn on the same scans again and again."""

from __future__ import annotations

from collections.abc import Callable

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from medcl.pretrain.monitor.measures import LABELED_MEASURES, MEASURES, encode_pairs, measure
from medcl.views import ViewLoader


class MonitorSet:
    """Scans on which an encoder is measured while it trains.

    Args:
        loader: Loader of the scans, with the same views in the same order every time.
        labels: Class numbers (N,) and class names; None when labels may not be used.
        to_device: Moves a tensor to the device of the encoder.
    """

    def __init__(
        self,
        loader: ViewLoader,
        labels: tuple[Tensor, list[str]] | None,
        to_device: Callable[[Tensor], Tensor],
    ) -> None:
        self.loader, self.to_device = loader, to_device
        self.labels: Tensor | None = None if labels is None else labels[0]
        self.class_names = [] if labels is None else labels[1]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the measures."""
        return MEASURES if self.labels is None else MEASURES + LABELED_MEASURES

    def measure(self, encoder: nn.Module) -> tuple[dict[str, float], Figure]:
        """Return the measures of the encoder's present features (see `measures`), and a figure of them."""
        first, second = encode_pairs(encoder, (self.to_device(batch.data) for batch in self.loader))
        labels = None if self.labels is None else self.to_device(self.labels)
        return measure(first, second, labels), draw(first.cpu(), self.labels, self.class_names)


def draw(features: Tensor, labels: Tensor | None, class_names: list[str]) -> Figure:
    """Draw features (N, F) on their two principal axes, with one color per class.

    Args:
        features: (N, F).
        labels: (N,) class numbers, or None to draw all points alike.
        class_names: Name of each class number.
    """
    centered = features - features.mean(0)
    _, values, axes = torch.linalg.svd(centered, full_matrices=False)
    points = (centered @ axes[:2].T).numpy()
    share = (values.square() / values.square().sum().clamp_min(1e-12))[:2].tolist()
    figure = Figure(figsize=(5, 5), layout="constrained")
    plot = figure.add_subplot(xlabel=f"axis 1 ({share[0]:.0%})", ylabel=f"axis 2 ({share[-1]:.0%})")
    if labels is None:
        plot.scatter(points[:, 0], points[:, -1], s=8)
        return figure
    for number, name in enumerate(class_names):
        of_class = points[(labels == number).numpy()]
        plot.scatter(of_class[:, 0], of_class[:, -1], s=8, label=name)
    plot.legend()
    return figure
