"""The arms of a study by name."""

from __future__ import annotations

from functools import partial

from medcl.finetune.arms.base import Arm
from medcl.finetune.arms.controls import _from_table, shuffled_labels
from medcl.finetune.arms.networks import (
    distil,
    external_finetune,
    finetune,
    fixmatch,
    mean_teacher,
    supervised,
)
from medcl.finetune.arms.probes import external_probe, knn, probe, random_probe, spread
from medcl.finetune.handcrafted import background, metadata, size_and_mean, texture

ARMS: dict[str, Arm] = {
    "probe": probe,
    "knn": knn,
    "spread": spread,
    "finetune": finetune,
    "supervised": supervised,
    "external-probe": external_probe,
    "external-finetune": external_finetune,
    "random-probe": random_probe,
    "fixmatch": fixmatch,
    "mean-teacher": mean_teacher,
    "distil": distil,
    "classical": partial(_from_table, texture),
    "shuffled-labels": shuffled_labels,
    "metadata-only": partial(_from_table, metadata),
    "background-only": partial(_from_table, background),
    "size-and-mean": partial(_from_table, size_and_mean),
}


OF_THE_METHOD = ("probe", "knn", "spread", "finetune", "fixmatch", "mean-teacher", "distil")
"""Arms that start from the pretrained encoder: the method's name goes before theirs."""


def arm_names(method: str) -> dict[str, Arm]:
    """Return the arms under the names they have in predictions: `simclr-probe`, ..., `supervised`."""
    return {(f"{method}-{name}" if name in OF_THE_METHOD else name): arm for name, arm in ARMS.items()}
