"""The records that studies write to `study.json` and that reports and the review app read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import Field, field_validator

from medcl.config import Config, validate
from medcl.errors import UsageError
from medcl.evaluate.comparison import Primary, TissuePrimary
from medcl.files import write_json

SCHEMA_VERSION = 1


class Record(Config):
    """Base of the records of studies; unknown keys are refused."""

    schema_version: int = SCHEMA_VERSION

    @field_validator("schema_version")
    @classmethod
    def _readable(cls, version: int) -> int:
        if version != SCHEMA_VERSION:
            raise ValueError(
                f"this medcl reads version {SCHEMA_VERSION}; use the version of medcl that wrote it"
            )
        return version


class ArmRecord(Config):
    """Description of one arm.

    Attributes:
        description: What the arm is, in a few words.
        control: Whether the arm is a control, for which no claim is made.
        implication: For a control, what it means when its AUROC is well above chance.
    """

    description: str = ""
    control: bool = False
    implication: str = ""


class SplitCount(Config):
    """Size of one split."""

    scans: int
    patients: int | None = None
    positive: int | None = None


class StudyRecord(Record):
    """Record of a study of scans; what is absent is reported as not recorded.

    Attributes:
        counts: Size of each split ("train", "val", "test").
        labels: Labeled training scans of both classes, by budget.
        arms: Description of each arm.
        warnings: Reasons to doubt the results; shown with the answer.
        notes: What the reader must know about the data, such as duplicates that were removed.
        done, not_done: Lines of the report's lists.
        primary: The comparison stated before the run; None where there was none.
        prevalence: Share of positives (0..1) where the model would be used.
        departures: Departures from the protocol; empty when there was none, None when that is not known.
        provenance: Hashes by name, such as of the configuration and the store.
    """

    title: str = "Few-label study"
    question: str = "Does contrastive pretraining help with few labels?"
    positive: str = Field(default="positive", min_length=1)
    negative: str = Field(default="negative", min_length=1)
    modality: str | None = None
    synthetic: bool = False
    transductive: bool = False
    counts: dict[str, SplitCount] = Field(default_factory=dict)
    labels: dict[str, int] = Field(default_factory=dict)
    arms: dict[str, ArmRecord] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    done: list[str] = Field(default_factory=list)
    not_done: list[str] = Field(default_factory=list)
    primary: Primary | None = None
    departures: list[str] | None = None
    prevalence: float | None = Field(default=None, gt=0, lt=1)
    pretrain_seconds: float | None = Field(default=None, ge=0)
    device: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    provenance: dict[str, str] = Field(default_factory=dict)

    @property
    def controls(self) -> frozenset[str]:
        """Arms for which no claim is made."""
        return frozenset(arm for arm, record in self.arms.items() if record.control)


class TissueRecord(Record):
    """Record of a study of healthy against abnormal tissue.

    Attributes:
        primary: The comparison stated before the run.
        edge_mm: Edge of a patch; peaks of a map closer than this are one detection.
        least_mm: Diameter of the smallest lesion that counts.
        pairs: Further pairs of arms to compare: an arm and what it is compared with.
        boxes: Number of scans whose masks are boxes of the label table.
        warnings: Reasons to doubt the results.
        done: Lines of the report's list.
        pretrain_seconds: Duration of pretraining, by fold.
    """

    title: str = "Tissue study"
    question: str = "Does contrastive pretraining help to distinguish abnormal from healthy tissue?"
    modality: str = "modality not recorded"
    patients: int = 0
    scans: int = 0
    primary: TissuePrimary
    edge_mm: float = Field(gt=0)
    least_mm: float = Field(gt=0)
    pairs: list[tuple[str, str]] = Field(default_factory=list)
    boxes: int = 0
    warnings: list[str] = Field(default_factory=list)
    done: list[str] = Field(default_factory=list)
    pretrain_seconds: list[float] = Field(default_factory=list)
    device: str = "not recorded"
    versions: dict[str, str] = Field(default_factory=dict)
    provenance: dict[str, str] = Field(default_factory=dict)


AnyRecord = TypeVar("AnyRecord", bound=Record)


def write_record(record: Record, path: Path) -> None:
    """Write a record as JSON, atomically."""
    write_json(record.model_dump(mode="json"), path)


def read_record(path: Path, model: type[AnyRecord]) -> AnyRecord:
    """Read a record that `write_record` wrote.

    Args:
        path: The `study.json` of a study folder.
        model: `StudyRecord` or `TissueRecord`.

    Raises:
        UsageError: The file is missing, is not JSON, has an unknown key (the nearest
            known one is named), or a value of the wrong type.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; name a study folder that `medcl study` wrote")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path}: not the record of a study: {error}") from None
    return validate(document, model, f"{path}: not the record of a study")
