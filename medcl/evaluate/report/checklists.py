"""Reporting checklists, filled in where the study itself gives the answer and left open for the authors."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

import jinja2
import pandas as pd
import yaml

import medcl
from medcl.evaluate.arms import budget_label
from medcl.evaluate.evaluation import Evaluation
from medcl.evaluate.formatting import number
from medcl.evaluate.study_record import StudyRecord
from medcl.statistics import CORRECTION, METRICS

CHECKLISTS: Mapping[str, str] = {"TRIPOD+AI": "tripod_ai.yaml", "CLAIM 2024": "claim_2024.yaml"}


def fill(name: str, record: StudyRecord, result: Evaluation) -> pd.DataFrame:
    """Return id, item, answer and status ("filled" or "open") of each item of a checklist.

    The items are in `items/*.yaml`, in our own words; an answer there is a template of `template_values`.
    """
    text = (
        resources.files("medcl.evaluate.report")
        .joinpath("items", CHECKLISTS[name])
        .read_text(encoding="utf-8")
    )
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    values = template_values(record, result)
    rows = []
    for item in yaml.safe_load(text):
        answer = " ".join(environment.from_string(item.get("answer", "")).render(values).split())
        rows.append((str(item["id"]), item["item"], answer, "filled" if answer else "open"))
    return pd.DataFrame(rows, columns=["id", "item", "answer", "status"])


def template_values(record: StudyRecord, result: Evaluation) -> dict[str, object]:
    """Return the values that templates of checklists and cards can use."""
    panel, primary = result.resampled.panel, result.primary
    rows = result.arms[(result.arms["arm"] == primary.arm) & (result.arms["metric"] == primary.metric)]
    performance = [
        f"{number(value)} ({number(low)} to {number(high)}) with {budget_label(budget)}"
        for budget, value, low, high in rows[["budget", "value", "low", "high"]].itertuples(
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
        "metric": METRICS[primary.metric].label,
        "metrics": ", ".join(metric.label for metric in METRICS.values()),
        "correction": CORRECTION,
        "performance": "; ".join(performance),
        "budgets": ", ".join(budget_label(budget) for budget in result.budgets),
        "arms": {arm: result.description(arm) for arm in result.arm_names},
        "controls": result.controls,
        "seeds": int(result.arms["seeds"].max()),
        "scans": len(panel.truth),
        "patients": panel.patients,
        "positives": int(panel.truth.sum()),
        "draws": result.resampled.resampler.counts.shape[1],
        "subgroups": sorted(set(result.analyses["subgroups"].get("variable", []))),
        "corruptions": sorted(set(result.analyses["robustness"]["corruption"])),
        "version": medcl.__version__,
    }
