"""Sections of the report beyond the main table: a title, an explanation and a table as text."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from medcl.evaluate.analyses.subgroups import MEASURES, MIN_PATIENTS
from medcl.evaluate.arms import budget_label
from medcl.evaluate.evaluation import Evaluation
from medcl.evaluate.formatting import interval, number, p_value, signed
from medcl.statistics import CORRECTION, METRICS, shown_in

Row = dict[str, str]
"""Text of each cell by the heading of its column."""


@dataclass(frozen=True)
class Section:
    """A section of the report.

    Attributes:
        title: Heading.
        text: Explanation above the table.
        rows: Rows of the table, all with the same headings.
        figure: Name of a figure above the table.
    """

    title: str
    text: str
    rows: list[Row] = field(default_factory=list)
    figure: str | None = None


def analysis_sections(result: Evaluation) -> list[Section]:
    """Return the sections that the tables of the study allow."""
    sections = [
        _labels_saved(result),
        _operating(result),
        _tests(result),
        _calibration(result),
        _at_prevalence(result),
        _decision_curve(result),
        _subgroups(result),
        _robustness(result),
    ]
    return [section for section in sections if section is not None]


def _estimate(row: Mapping[Hashable, Any], name: str, places: int = 3) -> str:
    """Return "0.912 (0.880 to 0.940)" from columns `name`, `name`_low, `name`_high ("value": low, high)."""
    prefix = "" if name == "value" else f"{name}_"
    return f"{number(row[name], places)} ({interval(row[f'{prefix}low'], row[f'{prefix}high'], places)})"


def _labels_saved(result: Evaluation) -> Section | None:
    table = result.analyses["labels_saved"]
    if table.empty:
        return None
    least, most = table["least"].iloc[0], table["most"].iloc[0]
    rows = []
    for row in table.to_dict("records"):
        needed = _labels(row["needed"], least, most)
        ends = " to ".join(_labels(row[f"needed_{end}"], least, most) for end in ("low", "high"))
        bound = next((prefix for prefix in ("over ", "at most ") if needed.startswith(prefix)), "")
        rows.append(
            {
                "Budget": budget_label(row["budget"]),
                "Labels": f"{row['labels']:,.0f}",
                f"Labels that {result.primary.baseline} needs": needed,
                "95 % interval": ends,
                "Ratio": f"{bound}{min(row['needed'], most) / row['labels']:,.1f} times",
            }
        )
    return Section(
        "Label efficiency",
        f"Number of labeled training scans that {result.primary.baseline} needs to reach what "
        f"{result.primary.arm} reaches, by monotone interpolation between the budgets on the logarithm of "
        f"the number of labels, with bootstrap percentile interval. “Over {most:,.0f}”: not reached with all "
        f"labels. “At most {least:,.0f}”: already reached at the smallest budget, below which nothing is "
        "known.",
        rows,
    )


def _labels(value: float, least: float, most: float) -> str:
    if math.isinf(value):
        return f"over {most:,.0f}"
    return f"at most {least:,.0f}" if value <= least else f"{value:,.0f}"


def _operating(result: Evaluation) -> Section:
    """Return every operating point, at the budgets of the primary comparison."""
    primary = result.primary
    table = result.operating[result.operating["budget"].isin(primary.budgets or result.budgets)]
    rows = []
    for budget in result.budgets:
        for arm in (primary.arm, primary.baseline):
            cells = table[(table["budget"] == budget) & (table["arm"] == arm)]
            for rule, seeds in cells.groupby("rule", sort=False):
                rows.append(
                    {"Budget": budget_label(budget), "Arm": arm, "Threshold": str(rule)}
                    | {
                        metric.heading: number(seeds[metric.name].mean())
                        for metric in shown_in("operating points")
                    }
                    | {
                        "LR+": number(seeds["lr_positive"].median(), 2),
                        "LR−": number(seeds["lr_negative"].median(), 2),
                        "TP / FP / FN / TN": " / ".join(
                            f"{seeds[name].mean():.0f}" for name in ("tp", "fp", "fn", "tn")
                        ),
                    }
                )
    return Section(
        "Operating points",
        "Every threshold was chosen on validation scans; the table shows its results on the test set, mean "
        "over seeds. LR: likelihood ratios, median over seeds. With few validation scans, a recall or "
        "specificity of .95 cannot be distinguished from 1. Intervals of single seeds are in "
        "tables/operating.csv.",
        rows,
    )


def _tests(result: Evaluation) -> Section | None:
    table = result.analyses["tests"]
    if table.empty:
        return None
    rows = [
        {
            "Budget": budget_label(row["budget"]),
            "Seed": str(row["seed"]),
            "Difference in AUROC": signed(row["difference"]),
            "DeLong": p_value(row["delong_p"]),
            f"DeLong ({CORRECTION})": p_value(row["delong_p_adjusted"]),
            "Only one correct": f"{row['arm_only']} / {row['baseline_only']}",
            "McNemar": p_value(row["mcnemar_p"]),
            f"McNemar ({CORRECTION})": p_value(row["mcnemar_p_adjusted"]),
        }
        for row in table.to_dict("records")
    ]
    return Section(
        "Tests of single seeds",
        f"{result.primary.arm} against {result.primary.baseline}, by seed: DeLong's test of AUROC and the "
        "exact McNemar test of the decisions (number of scans that only the first or only the second "
        f"classified correctly), also adjusted over all rows ({CORRECTION}). These tests cover the draw of "
        "patients but not of labels; the comparison above covers both.",
        rows,
    )


def _calibration(result: Evaluation) -> Section | None:
    table = result.analyses["calibration"]
    if table.empty:
        return None
    arms = result.arms
    rows = []
    for row in table.to_dict("records"):
        cells = arms[(arms["arm"] == row["arm"]) & (arms["budget"] == row["budget"])].to_dict("records")
        estimates = {cell["metric"]: _estimate(cell, "value") for cell in cells}
        rows.append(
            {
                "Budget": budget_label(row["budget"]),
                "Arm": row["arm"],
                "Slope": _estimate(row, "slope", 2),
                "Intercept": _estimate(row, "intercept", 2),
            }
            | {METRICS[name].heading: estimates[name] for name in ("brier", "ece")}
        )
    return Section(
        "Calibration",
        "Slope 1 and intercept 0 are perfect. A slope below 1 means that probabilities are too extreme, an "
        "intercept above 0 that they are too low; a dash means that no line fits. The calibration error is "
        "biased upwards in small test sets, which its interval allows for.",
        rows,
    )


def _at_prevalence(result: Evaluation) -> Section | None:
    table = result.analyses["at_prevalence"]
    if table.empty:
        return None
    rows = [
        {"Budget": budget_label(row["budget"]), "Arm": row["arm"]}
        | {METRICS[name].heading: _estimate(row, name) for name in ("precision", "npv")}
        for row in table.to_dict("records")
    ]
    prevalence = float(table["prevalence"].iloc[0])
    return Section(
        f"At a prevalence of {prevalence:.1%}".replace("%", " %"),
        "Precision and negative predictive value at this share of positive patients, computed from recall "
        "and specificity on the test set.",
        rows,
    )


def _decision_curve(result: Evaluation) -> Section:
    return Section(
        "Decision curve analysis",
        "Net benefit per patient: true positives minus false positives, the latter weighted by the odds of "
        "the threshold probability. An arm is useful where its curve is above those of treating all "
        "and treating none.",
        figure="decision_curve",
    )


def _subgroups(result: Evaluation) -> Section | None:
    table = result.analyses["subgroups"]
    if table.empty:
        return None
    rows = []
    for row in table.to_dict("records"):
        text = {
            "Group": f"{row['variable']}: {row['group']}",
            "Budget": budget_label(row["budget"]),
            "Scans / patients": "few" if row["suppressed"] else f"{row['scans']} / {row['patients']}",
            "Share of positives": "" if row["suppressed"] else number(row["prevalence"], 2),
        }
        for name in MEASURES:
            label = METRICS[name].label
            gap = f"Gap in {label}"
            if row["suppressed"]:
                text |= {METRICS[name].heading: "withheld" if name == MEASURES[0] else "", gap: ""}
            else:
                ends = interval(row[f"{name}_gap_low"], row[f"{name}_gap_high"], 2)
                text |= {
                    METRICS[name].heading: number(row[name], 2),
                    gap: f"{signed(row[f'{name}_gap'], 2)} ({ends})",
                }
        rows.append(text)
    return Section(
        "Subgroups",
        f"{result.primary.arm} at its common threshold; the gap is the difference from all other patients "
        f"(95 % interval). Withheld: fewer than {MIN_PATIENTS} patients of a class in the group or among the "
        "others. Not corrected for the number of groups.",
        rows,
    )


def _robustness(result: Evaluation) -> Section | None:
    table = result.analyses["robustness"]
    if table.empty:
        return None
    rows = [
        {
            "Corruption": row["corruption"],
            "Severity": str(row["severity"]),
            "Arm": row["arm"],
            "Budget": budget_label(row["budget"]),
            "AUROC": _estimate(row, "value"),
            "Change": _estimate(row, "change"),
        }
        for row in table.to_dict("records")
    ]
    return Section(
        "Robustness",
        "AUROC on corrupted test images and its change from the clean images, paired by patient and seed.",
        rows,
        figure="robustness",
    )
