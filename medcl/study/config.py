"""Configuration of a study."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, PositiveFloat, model_validator

from medcl.config import Config
from medcl.errors import UsageError
from medcl.evaluate import Primary
from medcl.finetune import ClassConfig, TrainingConfig
from medcl.pretrain import EncoderConfig, PretrainSettings, ViewsConfig

Value = TypeVar("Value")


def _check_distinct(values: tuple[Value, ...]) -> tuple[Value, ...]:
    if len(set(values)) < len(values):
        raise ValueError("values must be distinct")
    return values


Distinct = Annotated[tuple[Value, ...], Field(min_length=1), AfterValidator(_check_distinct)]


class StudyConfig(Config):
    """Configuration of one study.

    Attributes:
        title: Title of the report.
        question: Question that the study answers.
        archive: Folders or files to scan; `$MEDCL_DATA` is expanded.
        follow_links: Whether links in the archive are followed (DataLad, git-annex, the Hugging Face cache).
        labels: Label table, or `folders`; omitted for files that carry their own labels.
        negative: The negative class.
        positive: The positive class.
        views: How scans are shown to every arm.
        pretrain: Configuration of pretraining.
        training: Configuration of training, the same for all arms that train a network.
        arms: Arms to compare (see `medcl.finetune.arms.registry`).
        budgets: Label budgets such as `5/class`, `1%`, `all`.
        seeds: Random seeds; each draws labels, initial weights and the order of training anew.
        primary: The primary comparison.
        prevalence: Share of positives where the model would be used, at which the report also states
            precision and NPV.
        external_weights: File of weights of another library (see `medcl.pretrain.networks.external_weights`)
            for the arms that need external weights; `$MEDCL_DATA` is expanded.
        external_encoder: The network of the external weights, if not that of pretraining. It takes the same
            views. A class of yours that loads its own weights needs no `external_weights`.
        split_seed: Random seed of the splits, where the source has none.
        watts_per_core: Assumed power of a busy processor core, for the estimate of energy: the design power
            of a processor divided by its cores, from about 4 (servers) to 12 (desktops).
        synthetic: Whether the data are synthetic; then every output says so.
    """

    title: str
    question: str
    archive: Annotated[tuple[str, ...], Field(min_length=1)]
    follow_links: bool = False
    labels: str | None = None
    negative: ClassConfig
    positive: ClassConfig
    views: ViewsConfig
    pretrain: PretrainSettings
    training: TrainingConfig = TrainingConfig()
    arms: Distinct[str]
    budgets: Distinct[str]
    seeds: Distinct[int]
    primary: Primary
    prevalence: Annotated[float, Field(gt=0, lt=1)] | None = None
    external_weights: str | None = None
    external_encoder: EncoderConfig | None = None
    split_seed: int = 0
    watts_per_core: PositiveFloat = 10.0
    synthetic: bool = False

    @model_validator(mode="after")
    def _check_pooling(self) -> StudyConfig:
        if self.training.pooling != "max" and self.pretrain.encoder.spatial_dims == 3:
            raise ValueError("training.pooling pools slices, but a 3-D encoder takes volumes: leave it out")
        return self

    @model_validator(mode="after")
    def _check_external_views(self) -> StudyConfig:
        external, encoder = self.external_network, self.pretrain.encoder
        if (external.spatial_dims, external.in_channels) != (encoder.spatial_dims, encoder.in_channels):
            raise ValueError(
                "external_encoder takes the views of pretrain.encoder: give both the same spatial_dims and "
                "in_channels"
            )
        return self

    @property
    def external_network(self) -> EncoderConfig:
        """The network of the arms with external weights."""
        return self.external_encoder or self.pretrain.encoder

    @property
    def has_external(self) -> bool:
        """Whether there are external weights: in a file, or loaded by a class of the user."""
        loads_its_own = self.external_encoder is not None and ":" in self.external_encoder.name
        return loads_its_own or self.external_weights is not None


def expand(path: str) -> Path:
    """Return `path` with `$MEDCL_DATA` expanded.

    Raises:
        UsageError: The path names the variable and it is not set.
    """
    if "$MEDCL_DATA" in path and "MEDCL_DATA" not in os.environ:
        raise UsageError(f"{path}: set MEDCL_DATA to the folder that holds the data sets")
    return Path(path.replace("$MEDCL_DATA", os.environ.get("MEDCL_DATA", ""), 1))
