"""Reporting checklists, filled where the run itself knows the answer and open where authors must give it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

import jinja2
import pandas as pd
import yaml

import medcl
from medcl.evaluate.arms import in_words
from medcl.evaluate.evaluation import Evaluation
from medcl.evaluate.formatting import number
from medcl.evaluate.study_record import StudyRecord
from medcl.statistics.metrics import NAMES

CHECKLISTS: Mapping[str, str] = {"TRIPOD+AI": "tripod_ai.yaml", "CLAIM 2024": "claim_2024.yaml"}


def fill(name: str, record: StudyRecord, result: Evaluation) -> pd.DataFrame:
    """Return id, item, answer and status ("filled" or "open") of each item of a checklist.

    The items stand in `items/*.yaml` in our own words; an answer there is a template over `told`.
    """
    text = (
        resources.files("medcl.evaluate.report")
        .joinpath("items", CHECKLISTS[name])
        .read_text(encoding="utf-8")
    )
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    told = told_by_the_run(record, result)
    rows = []
    for item in yaml.safe_load(text):
        answer = " ".join(environment.from_string(item.get("answer", "")).render(told).split())
        rows.append((str(item["id"]), item["item"], answer, "filled" if answer else "open"))
    return pd.DataFrame(rows, columns=["id", "item", "answer", "status"])


def told_by_the_run(record: StudyRecord, result: Evaluation) -> dict[str, object]:
    """Return what templates of checklists and cards may speak of."""
    board, primary = result.resampled.panel, result.primary
    chosen = result.arms[(result.arms["arm"] == primary.arm) & (result.arms["metric"] == primary.metric)]
    performance = [
        f"{number(value)} ({number(low)} to {number(high)}) with {in_words(budget)}"
        for budget, value, low, high in chosen[["budget", "value", "low", "high"]].itertuples(
            index=False, name=None
        )
    ]
    return {
        "record": record,
        "answer": result.answer,
        "warnings": [*result.warnings, *record.warnings],
        "caveats": result.caveats,
        "primary": primary,
        "stated": result.stated,
        "metric": NAMES[primary.metric],
        "performance": "; ".join(performance),
        "budgets": ", ".join(in_words(budget) for budget in result.budgets),
        "arms": {arm: result.description(arm) for arm in dict.fromkeys(result.arms["arm"])},
        "controls": result.controls,
        "seeds": int(result.arms["seeds"].max()),
        "scans": len(board.truth),
        "patients": board.patients,
        "positives": int(board.truth.sum()),
        "draws": result.resampled.resampler.counts.shape[1],
        "subgroups": sorted(set(result.further["subgroups"].get("variable", []))),
        "corruptions": sorted(set(result.further["robustness"]["corruption"])),
        "version": medcl.__version__,
    }
