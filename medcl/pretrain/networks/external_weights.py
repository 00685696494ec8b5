"""Loading the weights of other libraries into an encoder, with a report of what fitted by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from medcl.errors import UsageError
from medcl.pretrain.networks.backbones import SliceSequence
from medcl.pretrain.networks.encoders import Encoder

WEIGHT_KEYS = ("state_dict", "model", "model_state_dict")
"""Keys under which checkpoints hold their weights."""


@dataclass(frozen=True)
class LoadedWeights:
    """Report of which weights of a file were loaded.

    Attributes:
        loaded: Names in the encoder that were filled.
        adapted: Those of them whose input channels were summed or repeated.
        missing: Names in the encoder that the file does not have; they stay as they were.
        shape_differs: Names that both have in different shapes; they stay as they were.
        unused: Names in the file that the encoder does not have, such as a classifier's.
    """

    loaded: list[str]
    adapted: list[str]
    missing: list[str]
    shape_differs: list[str]
    unused: list[str]

    def as_dict(self) -> dict[str, list[str]]:
        """Return the lists of names by attribute, as they are written to JSON."""
        return vars(self)

    def __str__(self) -> str:
        """Return the report in one line."""
        counts = {name.replace("_", " "): len(names) for name, names in vars(self).items()}
        return "initial weights: " + ", ".join(f"{count} {name}" for name, count in counts.items())


def load_external_weights(encoder: Encoder, path: Path) -> LoadedWeights:
    """Fill `encoder` with the weights of another library's checkpoint, as far as they fit.

    Reads safetensors and what `torch.load(weights_only=True)` does: torchvision's and timm's ResNets,
    MedicalNet's, and any file that names its tensors as the network of `encoder` does, under any prefix. A
    first layer for more channels is summed over them, one for a single channel is repeated and divided, so
    that gray views give what the same view in all channels did. A bias before batch norm that the encoder
    does not have is subtracted from the running mean, which is equivalent.

    Args:
        encoder: Filled in place.
        path: File of weights.

    Raises:
        UsageError: The file cannot be read, nothing in it fits, or a weight that fits is not finite.
    """
    network = encoder.network.slices if isinstance(encoder.network, SliceSequence) else encoder.network
    current = network.state_dict()
    external = _fold_biases(_strip_prefix(_read(path), current))
    loaded, adapted, differs = {}, [], []
    for name in current.keys() & external.keys():
        weight, shape = external[name], current[name].shape
        if weight.shape != shape:
            weight = _fit_channels(weight, shape)
            adapted.append(name)
        if weight.shape == shape:
            loaded[name] = weight
        else:
            differs.append(name)
    if not any(weight.ndim > 1 for weight in loaded.values()):
        raise UsageError(f"{path}: no weight in it fits a {encoder.config.name} of this shape")
    if not all(weight.isfinite().all() for weight in loaded.values()):
        raise UsageError(f"{path}: it has weights that are not finite numbers; take another checkpoint")
    network.load_state_dict(loaded, strict=False)
    return LoadedWeights(
        loaded=sorted(loaded),
        adapted=sorted(set(adapted) - set(differs)),
        missing=sorted(name for name in current.keys() - external.keys() if not name.endswith("tracked")),
        shape_differs=sorted(differs),
        unused=sorted(external.keys() - current.keys()),
    )


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise UsageError(f"{path}: no such file of weights")
    safe = path.suffix == ".safetensors"
    try:
        document: Any = load_file(path) if safe else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # damaged files raise many types, most of them undocumented
        raise UsageError(f"{path}: cannot be read as weights ({type(error).__name__})") from None
    for key in WEIGHT_KEYS:
        if isinstance(document, dict) and isinstance(document.get(key), dict):
            document = document[key]
    items = document.items() if isinstance(document, dict) else ()
    weights = {name: value for name, value in items if isinstance(value, Tensor)}
    if not weights:
        raise UsageError(f"{path}: no named tensors in it")
    return weights


def _strip_prefix(external: dict[str, Tensor], current: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove the prefix that lets most names fit, such as `module.` or `backbone.`."""
    paths = [name.split(".") for name in external]
    prefixes = {".".join([*path[:n], ""]) if n else "" for path in paths for n in range(min(4, len(path)))}

    def fitting(prefix: str) -> int:
        return sum(name.startswith(prefix) and name[len(prefix) :] in current for name in external)

    best = max(sorted(prefixes, key=len), key=fitting)
    return {name.removeprefix(best): weight for name, weight in external.items()}


def _fold_biases(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Move the bias of each shortcut's convolution (MedicalNet has one) into the batch norm behind it."""
    folded = dict(weights)
    for name in weights:
        mean = name.replace("downsample.0.bias", "downsample.1.running_mean")
        if mean != name and mean in weights:
            folded[mean] = weights[mean] - folded.pop(name)
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
