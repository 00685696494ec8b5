"""What a study of tissue is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from medcl.config import Config
from medcl.finetune import TrainingConfig
from medcl.finetune.arms.registry import ARMS, arm_names
from medcl.pretrain import PretrainSettings, ViewsConfig
from medcl.pretrain.networks.backbones import RESNETS

MAPPED = tuple(ARMS[name] for name in ("probe", "finetune", "supervised", "random-probe"))
"""The arms that end in a network, which can be moved over a scan."""

SEGMENT = "-segment"
"""Ends the names of the arms that segment windows instead of classifying patches."""


def tissue_arms(method: str) -> list[str]:
    """Return the arms of a study with that pretraining method."""
    patches = [name for name, arm in arm_names(method).items() if arm in MAPPED]
    return [*patches, method + SEGMENT, "supervised" + SEGMENT]


class PatchConfig(Config):
    """Which pieces of a scan are shown, and what they are called.

    A patch is a cube of `edge_mm`, or a square of one slice for an encoder of two dimensions.

    Attributes:
        abnormal: share of a patch that a mask must cover for it to be abnormal.
        healthy: share that it may cover at most in a healthy one; patches in between are left out.
        each: labeled patches of each class, a scan.
        unlabeled: patches a scan for pretraining.
        stride_mm: between the patches of a map.
    """

    edge_mm: PositiveFloat
    abnormal: Annotated[float, Field(gt=0, le=1)] = 0.5
    healthy: Annotated[float, Field(ge=0, lt=1)] = 0.0
    each: PositiveInt = 150
    unlabeled: PositiveInt = 400
    stride_mm: PositiveFloat

    @model_validator(mode="after")
    def _apart(self) -> PatchConfig:
        if self.healthy >= self.abnormal:
            raise ValueError(f"healthy={self.healthy:g} must lie below abnormal={self.abnormal:g}")
        return self


class TissuePrimary(Config):
    """The comparison that is stated before the run; everything else in the report is exploratory."""

    arm: str
    baseline: str = "supervised"
    metric: Literal["auroc", "average_precision", "dice", "froc"] = "dice"
    budget: PositiveInt


def _rising(values: tuple[int, ...]) -> tuple[int, ...]:
    if list(values) != sorted(set(values)):
        raise ValueError("each number once, in rising order")
    return values


class TissueConfig(Config):
    """One study of healthy against abnormal tissue: each patient in turn is the one that nobody has seen.

    Attributes:
        store: folder that `medcl prepare` wrote, with masks.
        catalog: where it came from; then maps of DICOM scans are written as DICOM segmentations too.
        views: how a patch is shown; it is one slice or one cube, whatever `slices` says.
        budgets: how many patients have a mask to learn from; one more validates.
        seed: of patches, the order of patients, weights and training.
    """

    title: str
    question: str
    store: Path
    catalog: Path | None = None
    patches: PatchConfig
    views: ViewsConfig
    pretrain: PretrainSettings
    training: TrainingConfig = TrainingConfig()
    arms: Annotated[tuple[str, ...], Field(min_length=1)]
    budgets: Annotated[tuple[PositiveInt, ...], Field(min_length=1), AfterValidator(_rising)]
    primary: TissuePrimary
    seed: int = 0

    @model_validator(mode="after")
    def _known(self) -> TissueConfig:
        if self.pretrain.encoder.in_channels != 1:
            raise ValueError("pretrain.encoder.in_channels must be 1: patches are gray")
        known, encoder = tissue_arms(self.pretrain.method.name), self.pretrain.encoder
        for arm in self.arms:
            if arm not in known:
                raise ValueError(f"arm '{arm}' makes no map; there are {', '.join(known)}")
            if arm.endswith(SEGMENT) and (encoder.name not in RESNETS or encoder.sequence):
                told = "a sequence of slices" if encoder.sequence else f"'{encoder.name}'"
                raise ValueError(
                    f"arm '{arm}' needs the stages of an encoder: pretrain.encoder.name must be one of "
                    f"{', '.join(RESNETS)}, and it is {told}"
                )
        for arm in (self.primary.arm, self.primary.baseline):
            if arm not in self.arms:
                raise ValueError(f"primary: arm '{arm}' is not among the arms ({', '.join(self.arms)})")
        if self.primary.budget not in self.budgets:
            raise ValueError(f"primary: budget {self.primary.budget} is not among the budgets")
        return self
