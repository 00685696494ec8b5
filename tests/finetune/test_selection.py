"""Selection on validation: the error of an AUROC, and when a change of it counts."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.finetune.selection import auroc, auroc_standard_error, raises_auroc


@pytest.mark.parametrize(("auroc", "positives", "negatives"), [(0.8, 20, 30), (0.95, 60, 60), (0.65, 15, 90)])
def test_the_error_of_an_auroc_is_what_simulation_shows(auroc: float, positives: int, negatives: int) -> None:
    """Exponential scores, for which Hanley and McNeil's formula is exact."""
    generator = np.random.default_rng(0)
    rate = auroc / (1 - auroc)
    truth = np.repeat([1, 0], [positives, negatives])
    positive = generator.exponential(rate, (2000, positives, 1))
    negative = generator.exponential(1, (2000, 1, negatives))
    drawn = (positive > negative).mean(axis=(1, 2))  # the AUROC of each draw; ties have probability 0
    assert auroc_standard_error(auroc, truth) == pytest.approx(np.std(drawn), rel=0.1)


def scores(
    generator: np.random.Generator, each: int, gain: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two scores that mostly err on the same scans; the second is better by `gain` deviations."""
    truth = np.repeat([0, 1], each)
    shared = generator.normal(size=2 * each) + 2 * truth
    before, after = (shared + generator.normal(0, 0.3, 2 * each) + better * truth for better in (0.0, gain))
    return truth, before, after


def test_a_gain_smaller_than_the_error_of_either_auroc_is_seen_in_many_paired_scans() -> None:
    truth, before, after = scores(np.random.default_rng(0), 250, 0.1)
    gain = auroc(truth, after) - auroc(truth, before)
    assert 0.005 < gain < auroc_standard_error(auroc(truth, after), truth)
    assert raises_auroc(truth, before, after)
    assert not raises_auroc(truth, after, before)


@pytest.mark.parametrize("each", [5, 20, 100])
def test_chance_seldom_passes_for_a_gain(each: int) -> None:
    """A normal difference exceeds its standard error in 16 of 100 draws."""
    generator = np.random.default_rng(1)
    passed = np.mean([raises_auroc(*scores(generator, each, 0.0)) for _ in range(400)])
    assert passed < 0.22


def test_a_handful_of_scans_shows_nothing_by_one_pair() -> None:
    truth = np.repeat([0, 1], 5)
    before = np.array([0.1, 0.2, 0.3, 0.4, 0.62, 0.6, 0.7, 0.8, 0.9, 1.0])
    perfect = np.arange(10) / 10
    assert auroc(truth, perfect) > auroc(truth, before)
    assert not raises_auroc(truth, before, perfect)
    assert not raises_auroc(truth, before, before)
    assert not raises_auroc(np.array([0, 0, 1]), np.array([0.1, 0.9, 0.5]), np.array([0.1, 0.2, 0.5]))
