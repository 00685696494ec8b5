"""The configuration of a study, and the faults that can be seen before any work is done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, PositiveFloat, model_validator

from medcl.config import Config
from medcl.finetune import ClassConfig, TrainingConfig
from medcl.pretrain import PretrainSettings, ViewsConfig
from medcl.statistics.metrics import METRICS

Value = TypeVar("Value")


def _distinct(values: tuple[Value, ...]) -> tuple[Value, ...]:
    if len(set(values)) < len(values):
        raise ValueError("the same value twice")
    return values


def _known_metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"no such metric; there are {', '.join(METRICS)}")
    return name


Distinct = Annotated[tuple[Value, ...], Field(min_length=1), AfterValidator(_distinct)]


class PrimaryConfig(Config):
    """The comparison that is stated before the run; everything else in the report is exploratory."""

    arm: str
    baseline: str = "supervised"
    metric: Annotated[str, AfterValidator(_known_metric)] = "auroc"
    budgets: Annotated[tuple[str, ...], Field(min_length=1)]


class StudyConfig(Config):
    """One study.

    Attributes:
        archive: folders or files to scan; `$MEDCL_DATA` is expanded.
        labels: a label table, or `folders`; not given for files that carry their own labels.
        views: what every arm sees of a scan.
        training: given alike to all arms that train a network.
        budgets: label budgets such as `5/class`, `1%`, `all`.
        seeds: each draws labels, initial weights and the order of training anew.
        external_weights: a file of another library (see `medcl.pretrain.networks.external_weights`) for the arms
            `external-probe` and `external-finetune`; `$MEDCL_DATA` is expanded.
        watts_per_core: that a busy processor core is taken to draw, for the estimate of energy: the power a
            processor is designed for over its cores, from about 4 (servers) to 12 (desktops).
        synthetic: every output says that the data are made up.
    """

    title: str
    question: str
    archive: Annotated[tuple[str, ...], Field(min_length=1)]
    labels: str | None = None
    negative: ClassConfig
    positive: ClassConfig
    views: ViewsConfig
    pretrain: PretrainSettings
    training: TrainingConfig = TrainingConfig()
    arms: Distinct[str]
    budgets: Distinct[str]
    seeds: Distinct[int]
    primary: PrimaryConfig
    external_weights: str | None = None
    split_seed: int = 0
    watts_per_core: PositiveFloat = 10.0
    synthetic: bool = False

    @model_validator(mode="after")
    def _pools_slices(self) -> StudyConfig:
        if self.training.pooling != "max" and self.pretrain.encoder.spatial_dims == 3:
            raise ValueError("training.pooling is of slices, but a 3-D encoder sees volumes: leave it out")
        return self


def expand(path: str) -> Path:
    """Return `path` with `$MEDCL_DATA` filled in: the variable, or `../shared/data` when it is not set."""
    return Path(path.replace("$MEDCL_DATA", os.environ.get("MEDCL_DATA", "../shared/data"), 1))
