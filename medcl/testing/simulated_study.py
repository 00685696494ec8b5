"""Predictions with a known truth, to test the statistics with and to plan a study's size."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

EXAMPLE = {
    "simclr-probe": {"5/class": 0.88, "20/class": 0.92, "100/class": 0.94, "all": 0.955},
    "simclr-finetune": {"5/class": 0.84, "20/class": 0.91, "100/class": 0.945, "all": 0.965},
    "supervised": {"5/class": 0.80, "20/class": 0.86, "100/class": 0.935, "all": 0.96},
    "random-probe": {"5/class": 0.66, "20/class": 0.70, "100/class": 0.76, "all": 0.80},
}
"""True AUROC of each arm at each budget in the example study."""


def study(
    aurocs: Mapping[str, Mapping[str, float]] = EXAMPLE,
    seeds: int = 5,
    patients: int = 300,
    scans_per_patient: int = 1,
    shared: float = 0.6,
    between_seeds: float = 0.15,
    prevalence: float = 0.5,
    rng: int = 0,
) -> pd.DataFrame:
    """Return predictions of binormal scores whose expected AUROC is `aurocs[arm][budget]`.

    Args:
        aurocs: True AUROC by arm and budget.
        seeds: Number of experiment cells of each arm and budget.
        patients: Number of test patients, the same for all cells.
        scans_per_patient: Number of scans of a patient, which share the label and half of the noise.
        shared: Share of a scan's noise that all cells have in common, which correlates arms.
        between_seeds: Standard deviation over seeds of the separation of the classes, in units of the noise.
        prevalence: Share of positive patients.
        rng: Random seed.
    """
    generator = np.random.default_rng(rng)
    test = _patients(generator, patients, scans_per_patient, prevalence, "t")
    validation = _patients(generator, 40, 1, prevalence, "v")
    difficulty = _noise(generator, test)
    parts = []
    for arm, by_budget in aurocs.items():
        for budget, auroc in by_budget.items():
            for seed in range(seeds):
                separation = stats.norm.ppf(auroc) * np.sqrt(2) + between_seeds * generator.normal()
                noise = np.sqrt(shared) * difficulty + np.sqrt(1 - shared) * _noise(generator, test)
                cell = [_predictions(test, noise, separation, "test")]
                cell.append(_predictions(validation, _noise(generator, validation), separation, "val"))
                parts += [part.assign(arm=arm, budget=budget, seed=seed) for part in cell]
    return pd.concat(parts, ignore_index=True)


def expected_auroc(auroc: float, between_seeds: float = 0.15) -> float:
    """Return the mean over all possible seeds of the AUROC that `study` draws for a cell of true `auroc`."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    separation = stats.norm.ppf(auroc) * np.sqrt(2) + between_seeds * nodes
    return float(weights @ stats.norm.cdf(separation / np.sqrt(2)) / weights.sum())


def _patients(
    generator: np.random.Generator, patients: int, scans_per_patient: int, prevalence: float, prefix: str
) -> pd.DataFrame:
    """Return scans, patients and truth, one row per scan."""
    positives = max(2, min(patients - 2, round(patients * prevalence)))
    truth = np.repeat(generator.permutation(np.arange(patients) < positives), scans_per_patient)
    names = np.repeat([f"p-{prefix}{i:04d}" for i in range(patients)], scans_per_patient)
    scans = [f"s-{prefix}{i:05d}" for i in range(len(names))]
    return pd.DataFrame({"scan": scans, "patient": names, "site": "site-a", "truth": truth.astype(int)})


def _noise(generator: np.random.Generator, scans: pd.DataFrame) -> np.ndarray:
    """Return standard normal noise (n,), of which scans of one patient share half."""
    patient, names = pd.factorize(scans["patient"])
    noise = generator.normal(size=len(names))[patient] + generator.normal(size=len(scans))
    return np.asarray(noise / np.sqrt(2))


def _predictions(scans: pd.DataFrame, noise: np.ndarray, separation: float, split: str) -> pd.DataFrame:
    score = noise + separation * (scans["truth"].to_numpy() - 0.5)
    return scans.assign(probability=1 / (1 + np.exp(-max(separation, 0.1) * score)), split=split)
