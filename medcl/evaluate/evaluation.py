"""From a predictions table to tables of evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from medcl.evaluate.analyses.controls import control_warnings
from medcl.evaluate.analyses.resampling import Resampled, resample
from medcl.evaluate.analyses.tables import analysis_tables
from medcl.evaluate.answer import answer
from medcl.evaluate.arms import label_count, on_clean_images, order_budgets
from medcl.evaluate.comparison import Primary, choose_primary, order_arms
from medcl.evaluate.predictions import CELL, check_predictions, make_panel
from medcl.evaluate.study_record import ArmRecord
from medcl.names import SUPERVISED
from medcl.statistics import METRICS, Counts, adjust, counts, likelihood_ratios, rates, wilson


@dataclass(frozen=True)
class Evaluation:
    """Evidence from a predictions table.

    Attributes:
        answer: First sentence of the report.
        warnings: Controls that predict the label without the disease; shown with the answer.
        caveats: Limits of the evidence; shown with the figures.
        primary: The comparison that `answer` is about.
        stated: Whether it was stated before the run.
        experiment_cells: One row per experiment cell (arm, budget, seed): threshold, confusion counts on the
            test set, every metric.
        operating: One row per experiment cell and operating point, with Wilson intervals where each patient
            has one scan.
        arms: Columns arm, budget, labels, metric, value (mean over seeds), low, high, seeds.
        differences: Columns arm, baseline, budget, metric, value, low, high, p, p_adjusted (over budgets),
            seeds.
        analyses: Further tables by name, see `analysis_tables`.
        resampled: Bootstrap draws behind the intervals.
        arm_records: Descriptions of the arms, as given to `evaluate`.
    """

    answer: str
    warnings: list[str]
    caveats: list[str]
    primary: Primary
    stated: bool
    experiment_cells: pd.DataFrame
    operating: pd.DataFrame
    arms: pd.DataFrame
    differences: pd.DataFrame
    analyses: dict[str, pd.DataFrame]
    resampled: Resampled
    arm_records: Mapping[str, ArmRecord]

    @property
    def arm_names(self) -> list[str]:
        """Arms in the order of the tables."""
        return list(dict.fromkeys(self.arms["arm"]))

    @property
    def controls(self) -> list[str]:
        """Arms for which no claim is made, in the order of the tables."""
        return [arm for arm in self.arm_names if self._record(arm).control]

    @property
    def methods(self) -> list[str]:
        """Arms other than the baseline and the controls, in the order of the tables."""
        return [arm for arm in self.arm_names if arm not in (self.primary.baseline, *self.controls)]

    @property
    def budgets(self) -> list[str]:
        """Budgets from fewest labels to most."""
        return list(dict.fromkeys(self.arms["budget"]))

    def description(self, arm: str) -> str:
        """Return what `arm` is; empty when the study does not say."""
        return self._record(arm).description

    def _record(self, arm: str) -> ArmRecord:
        return self.arm_records.get(arm, ArmRecord())


def evaluate(
    predictions: pd.DataFrame,
    baseline: str = SUPERVISED,
    primary: Primary | None = None,
    draws: int = 2000,
    seed: int = 0,
    labels: Mapping[str, int] | None = None,
    groups: pd.DataFrame | None = None,
    prevalence: float | None = None,
    arm_records: Mapping[str, ArmRecord] | None = None,
) -> Evaluation:
    """Evaluate all experiment cells of a predictions table.

    Args:
        predictions: Table as `check_predictions` describes it.
        baseline: Arm that the others are compared with.
        primary: Comparison stated before the run; without it the answer is called exploratory.
        draws: Number of bootstrap draws of test patients, the same for all experiment cells.
        seed: Random seed of the bootstrap.
        labels: Number of labeled training scans by budget, where its name does not say.
        groups: Column scan and one column per variable (sex, age, scanner, ...), for the subgroup table.
        prevalence: Share of positives (0..1) at which precision and NPV are computed too.
        arm_records: Description of each arm, which says what is a control; without it there are no controls.

    Raises:
        UsageError: The table is faulty, or an arm of the comparison is missing.
    """
    caveats = check_predictions(predictions)
    arm_records = dict(arm_records or {})
    controls = {arm for arm, record in arm_records.items() if record.control}
    clean = on_clean_images(predictions)
    stated = primary is not None
    primary = choose_primary(clean, baseline, primary, controls)
    label_counts = _label_counts(clean, labels or {})
    resampled = resample(clean, make_panel(clean), draws, seed)
    arms = _arms(
        resampled,
        order_arms(clean["arm"], primary, controls),
        order_budgets(clean["budget"], label_counts),
        label_counts,
    )
    differences = _differences(resampled, arms, primary)
    operating = _operating(resampled)
    return Evaluation(
        answer=answer(primary, stated, differences),
        warnings=control_warnings(arms, arm_records),
        caveats=[*caveats, *_caveats(resampled, differences, arms)],
        primary=primary,
        stated=stated,
        experiment_cells=_experiment_cells(resampled, operating),
        operating=operating,
        arms=arms,
        differences=differences,
        analyses=analysis_tables(resampled, arms, primary, predictions, groups, prevalence),
        resampled=resampled,
        arm_records=arm_records,
    )


def _label_counts(table: pd.DataFrame, recorded: Mapping[str, int]) -> dict[str, int]:
    """Return the number of labeled training scans by budget: as recorded, else the cells' training rows."""
    train = table[table["split"] == "train"]
    most = train.groupby(["budget", "arm", "seed"]).size().groupby("budget").max()
    return {str(budget): int(size) for budget, size in most.items()} | dict(recorded)


def _experiment_cells(resampled: Resampled, operating: pd.DataFrame) -> pd.DataFrame:
    main = operating.groupby(CELL, sort=False).head(1).reset_index(drop=True)
    values = pd.DataFrame(resampled.values, columns=list(METRICS))
    return pd.concat([main.drop(columns=[name for name in METRICS if name in main]), values], axis=1)


def _operating(resampled: Resampled) -> pd.DataFrame:
    panel = resampled.panel
    rows: list[dict[str, Any]] = []
    for row, cell in enumerate(panel.cells.to_dict("records")):
        for point in resampled.points[row]:
            confusion = counts(panel.truth, panel.probability[row] >= point.threshold)
            rate = {name: float(value[0]) for name, value in rates(confusion).items()}
            positive, negative = likelihood_ratios(rate)
            rows.append(
                {str(name): value for name, value in cell.items()}
                | {"rule": point.rule, "threshold": point.threshold}
                | {name: int(value[0]) for name, value in vars(confusion).items()}
                | {**rate, "lr_positive": positive, "lr_negative": negative}
                | (_wilson_ends(confusion) if panel.one_scan_per_patient else {})
            )
    return pd.DataFrame(rows)


def _wilson_ends(confusion: Counts) -> dict[str, float]:
    """Return Wilson intervals of one cell's proportions, which cover patients but not seeds."""
    ends: dict[str, float] = {}
    for name in ("precision", "recall", "specificity", "npv"):
        ratio = METRICS[name].ratio
        assert ratio is not None
        numerator, denominator = ratio(confusion)
        ends[f"{name}_low"], ends[f"{name}_high"] = wilson(int(numerator[0]), int(denominator[0]))
    return ends


def _arms(
    resampled: Resampled, arms: list[str], budgets: list[str], label_counts: Mapping[str, int]
) -> pd.DataFrame:
    """Return the mean over seeds of every metric, budgets from few labels to many."""
    rows = []
    for budget in budgets:
        labels = label_count(budget, label_counts)
        for arm in arms:
            seeds = len(resampled.panel.rows(arm, budget))
            for metric in METRICS if seeds else ():
                sample = resampled.mean(arm, budget, metric)
                rows.append((arm, budget, labels, metric, sample.value, *sample.interval(), seeds))
    columns = ["arm", "budget", "labels", "metric", "value", "low", "high", "seeds"]
    return pd.DataFrame(rows, columns=columns).astype({"labels": float})


def _differences(resampled: Resampled, arms: pd.DataFrame, primary: Primary) -> pd.DataFrame:
    rows = []
    for budget in dict.fromkeys(arms["budget"]):
        for arm in dict.fromkeys(arms["arm"]):
            for metric in METRICS if arm != primary.baseline else ():
                difference = resampled.difference(arm, primary.baseline, budget, metric)
                if difference is None:
                    continue
                sample, seeds = difference
                low, high = sample.interval()
                p = sample.p_value(primary.margin if (arm, metric) == (primary.arm, primary.metric) else 0.0)
                rows.append((arm, primary.baseline, budget, metric, sample.value, low, high, p, seeds))
    columns = ["arm", "baseline", "budget", "metric", "value", "low", "high", "p", "seeds"]
    table = pd.DataFrame(rows, columns=columns)
    family = table["budget"].isin(primary.budgets or tuple(table["budget"]))
    table["p_adjusted"] = np.nan
    for _, part in table[family].groupby(["arm", "metric"]):
        table.loc[part.index, "p_adjusted"] = adjust(part["p"].to_numpy())
    return table


def _caveats(resampled: Resampled, differences: pd.DataFrame, arms: pd.DataFrame) -> list[str]:
    caveats = []
    redrawn = resampled.resampler.redrawn
    if redrawn:
        caveats.append(f"{redrawn} bootstrap draws contained one class only and were replaced.")
    without_positives = [
        row
        for row, points in enumerate(resampled.points)
        if not (resampled.panel.probability[row] >= points[0].threshold).any()
    ]
    if without_positives:
        caveats.append(
            f"{len(without_positives)} experiment cells classified no test scan as positive; "
            "their precision is set to 0."
        )
    constant = arms[(arms["low"] == arms["high"]) & (arms["metric"] == "auroc")]
    if len(constant):
        caveats.append(
            f"The AUROC of {constant['arm'].iloc[0]} at {constant['budget'].iloc[0]} is the same in all "
            "draws: its interval has no width and understates the uncertainty."
        )
    pairs = differences.merge(arms[["arm", "budget", "metric", "seeds"]], on=["arm", "budget", "metric"])
    fewer = pairs[(pairs["seeds_x"] < pairs["seeds_y"]) & (pairs["metric"] == "auroc")]
    if len(fewer):
        caveats.append("Differences use only the seeds that an arm and the baseline share.")
    return caveats
