"""Configuration of a tissue study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from medcl.config import Config
from medcl.evaluate import TissuePrimary
from medcl.finetune import TrainingConfig, arms_by_name
from medcl.names import SUPERVISED
from medcl.pretrain import RESNETS, PretrainSettings, ViewsConfig

SEGMENT = "-segment"
"""Suffix of the arms that segment regions instead of classifying patches."""


def tissue_arms(method: str) -> list[str]:
    """Return the names of the arms that a tissue study of the pretraining method may have."""
    classifiers = [name for name, arm in arms_by_name(method).items() if arm.maps_tissue]
    return [*classifiers, method + SEGMENT, SUPERVISED + SEGMENT]


class PatchConfig(Config):
    """Size, labels and number of patches.

    A patch is a cube of `edge_mm`, or a square of one slice for a 2-D encoder.

    Attributes:
        edge_mm: Edge of a patch.
        abnormal: Least share of an abnormal patch that the mask covers.
        healthy: Largest share of a healthy patch that the mask covers; patches in between are left out.
        each: Labeled patches per class and scan.
        unlabeled: Patches per scan for pretraining.
        stride_mm: Distance between the patches of a map.
    """

    edge_mm: PositiveFloat
    abnormal: Annotated[float, Field(gt=0, le=1)] = 0.5
    healthy: Annotated[float, Field(ge=0, lt=1)] = 0.0
    each: PositiveInt = 150
    unlabeled: PositiveInt = 400
    stride_mm: PositiveFloat

    @model_validator(mode="after")
    def _check_limits(self) -> PatchConfig:
        if self.healthy >= self.abnormal:
            raise ValueError(f"healthy={self.healthy:g} must be below abnormal={self.abnormal:g}")
        return self


def _check_increasing(values: tuple[int, ...]) -> tuple[int, ...]:
    if list(values) != sorted(set(values)):
        raise ValueError("numbers must be distinct and in increasing order")
    return values


class TissueConfig(Config):
    """Configuration of one study of healthy against abnormal tissue; each patient is the test patient once.

    Attributes:
        title: Title of the report.
        question: Question that the study answers.
        store: Folder that `medcl prepare` wrote, with masks.
        catalog: Folder that `medcl scan` wrote for that store; if given, maps of DICOM scans are also written
            as DICOM segmentations.
        patches: Size, labels and number of patches.
        views: How a patch is shown; it is one slice or one cube, whatever `slices` says.
        pretrain: Configuration of pretraining, which each fold repeats.
        training: Configuration of training, the same for every arm.
        arms: Arms to compare.
        budgets: Numbers of patients with a mask to learn from; one more patient is for validation.
        primary: The primary comparison.
        seed: Random seed of patches, the order of patients, weights and training.
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
    budgets: Annotated[tuple[PositiveInt, ...], Field(min_length=1), AfterValidator(_check_increasing)]
    primary: TissuePrimary
    seed: int = 0

    @model_validator(mode="after")
    def _check_arms(self) -> TissueConfig:
        if self.pretrain.encoder.in_channels != 1:
            raise ValueError("pretrain.encoder.in_channels must be 1: patches are gray")
        known, encoder = tissue_arms(self.pretrain.method.name), self.pretrain.encoder
        for arm in self.arms:
            if arm not in known:
                raise ValueError(f"arm '{arm}' cannot map tissue; there are {', '.join(known)}")
            if arm.endswith(SEGMENT) and (encoder.name not in RESNETS or encoder.sequence):
                given = "a sequence of slices" if encoder.sequence else f"'{encoder.name}'"
                raise ValueError(
                    f"arm '{arm}' needs the stages of an encoder: pretrain.encoder.name must be one of "
                    f"{', '.join(RESNETS)}, and it is {given}"
                )
        for arm in (self.primary.arm, self.primary.baseline):
            if arm not in self.arms:
                raise ValueError(f"primary: arm '{arm}' is not among the arms ({', '.join(self.arms)})")
        if self.primary.budget not in self.budgets:
            raise ValueError(f"primary: budget {self.primary.budget} is not among the budgets")
        return self
