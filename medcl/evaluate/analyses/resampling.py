"""Every metric of every cell on every draw of patients: what all intervals are made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from medcl.evaluate.predictions import Panel
from medcl.statistics.bootstrap import Resampler, Sample, draw_patients, over_seeds
from medcl.statistics.metrics import METRICS, metrics
from medcl.statistics.thresholds import OperatingPoint, operating_points


@dataclass(frozen=True)
class Resampled:
    """The metrics of `METRICS` (second axis) of all cells of a panel (first axis).

    Attributes:
        panel: the test predictions.
        points: the operating points of each cell, the main one first.
        resampler: the draws of patients.
        values: (cells, metrics) on the test set as it is.
        draws: (cells, metrics, draws) bootstrapped.
        left_out: (cells, metrics, patients) jackknifed.
    """

    panel: Panel
    points: list[list[OperatingPoint]]
    resampler: Resampler
    values: np.ndarray
    draws: np.ndarray
    left_out: np.ndarray

    def over(self, values: np.ndarray, draws: np.ndarray, left_out: np.ndarray) -> Sample:
        """Summarize over seeds (first axis) as `over_seeds` does, on this study's draws."""
        return over_seeds(values, draws, left_out, self.resampler)

    def mean(self, arm: str, budget: str, metric: str) -> Sample:
        """Return the mean over seeds of one arm at one budget."""
        rows = list(self.panel.rows(arm, budget).values())
        at = METRICS.index(metric)
        return self.over(self.values[rows, at], self.draws[rows, at], self.left_out[rows, at])

    def difference(self, arm: str, baseline: str, budget: str, metric: str) -> tuple[Sample, int] | None:
        """Return arm minus baseline, paired by seed and patient, and the number of seeds that both have.

        None when they share no seed at this budget.
        """
        mine, theirs = self.panel.rows(arm, budget), self.panel.rows(baseline, budget)
        common = [seed for seed in mine if seed in theirs]
        if not common:
            return None
        one, two = [mine[seed] for seed in common], [theirs[seed] for seed in common]
        at = METRICS.index(metric)
        values, draws, left_out = (
            block[one, at] - block[two, at] for block in (self.values, self.draws, self.left_out)
        )
        return self.over(values, draws, left_out), len(common)

    def samples(
        self, rows: Sequence[int], statistic: Callable[[int, np.ndarray], np.ndarray]
    ) -> list[Sample]:
        """Return the mean over the cells `rows` (one a seed) of each value that `statistic` gives.

        Args:
            statistic: maps a row of the panel and weights (n, draws) to (values, draws).
        """
        ones = np.ones((len(self.panel.truth), 1))
        of_cell = [partial(statistic, row) for row in rows]
        values = np.stack([value(ones)[:, 0] for value in of_cell])
        draws = np.stack([self.resampler.apply(value) for value in of_cell])
        left_out = np.stack([self.resampler.jackknife(value) for value in of_cell])
        return [self.over(values[:, i], draws[:, i], left_out[:, i]) for i in range(values.shape[1])]


def resample(table: pd.DataFrame, board: Panel, draws: int, seed: int) -> Resampled:
    """Choose each cell's operating points on its validation scans and compute its metrics on all draws."""
    resampler = draw_patients(board.patient, board.truth, draws, seed)
    validation = dict(list(table[table["split"] == "val"].groupby(["arm", "budget", "seed"])))
    nobody = table.iloc[:0]
    points, values, drawn, left_out = [], [], [], []
    for row, key in enumerate(board.cells.itertuples(index=False, name=None)):
        held = validation.get(key, nobody)
        points.append(
            operating_points(held["truth"].to_numpy() == 1, held["probability"].to_numpy(dtype=float))
        )
        probability, threshold = board.probability[row], points[-1][0].threshold

        def statistic(
            weights: np.ndarray, probability: np.ndarray = probability, threshold: float = threshold
        ) -> np.ndarray:
            found = metrics(board.truth, probability, threshold, weights)
            return np.stack([found[name] for name in METRICS])

        values.append(statistic(np.ones((len(board.truth), 1)))[:, 0])
        drawn.append(resampler.apply(statistic))
        left_out.append(resampler.jackknife(statistic))
    return Resampled(board, points, resampler, np.stack(values), np.stack(drawn), np.stack(left_out))
