"""Weights of other libraries: what of a file fits an encoder, and what does not, by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from medcl.errors import UsageError
from medcl.pretrain.networks.backbones import SliceSequence
from medcl.pretrain.networks.encoders import Encoder

NESTS = ("state_dict", "model", "model_state_dict")
"""Keys under which checkpoints hold their weights."""


@dataclass(frozen=True)
class LoadedWeights:
    """What became of a file's weights.

    Attributes:
        loaded: names in the encoder that were filled.
        adapted: those of them whose input channels were summed or repeated.
        missing: names in the encoder that the file does not have; they stay as they were.
        shape_differs: names that both have, in shapes that do not fit; they stay as they were.
        unused: names in the file that the encoder does not have, such as a classifier's.
    """

    loaded: list[str]
    adapted: list[str]
    missing: list[str]
    shape_differs: list[str]
    unused: list[str]

    def facts(self) -> dict[str, list[str]]:
        """Return the report as a JSON object."""
        return vars(self)

    def __str__(self) -> str:
        """Return the report in one line."""
        counts = {name.replace("_", " "): len(names) for name, names in vars(self).items()}
        return "initial weights: " + ", ".join(f"{count} {name}" for name, count in counts.items())


def load_external_weights(encoder: Encoder, path: Path) -> LoadedWeights:
    """Fill `encoder` with the weights of another library's checkpoint, as far as they fit.

    Reads safetensors and what `torch.load(weights_only=True)` does: torchvision's and timm's ResNets,
    MedicalNet's, and whatever names its tensors as the network of `encoder` does, under any prefix. A first
    layer for more channels is summed over them, one for a single channel is repeated and divided, so that
    gray views give what the same view in all channels did. A bias before batch norm that the encoder does not
    have is taken off the running mean, which is the same thing.

    Raises:
        UsageError: the file cannot be read, nothing in it fits, or a weight that fits is no finite number.
    """
    network = encoder.network.slices if isinstance(encoder.network, SliceSequence) else encoder.network
    own = network.state_dict()
    theirs = _fold_biases(_strip(_read(path), own))
    loaded, adapted, differs = {}, [], []
    for name in own.keys() & theirs.keys():
        weight = theirs[name]
        if weight.shape != own[name].shape:
            weight = _fit_channels(weight, own[name].shape)
            adapted.append(name)
        if weight.shape == own[name].shape:
            loaded[name] = weight
        else:
            differs.append(name)
    if not any(weight.ndim > 1 for weight in loaded.values()):
        raise UsageError(f"{path}: no weight in it fits a {encoder.config.name} of this shape")
    if not all(weight.isfinite().all() for weight in loaded.values()):
        raise UsageError(f"{path}: it has weights that are no finite numbers; take another checkpoint")
    network.load_state_dict(loaded, strict=False)
    return LoadedWeights(
        loaded=_sorted(loaded),
        adapted=_sorted(set(adapted) - set(differs)),
        missing=_sorted(name for name in own.keys() - theirs.keys() if not name.endswith("tracked")),
        shape_differs=_sorted(differs),
        unused=_sorted(theirs.keys() - own.keys()),
    )


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(names)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UsageError(f"{path}: no such file of weights")
    safe = path.suffix == ".safetensors"
    try:
        found: Any = load_file(path) if safe else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # what both raise on damage is of many types, most of them not documented
        raise UsageError(f"{path}: cannot be read as weights ({type(error).__name__})") from None
    for nest in NESTS:
        if isinstance(found, dict) and isinstance(found.get(nest), dict):
            found = found[nest]
    weights = {k: v for k, v in found.items() if isinstance(v, Tensor)} if isinstance(found, dict) else {}
    if not weights:
        raise UsageError(f"{path}: no named tensors in it")
    return weights


def _strip(theirs: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take the prefix off that lets the most names fit, such as `module.` or `backbone.`."""
    parts = [name.split(".") for name in theirs]
    prefixes = {".".join([*words[:n], ""]) if n else "" for words in parts for n in range(min(4, len(words)))}

    def fitting(prefix: str) -> int:
        return sum(name.startswith(prefix) and name[len(prefix) :] in own for name in theirs)

    best = max(sorted(prefixes, key=len), key=fitting)
    return {name.removeprefix(best): weight for name, weight in theirs.items()}


def _fold_biases(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Move the bias of each shortcut's convolution (MedicalNet has one) into the batch norm behind it."""
    folded = dict(theirs)
    for name in theirs:
        mean = name.replace("downsample.0.bias", "downsample.1.running_mean")
        if mean != name and mean in theirs:
            folded[mean] = theirs[mean] - folded.pop(name)
    return folded


def _fit_channels(weight: Tensor, shape: torch.Size) -> Tensor:
    """Return a convolution's weight (O, I, *kernel) for the I of `shape`, or as it is if more differs."""
    if weight.ndim < 4 or weight.shape[:1] + weight.shape[2:] != shape[:1] + shape[2:]:
        return weight
    if shape[1] == 1:
        return weight.sum(1, keepdim=True)
    if weight.shape[1] == 1:
        return weight.expand(shape) / shape[1]
    return weight
