"""What a study says of itself in `study.json`, as far as the report uses it."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medcl.errors import UsageError
from medcl.evaluate.comparison import Primary


class SplitCount(BaseModel):
    """Size of one split."""

    scans: int
    patients: int | None = None
    positive: int | None = None


class Protocol(BaseModel):
    """The comparison that stood in the configuration before the run."""

    primary: str
    baseline: str = "supervised"
    metric: str = "auroc"
    budgets: list[str] = []
    margin: float = 0.0

    def as_primary(self) -> Primary:
        """Return it as `evaluate` takes it."""
        return Primary(self.primary, self.baseline, self.metric, tuple(self.budgets), self.margin)


class Facts(BaseModel):
    """The facts of a study; what is absent is reported as not recorded. Unknown keys are left alone.

    Attributes:
        labels: budget -> labeled training scans of both classes.
        counts: split ("train", "val", "test") -> its size.
        arms: arm -> what it is, in a few words.
        warnings: what puts the results in doubt; shown with the answer.
        notes: what the reader must know of the data, such as duplicates that were removed.
        done, not_done: lines for the report's lists.
        prevalence: share of positives (0..1) where the model would be used.
        kept: departures from the protocol; empty when it was kept, None when that is not known.
        provenance: name -> value, such as hashes of configuration and catalog.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    title: str = "Few-label study"
    question: str = "Does contrastive pretraining help with few labels?"
    positive: str = Field(default="positive", min_length=1)
    negative: str = Field(default="negative", min_length=1)
    modality: str | None = None
    synthetic: bool = False
    transductive: bool = False
    counts: dict[str, SplitCount] = {}
    labels: dict[str, int] = {}
    arms: dict[str, str] = {}
    warnings: list[str] = []
    notes: list[str] = []
    done: list[str] = []
    not_done: list[str] = []
    protocol: Protocol | None = None
    kept: list[str] | None = None
    prevalence: float | None = Field(default=None, gt=0, lt=1)
    pretrain_seconds: float | None = Field(default=None, ge=0)
    device: str | None = None
    versions: dict[str, str] = {}
    provenance: dict[str, str] = {}


def read_facts(path: Path) -> Facts:
    """Read `study.json`.

    Raises:
        UsageError: the file is missing, no JSON, or a fact has the wrong type.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; name a study folder that `medcl study` wrote")
    try:
        return Facts.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, UnicodeDecodeError) as error:
        fault = error.errors()[0] if isinstance(error, ValidationError) else None
        told = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" if fault else str(error)
        raise UsageError(f"{path}: not the facts of a study: {told}") from None
