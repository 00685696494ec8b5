"""The page's tables beyond the main one, ready to be printed: headers and rows of text."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from medcl.evaluate.arms import in_words
from medcl.evaluate.evaluation import Evaluation
from medcl.evaluate.formatting import interval, number, p_value, signed
from medcl.statistics.metrics import NAMES

RATES = ("precision", "recall", "specificity", "npv", "f1", "balanced_accuracy", "mcc")
SUBGROUP_MEASURES = ("AUROC", "Gap", "Recall", "Gap", "Specificity", "Gap")


@dataclass(frozen=True)
class Section:
    """A table with its explanation; `figure` names a figure that stands above it."""

    title: str
    text: str
    headers: list[str]
    rows: list[list[str]]
    figure: str | None = None


def further_sections(result: Evaluation) -> list[Section]:
    """Return the sections that the study's tables allow."""
    sections = [
        _labels_saved(result),
        _operating(result),
        _tests(result),
        _calibration(result),
        _at_prevalence(result),
        _decisions(result),
        _subgroups(result),
        _robustness(result),
    ]
    return [section for section in sections if section is not None]


def _estimate(row: Mapping[Hashable, Any], name: str, places: int = 3) -> str:
    """Return "0.912 (0.880 to 0.940)" from columns `name`, `name`_low, `name`_high ("value": low, high)."""
    prefix = "" if name == "value" else f"{name}_"
    return f"{number(row[name], places)} ({interval(row[f'{prefix}low'], row[f'{prefix}high'], places)})"


def _labels_saved(result: Evaluation) -> Section | None:
    table = result.further["labels_saved"]
    if table.empty:
        return None
    least, most = table["least"].iloc[0], table["most"].iloc[0]
    rows = []
    for row in table.to_dict("records"):
        needed = _labels(row["needed"], least, most)
        ends = " to ".join(_labels(row[f"needed_{end}"], least, most) for end in ("low", "high"))
        bound = next((word for word in ("over ", "at most ") if needed.startswith(word)), "")
        times = f"{bound}{min(row['needed'], most) / row['labels']:,.1f}"
        rows.append([in_words(row["budget"]), f"{row['labels']:,.0f}", needed, ends, f"{times} times"])
    return Section(
        "Labels saved",
        f"How many labeled training scans {result.primary.baseline} needs to do what {result.primary.arm} "
        "does, by monotone interpolation on the logarithm of the labels between the budgets run, with "
        f"bootstrap percentile interval. “Over {most:,.0f}”: it never got there with all its labels; "
        f"“at most {least:,.0f}”: it was there at its smallest budget, below which nothing is known.",
        ["Budget", "Labels", f"{result.primary.baseline} needs", "95 % interval", "Ratio"],
        rows,
    )


def _labels(value: float, least: float, most: float) -> str:
    if math.isinf(value):
        return f"over {most:,.0f}"
    return f"at most {least:,.0f}" if value <= least else f"{value:,.0f}"


def _operating(result: Evaluation) -> Section:
    """Show every rule for a threshold, at the budgets of the primary comparison."""
    primary = result.primary
    table = result.operating[result.operating["budget"].isin(primary.budgets or result.budgets)]
    rows = []
    for budget in result.budgets:
        for arm in (primary.arm, primary.baseline):
            cells = table[(table["budget"] == budget) & (table["arm"] == arm)]
            for rule, seeds in cells.groupby("rule", sort=False):
                shares = [number(seeds[name].mean()) for name in RATES]
                ratios = [number(seeds[name].median(), 2) for name in ("lr_positive", "lr_negative")]
                counts = " / ".join(f"{seeds[name].mean():.0f}" for name in ("tp", "fp", "fn", "tn"))
                rows.append([in_words(budget), arm, str(rule), *shares, *ratios, counts])
    return Section(
        "Operating points",
        "Every threshold was chosen on validation scans; what it gives on the test set, mean over seeds. LR: "
        "likelihood ratios, median over seeds. With few validation scans a recall or specificity of .95 "
        "cannot be told from 1. "
        "Intervals of single seeds are in tables/operating.csv.",
        [
            "Budget",
            "Arm",
            "Threshold for",
            *(NAMES[name] for name in RATES),
            "LR+",
            "LR−",
            "TP / FP / FN / TN",
        ],
        rows,
    )


def _tests(result: Evaluation) -> Section | None:
    table = result.further["tests"]
    if table.empty:
        return None
    rows = [
        [
            in_words(row["budget"]),
            str(row["seed"]),
            signed(row["difference"]),
            p_value(row["delong_p"]),
            p_value(row["delong_p_adjusted"]),
            f"{row['arm_only']} / {row['baseline_only']}",
            p_value(row["mcnemar_p"]),
            p_value(row["mcnemar_p_adjusted"]),
        ]
        for row in table.to_dict("records")
    ]
    return Section(
        "Tests of single seeds",
        f"{result.primary.arm} against {result.primary.baseline}, by seed: DeLong's test of AUROC and the "
        "exact McNemar test of the decisions (scans that only the one or only the other called rightly). "
        "They cover the draw of patients, not that of labels; the comparison above covers both.",
        ["Budget", "Seed", "AUROC difference", "DeLong", "Holm", "Only right", "McNemar", "Holm"],
        rows,
    )


def _calibration(result: Evaluation) -> Section | None:
    table = result.further["calibration"]
    if table.empty:
        return None
    arms = result.arms
    rows = []
    for row in table.to_dict("records"):
        here = arms[(arms["arm"] == row["arm"]) & (arms["budget"] == row["budget"])].to_dict("records")
        by_metric = {each["metric"]: _estimate(each, "value") for each in here}
        line = [_estimate(row, name, 2) for name in ("slope", "intercept")]
        rows.append([in_words(row["budget"]), row["arm"], *line, by_metric["brier"], by_metric["ece"]])
    return Section(
        "Calibration",
        "Slope 1 and intercept 0 are perfect; a slope below 1 means that probabilities are too extreme, an "
        "intercept above 0 that they are too low; a dash means that no line fits. The calibration error is "
        "biased upwards in small test sets, which its interval allows for.",
        ["Budget", "Arm", "Slope", "Intercept", "Brier score", "Calibration error"],
        rows,
    )


def _at_prevalence(result: Evaluation) -> Section | None:
    table = result.further["at_prevalence"]
    if table.empty:
        return None
    rows = [
        [in_words(row["budget"]), row["arm"], _estimate(row, "precision"), _estimate(row, "npv")]
        for row in table.to_dict("records")
    ]
    prevalence = float(table["prevalence"].iloc[0])
    return Section(
        f"At a prevalence of {prevalence:.1%}".replace("%", " %"),
        "Precision and negative predictive value where so many patients are positive, from recall and "
        "specificity on the test set.",
        ["Budget", "Arm", "Precision", "NPV"],
        rows,
    )


def _decisions(result: Evaluation) -> Section:
    return Section(
        "Usefulness of decisions",
        "Net benefit: true positives less false positives, these weighted by the odds of the threshold "
        "probability, per patient. An arm is of use where it lies above treating all and treating none.",
        [],
        [],
        figure="decision_curve",
    )


def _subgroups(result: Evaluation) -> Section | None:
    table = result.further["subgroups"]
    if table.empty:
        return None
    rows = []
    for row in table.to_dict("records"):
        size = [f"{row['scans']} / {row['patients']}", number(row["prevalence"], 2)]
        if row["suppressed"]:
            size, shown = ["few", ""], ["withheld"] + [""] * 5
        else:
            shown = []
            for name in ("auroc", "recall", "specificity"):
                gap = interval(row[f"{name}_gap_low"], row[f"{name}_gap_high"], 2)
                shown += [number(row[name], 2), f"{signed(row[f'{name}_gap'], 2)} ({gap})"]
        rows.append([f"{row['variable']}: {row['group']}", in_words(row["budget"]), *size, *shown])
    return Section(
        "Subgroups",
        f"{result.primary.arm} at its common threshold; the gap is to all other patients (95 % interval). "
        "Withheld: fewer than 10 patients of a class in the group or in the rest. Not corrected for the "
        "number of groups.",
        ["Group", "Budget", "Scans / patients", "Positive", *SUBGROUP_MEASURES],
        rows,
    )


def _robustness(result: Evaluation) -> Section | None:
    table: pd.DataFrame = result.further["robustness"]
    if table.empty:
        return None
    rows = [
        [
            row["corruption"],
            str(row["severity"]),
            row["arm"],
            in_words(row["budget"]),
            _estimate(row, "value"),
            _estimate(row, "change"),
        ]
        for row in table.to_dict("records")
    ]
    return Section(
        "Robustness",
        "AUROC on corrupted test images and its change from the clean ones, paired by patient and seed.",
        ["Corruption", "Severity", "Arm", "Budget", "AUROC", "Change"],
        rows,
        figure="robustness",
    )
