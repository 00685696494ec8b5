"""Bootstrap intervals: patients, and seeds, are drawn with replacement."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from medcl.errors import UsageError

LEVEL = 0.95
CHUNK = 150_000  # weights held at once, about what fits the second-level cache
JACKKNIFE_GROUPS = 1000

Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Resampler:
    """Draws of whole patients, the same for every statistic, so that differences are paired.

    Attributes:
        patient: Index of each scan's patient, (n,).
        counts: How often each draw contains each patient, (patients, draws).
        redrawn: Number of draws that were replaced because they contained one class only.
        seed: Random seed.
    """

    patient: np.ndarray
    counts: np.ndarray
    redrawn: int
    seed: int

    def seeds(self, count: int) -> np.ndarray:
        """Return which of `count` seeds each draw contains, (draws, count - 1).

        One seed fewer than there are is drawn, which makes the variance of their mean unbiased
        (Rao and Wu 1988). The same `count` always gives the same draws, so that arms stay paired.
        """
        generator = np.random.default_rng([self.seed, 2, count])
        return generator.integers(0, count, size=(self.counts.shape[1], count - 1))

    def apply(self, statistic: Statistic) -> np.ndarray:
        """Return `statistic` of every draw, (..., draws); it maps weights (n, k) to values (..., k)."""
        step = max(CHUNK // len(self.patient), 1)
        parts = [
            statistic(self.counts[self.patient, start : start + step].astype(float))
            for start in range(0, self.counts.shape[1], step)
        ]
        return np.concatenate(parts, axis=-1)

    def jackknife(self, statistic: Statistic) -> np.ndarray:
        """Return `statistic` without each patient in turn (or without each of 1,000 groups of patients)."""
        m = len(self.counts)
        groups = min(m, JACKKNIFE_GROUPS)
        group = np.random.default_rng([self.seed, 3]).permutation(m)[self.patient] % groups
        step = max(CHUNK // len(self.patient), 1)
        parts = [
            statistic((group[:, None] != np.arange(start, min(start + step, groups))).astype(float))
            for start in range(0, groups, step)
        ]
        return np.concatenate(parts, axis=-1)


def draw_patients(patient: np.ndarray, truth: np.ndarray, draws: int = 2000, seed: int = 0) -> Resampler:
    """Draw patients with replacement; draws of one class only are replaced, and counted.

    Args:
        patient: Index of each scan's patient, 0..m-1, (n,).
        truth: Whether each scan is positive, (n,) bool.
        draws: Number of draws.
        seed: Random seed.

    Raises:
        UsageError: A class has too few patients for draws to contain it.
    """
    m = int(patient.max()) + 1
    of_class = np.stack([np.bincount(patient, weights=truth == value, minlength=m) for value in (0, 1)])
    generator = np.random.default_rng([seed, 1])
    chance = np.full(m, 1 / m)
    counts = generator.multinomial(m, chance, size=draws).T.astype(np.int32)
    redrawn = 0
    for _ in range(1000):
        one_class = np.flatnonzero((of_class @ counts == 0).any(axis=0))
        if not len(one_class):
            return Resampler(patient, counts, redrawn, seed)
        redrawn += len(one_class)
        counts[:, one_class] = generator.multinomial(m, chance, size=len(one_class)).T
    raise UsageError(
        "predictions: a class is missing among the test patients; test on patients of both classes"
    )


@dataclass(frozen=True)
class Sample:
    """An estimate with its bootstrap draws, from which intervals and p-values follow.

    Attributes:
        value: The estimate.
        draws: Bootstrap values, (draws,).
        left_out: Jackknife values, (patients,).
        freedom: Degrees of freedom of the variance (infinite for a plain percentile level).
    """

    value: float
    draws: np.ndarray
    left_out: np.ndarray
    freedom: float

    @cached_property
    def _finite(self) -> np.ndarray:
        """The draws in which the metric exists (a draw may contain one class only of a subgroup)."""
        return np.asarray(self.draws[np.isfinite(self.draws)])

    @cached_property
    def _shape(self) -> tuple[float, float]:
        """Bias correction z0 and acceleration a of BCa (Efron 1987)."""
        draws = self._finite
        below = (np.mean(draws < self.value) + np.mean(draws <= self.value)) / 2
        edge = 1 / (2 * len(draws))
        bias = float(special.ndtri(np.clip(below, edge, 1 - edge)))
        influence = np.nanmean(self.left_out) - self.left_out
        influence = influence[np.isfinite(influence)]
        square = np.sum(influence**2)
        return bias, float(np.sum(influence**3) / (6 * square**1.5)) if square > 0 else 0.0

    @property
    def constant(self) -> bool:
        """Whether all draws agree, so that the bootstrap gives no variance."""
        return bool(np.ptp(self._finite) <= 1e-12)

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the BCa interval, its level widened as Student's t widens the normal (Hesterberg 2015).

        NaN when the estimate does not exist.
        """
        if not np.isfinite(self.value):
            return np.nan, np.nan
        bias, acceleration = self._shape
        z = special.stdtrit(self.freedom, np.array([(1 - level) / 2, (1 + level) / 2]))
        share = special.ndtr(bias + (bias + z) / (1 - acceleration * (bias + z)))
        low, high = np.quantile(self._finite, share)
        return float(low), float(high)

    def p_value(self, null: float = 0.0) -> float:
        """Return the two-sided p-value of `null` from the bootstrap's standard error and Student's t."""
        if self.constant:
            return 1.0 if abs(self.value - null) <= 1e-12 else 0.0
        z = abs(self.value - null) / np.std(self._finite)
        return float(2 * special.stdtr(self.freedom, -z))


def over_seeds(values: np.ndarray, draws: np.ndarray, left_out: np.ndarray, resampler: Resampler) -> Sample:
    """Summarize a metric over seeds so that the interval covers both the draw of labels and of patients.

    Each draw takes patients, then seeds. A seed's deviation from the mean also contains chance of the test
    patients, which the draw of patients already counts: deviations are shrunk by its share before seeds are
    drawn (two-stage bootstrap, Davison and Hinkley 1997, section 3.8). The degrees of freedom are
    Satterthwaite's, which allows for the small number of seeds.

    Args:
        values: Metric of each seed on all patients, (seeds,).
        draws: Metric of each seed on each draw of patients, (seeds, draws).
        left_out: Jackknife values of each seed, (seeds, patients).
        resampler: The draws of patients.
    """
    count = len(values)
    of_draw, value = draws.mean(axis=0), float(values.mean())
    of_patients = float(np.nanvar(of_draw)) if np.isfinite(of_draw).any() else float("nan")
    parts = of_patients**2 / max(left_out.shape[1] - 1, 1)
    mixed, of_seeds = of_draw, 0.0
    if count > 1:
        observed = float(np.var(values, ddof=1))
        by_chance = _mean_spread(draws - of_draw, axis=1) * count / (count - 1)
        of_seeds = max(observed - by_chance, 0.0) / count
        between = _mean_spread(draws, axis=0, ddof=1)
        shrink = np.sqrt(of_seeds * count / between) if between > 0 else 0.0
        picked = draws[resampler.seeds(count), np.arange(len(of_draw))[:, None]].mean(axis=1)
        mixed = of_draw + min(shrink, 1.0) * (picked - of_draw)  # stays within the range of the metric
        parts += (observed / count) ** 2 / (count - 1)
    freedom = (of_patients + of_seeds) ** 2 / parts if parts > 0 else np.inf
    return Sample(value, mixed, left_out.mean(axis=0), freedom)


def _mean_spread(values: np.ndarray, axis: int, ddof: int = 0) -> float:
    """Return the mean variance along `axis`, without seeds and draws that have no value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(np.nanmean(np.nanvar(values, axis=axis, ddof=ddof)))
