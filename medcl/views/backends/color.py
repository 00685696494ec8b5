"""Color changes for modalities whose color is diagnostic: saturation and hue, or stain densities."""

from __future__ import annotations

import torch
from torch import Tensor

# Optical densities of haematoxylin, eosin and residual in red, green and blue (Ruifrok & Johnston 2001).
_STAINS = torch.tensor([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_STAINS = _STAINS / _STAINS.norm(dim=1, keepdim=True)
_UNMIX = torch.linalg.inv(_STAINS)
_DARK = 1 / 255

# Luminance and the two chroma axes of YIQ, in which hue is a turn.
_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_RGB = torch.linalg.inv(_YIQ)


def change_color(views: Tensor, values: Tensor, stain: bool) -> Tensor:
    """Return views (N, 3, *spatial) in [0, 1] with their color changed by `values` (N, 6).

    `values` are those of `ViewParams.color`; with `stain` the three stain gains and the offset apply, else
    saturation and hue.
    """
    if stain:
        return _restained(views, values)
    hue = 2 * torch.pi * values[:, 1]
    cosine, sine, saturation = torch.cos(hue), torch.sin(hue), values[:, 0]
    chroma = torch.zeros(len(values), 3, 3)
    chroma[:, 0, 0] = 1
    chroma[:, 1, 1] = chroma[:, 2, 2] = saturation * cosine
    chroma[:, 1, 2], chroma[:, 2, 1] = -saturation * sine, saturation * sine
    mixing = _RGB @ chroma @ _YIQ
    return torch.einsum("nij,nj...->ni...", mixing, views).clamp(0, 1)


def _restained(views: Tensor, values: Tensor) -> Tensor:
    """Unmix optical density into stains, change each, and mix again (Tellez 2018)."""
    density = -views.clamp(min=_DARK).log()
    stains = torch.einsum("ji,nj...->ni...", _UNMIX, density)
    shape = (len(values), 3, *[1] * (views.ndim - 2))
    stains = stains * values[:, 2:5].reshape(shape) + values[:, 5].reshape(-1, *[1] * (views.ndim - 1))
    mixed = torch.einsum("ji,nj...->ni...", _STAINS, stains)
    return (-mixed).exp().clamp(0, 1)
