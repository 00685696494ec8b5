"""From a predictions table to the tables of evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from medcl.evaluate import answer as words
from medcl.evaluate.analyses.controls import control_warnings
from medcl.evaluate.analyses.resampling import Resampled, resample
from medcl.evaluate.analyses.tables import further_tables
from medcl.evaluate.arms import BASELINE, labels_in, on_clean_images, order_budgets
from medcl.evaluate.comparison import Primary, choose_primary, order_arms
from medcl.evaluate.predictions import check_predictions, panel
from medcl.evaluate.study_record import ArmRecord
from medcl.statistics.calibration import wilson
from medcl.statistics.metrics import METRICS, Counts, counts, likelihood_ratios, rates
from medcl.statistics.multiplicity import holm


@dataclass(frozen=True)
class Evaluation:
    """Everything that a predictions table says.

    Attributes:
        answer: the first sentence of the report.
        warnings: controls that tell the label without the disease; shown with the answer.
        caveats: what must be said beside the figures.
        primary: the comparison that `answer` speaks of.
        stated: whether it was stated before the run.
        cells: one row a cell (arm, budget, seed): threshold, test confusion counts, every metric.
        operating: one row a cell and operating point, with Wilson intervals where each patient has one scan.
        arms: arm, budget, labels, metric, value (mean over seeds), low, high, seeds.
        differences: arm, baseline, budget, metric, value, low, high, p, p_adjusted (over budgets), seeds.
        further: more tables by name (`further_tables`).
        resampled: the draws behind the intervals.
        arm_records: descriptions of the arms, as given to `evaluate`.
    """

    answer: str
    warnings: list[str]
    caveats: list[str]
    primary: Primary
    stated: bool
    cells: pd.DataFrame
    operating: pd.DataFrame
    arms: pd.DataFrame
    differences: pd.DataFrame
    further: dict[str, pd.DataFrame]
    resampled: Resampled
    arm_records: Mapping[str, ArmRecord]

    @property
    def controls(self) -> list[str]:
        """Arms for which no claim is made, in the order of the tables."""
        return [arm for arm in dict.fromkeys(self.arms["arm"]) if self._record(arm).control]

    def description(self, arm: str) -> str:
        """Return what `arm` is; empty when the study does not say."""
        return self._record(arm).description

    def _record(self, arm: str) -> ArmRecord:
        return self.arm_records.get(arm, ArmRecord())

    @property
    def budgets(self) -> list[str]:
        """The budgets from fewest labels to most."""
        return list(dict.fromkeys(self.arms["budget"]))


def evaluate(
    predictions: pd.DataFrame,
    baseline: str = BASELINE,
    primary: Primary | None = None,
    draws: int = 2000,
    seed: int = 0,
    labels: Mapping[str, int] | None = None,
    groups: pd.DataFrame | None = None,
    prevalence: float | None = None,
    arm_records: Mapping[str, ArmRecord] | None = None,
) -> Evaluation:
    """Evaluate all cells of a predictions table.

    Args:
        predictions: the table that `check_predictions` describes.
        baseline: arm that the others are compared with.
        primary: the comparison stated before the run; without it the answer is called exploratory.
        draws: bootstrap draws of test patients, the same for all cells.
        seed: of the bootstrap.
        labels: labeled training scans of each budget, where its name does not say.
        groups: column scan and one a variable (sex, age, scanner, ...), for the subgroup table.
        prevalence: share of positives (0..1) at which precision and NPV are wanted too.
        arm_records: description of each arm, which says what is a control; without it there are no controls.

    Raises:
        UsageError: the table is faulty, or an arm that is asked for is not in it.
    """
    caveats = check_predictions(predictions)
    clean = on_clean_images(predictions)
    arm_records = dict(arm_records or {})
    controls = {arm for arm, record in arm_records.items() if record.control}
    stated = primary is not None
    primary = choose_primary(clean, baseline, primary, controls)
    known = _labels(clean, labels or {})
    found = resample(clean, panel(clean), draws, seed)
    ordered = order_arms(clean["arm"], primary, controls)
    arms = _arms(found, ordered, order_budgets(clean["budget"], known), known)
    differences = _differences(found, arms, primary)
    caveats += _caveats(found, differences, arms)
    return Evaluation(
        answer=words.answer(primary, stated, differences),
        warnings=control_warnings(arms, arm_records),
        caveats=caveats,
        primary=primary,
        stated=stated,
        cells=_cells(found),
        operating=_operating(found),
        arms=arms,
        differences=differences,
        further=further_tables(found, arms, primary, predictions, groups, prevalence),
        resampled=found,
        arm_records=arm_records,
    )


def _labels(table: pd.DataFrame, told: Mapping[str, int]) -> dict[str, int]:
    """Return the labeled training scans of each budget: what is told, else the cells' training rows."""
    train = table[table["split"] == "train"]
    seen = train.groupby(["budget", "arm", "seed"]).size().groupby("budget").max()
    return {str(budget): int(size) for budget, size in seen.items()} | dict(told)


def _cells(found: Resampled) -> pd.DataFrame:
    rows = _operating(found)
    cells = rows.groupby(["arm", "budget", "seed"], sort=False).head(1).reset_index(drop=True)
    every = pd.DataFrame(found.values, columns=list(METRICS))
    return pd.concat([cells.drop(columns=[name for name in METRICS if name in cells]), every], axis=1)


def _operating(found: Resampled) -> pd.DataFrame:
    board = found.panel
    ones = np.ones((len(board.truth), 1))
    rows: list[dict[str, Any]] = []
    for row, cell in enumerate(board.cells.to_dict("records")):
        for point in found.points[row]:
            c = counts(board.truth, board.probability[row] >= point.threshold, ones)
            rate = {name: float(value[0]) for name, value in rates(c).items()}
            positive, negative = likelihood_ratios(rate)
            rows.append(
                {str(name): value for name, value in cell.items()}
                | {"rule": point.rule, "threshold": point.threshold}
                | {name: int(value[0]) for name, value in vars(c).items()}
                | {**rate, "lr_positive": positive, "lr_negative": negative}
                | (_wilson_ends(c) if board.one_scan_a_patient else {})
            )
    return pd.DataFrame(rows)


def _wilson_ends(c: Counts) -> dict[str, float]:
    """Return the Wilson intervals of one cell's plain proportions: patients as they are, this seed only."""
    tp, fp, tn, fn = (int(value[0]) for value in (c.tp, c.fp, c.tn, c.fn))
    parts = {
        "precision": (tp, tp + fp),
        "recall": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "npv": (tn, tn + fn),
    }
    ends: dict[str, float] = {}
    for name, part in parts.items():
        ends[f"{name}_low"], ends[f"{name}_high"] = wilson(*part)
    return ends


def _arms(found: Resampled, arms: list[str], budgets: list[str], known: Mapping[str, int]) -> pd.DataFrame:
    """Return the mean over seeds of every metric, budgets from few labels to many."""
    rows = []
    for budget in budgets:
        for arm in arms:
            seeds = len(found.panel.rows(arm, budget))
            for metric in METRICS if seeds else ():
                sample = found.mean(arm, budget, metric)
                low, high = sample.interval()
                rows.append((arm, budget, labels_in(budget, known), metric, sample.value, low, high, seeds))
    columns = ["arm", "budget", "labels", "metric", "value", "low", "high", "seeds"]
    return pd.DataFrame(rows, columns=columns).astype({"labels": float})


def _differences(found: Resampled, arms: pd.DataFrame, primary: Primary) -> pd.DataFrame:
    rows = []
    for budget in dict.fromkeys(arms["budget"]):
        for arm in dict.fromkeys(arms["arm"]):
            for metric in METRICS if arm != primary.baseline else ():
                pair = found.difference(arm, primary.baseline, budget, metric)
                if pair is None:
                    continue
                sample, seeds = pair
                low, high = sample.interval()
                p = sample.p_value(primary.margin if (arm, metric) == (primary.arm, primary.metric) else 0.0)
                rows.append((arm, primary.baseline, budget, metric, sample.value, low, high, p, seeds))
    columns = ["arm", "baseline", "budget", "metric", "value", "low", "high", "p", "seeds"]
    table = pd.DataFrame(rows, columns=columns)
    family = table["budget"].isin(primary.budgets or tuple(table["budget"]))
    table["p_adjusted"] = np.nan
    for _, part in table[family].groupby(["arm", "metric"]):
        table.loc[part.index, "p_adjusted"] = holm(part["p"].to_numpy())
    return table


def _caveats(found: Resampled, differences: pd.DataFrame, arms: pd.DataFrame) -> list[str]:
    caveats = []
    redrawn = found.resampler.redrawn
    if redrawn:
        caveats.append(f"{redrawn} bootstrap draws held one class only and were drawn again.")
    silent = [
        row
        for row, points in enumerate(found.points)
        if not (found.panel.probability[row] >= points[0].threshold).any()
    ]
    if silent:
        caveats.append(f"{len(silent)} cells called no test scan positive; their precision is set to 0.")
    flat = arms[(arms["low"] == arms["high"]) & (arms["metric"] == "auroc")]
    if len(flat):
        caveats.append(
            f"The AUROC of {flat['arm'].iloc[0]} at {flat['budget'].iloc[0]} is the same in all draws: "
            "its interval has no width and understates the uncertainty."
        )
    pairs = differences.merge(arms[["arm", "budget", "metric", "seeds"]], on=["arm", "budget", "metric"])
    fewer = pairs[(pairs["seeds_x"] < pairs["seeds_y"]) & (pairs["metric"] == "auroc")]
    if len(fewer):
        caveats.append("Differences use only the seeds that an arm and the baseline share.")
    return caveats
