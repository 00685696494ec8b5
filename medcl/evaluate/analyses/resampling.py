"""Every metric of every experiment cell on every draw of patients, from which all intervals follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from medcl.evaluate.predictions import CELL, Panel
from medcl.statistics import (
    METRICS,
    OperatingPoint,
    Resampler,
    Sample,
    compute_metrics,
    draw_patients,
    operating_points,
    over_seeds,
)


@dataclass(frozen=True)
class Resampled:
    """The metrics of `METRICS` (second axis) of all experiment cells of a panel (first axis).

    Attributes:
        panel: The test predictions.
        points: Operating points of each cell, the main one first.
        resampler: The draws of patients.
        values: On the test set as it is, (cells, metrics).
        draws: Bootstrap values, (cells, metrics, draws).
        left_out: Jackknife values, (cells, metrics, patients).
    """

    panel: Panel
    points: list[list[OperatingPoint]]
    resampler: Resampler
    values: np.ndarray
    draws: np.ndarray
    left_out: np.ndarray

    def summarize(self, values: np.ndarray, draws: np.ndarray, left_out: np.ndarray) -> Sample:
        """Summarize over seeds (first axis) as `over_seeds` does, on the draws of this study."""
        return over_seeds(values, draws, left_out, self.resampler)

    def mean(self, arm: str, budget: str, metric: str) -> Sample:
        """Return the mean over seeds of one arm at one budget."""
        rows = list(self.panel.rows(arm, budget).values())
        at = list(METRICS).index(metric)
        return self.summarize(self.values[rows, at], self.draws[rows, at], self.left_out[rows, at])

    def difference(self, arm: str, baseline: str, budget: str, metric: str) -> tuple[Sample, int] | None:
        """Return arm minus baseline, paired by seed and patient, and the number of seeds that both have.

        None when they share no seed at this budget.
        """
        arm_rows, baseline_rows = self.panel.rows(arm, budget), self.panel.rows(baseline, budget)
        common = [seed for seed in arm_rows if seed in baseline_rows]
        if not common:
            return None
        one, two = [arm_rows[seed] for seed in common], [baseline_rows[seed] for seed in common]
        at = list(METRICS).index(metric)
        values, draws, left_out = (
            block[one, at] - block[two, at] for block in (self.values, self.draws, self.left_out)
        )
        return self.summarize(values, draws, left_out), len(common)

    def samples(
        self, rows: Sequence[int], statistic: Callable[[int, np.ndarray], np.ndarray]
    ) -> list[Sample]:
        """Return the mean over seeds of each value of a statistic.

        Args:
            rows: Rows of the panel, one per seed.
            statistic: Maps a row of the panel and weights (n, draws) to values (values, draws).
        """
        ones = np.ones((len(self.panel.truth), 1))
        of_rows = [partial(statistic, row) for row in rows]
        values = np.stack([of_row(ones)[:, 0] for of_row in of_rows])
        draws = np.stack([self.resampler.apply(of_row) for of_row in of_rows])
        left_out = np.stack([self.resampler.jackknife(of_row) for of_row in of_rows])
        return [self.summarize(values[:, i], draws[:, i], left_out[:, i]) for i in range(values.shape[1])]


def resample(table: pd.DataFrame, panel: Panel, draws: int, seed: int) -> Resampled:
    """Choose each cell's operating points on its validation scans and compute its metrics on all draws.

    Args:
        table: Predictions on clean images, of which the validation rows are used.
        panel: The test predictions.
        draws: Number of bootstrap draws.
        seed: Random seed of the bootstrap.
    """
    resampler = draw_patients(panel.patient, panel.truth, draws, seed)
    validation = dict(list(table[table["split"] == "val"].groupby(CELL)))
    points, values, drawn, left_out = [], [], [], []
    for row, key in enumerate(panel.cells.itertuples(index=False, name=None)):
        scans = validation.get(key, table.iloc[:0])
        points.append(
            operating_points(scans["truth"].to_numpy() == 1, scans["probability"].to_numpy(dtype=float))
        )
        statistic = partial(_every_metric, panel.truth, panel.probability[row], points[-1][0].threshold)
        values.append(statistic(np.ones((len(panel.truth), 1)))[:, 0])
        drawn.append(resampler.apply(statistic))
        left_out.append(resampler.jackknife(statistic))
    return Resampled(panel, points, resampler, np.stack(values), np.stack(drawn), np.stack(left_out))


def _every_metric(
    truth: np.ndarray, probability: np.ndarray, threshold: float, weights: np.ndarray
) -> np.ndarray:
    """Return every metric of each weighting, (metrics, draws)."""
    return np.stack(list(compute_metrics(truth, probability, threshold, weights).values()))
