"""Prove the statistics by simulation: coverage of intervals, type-I error, a null study without an effect.

    python benchmarks/statistics.py --runs 1000

Every run draws a study with a known truth (`medcl.evaluate.simulation`) and evaluates it as a user would.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

import numpy as np

from medcl.evaluate import evaluate
from medcl.evaluate.simulation import expected_auroc, study
from medcl.progress import track

SETTINGS = {
    "5 seeds, 120 patients": {"seeds": 5, "patients": 120},
    "5 seeds, 60 patients of 3 scans": {"seeds": 5, "patients": 60, "scans_a_patient": 3},
    "5 seeds that differ much, 200 patients": {"seeds": 5, "patients": 200, "between_seeds": 0.4},
    "1 seed, 120 patients": {"seeds": 1, "patients": 120, "between_seeds": 0.0},
}


def coverage(
    runs: int, setting: dict[str, float], aurocs: tuple[float, float] = (0.88, 0.80)
) -> dict[str, float]:
    """Return how often 95 % intervals of AUROC and of its difference hold the truth."""
    truths = [expected_auroc(value, setting.get("between_seeds", 0.15)) for value in aurocs]
    arms = {"simclr-probe": {"5/class": aurocs[0]}, "supervised": {"5/class": aurocs[1]}}
    hits = []
    for run in track(range(runs), "coverage"):
        found = evaluate(study(arms, rng=run, **setting), seed=run)
        mean = found.arms[found.arms["metric"] == "auroc"].set_index("arm")
        difference = found.differences[found.differences["metric"] == "auroc"].iloc[0]
        held = [
            mean.at[arm, "low"] <= truth <= mean.at[arm, "high"]
            for arm, truth in zip(arms, truths, strict=True)
        ]
        hits.append([*held, difference["low"] <= truths[0] - truths[1] <= difference["high"]])
    return dict(zip((*arms, "difference"), np.mean(hits, axis=0).round(4).tolist(), strict=True))


def null_study(runs: int, setting: dict[str, float]) -> dict[str, float]:
    """Return the type-I error at one budget, and how often a study of three claims an effect."""
    budgets = {"5/class": 0.80, "20/class": 0.86, "all": 0.92}
    rejected, claimed = [], []
    for found in _null_runs(runs, budgets, setting):
        rows = found.differences[found.differences["metric"] == "auroc"]
        rejected.append(rows["p"].iloc[0] < 0.05)
        claimed.append("no difference" not in found.answer or "; no difference" in found.answer)
    return {"type-I error": float(np.mean(rejected)), "studies that claim an effect": float(np.mean(claimed))}


def _null_runs(runs: int, budgets: dict[str, float], setting: dict[str, float]) -> Iterator:
    for run in track(range(runs), "null study"):
        yield evaluate(study({"simclr-probe": budgets, "supervised": budgets}, rng=run, **setting), seed=run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--only", help="name of one setting")
    parser.add_argument("--part", choices=["coverage", "null"], help="one of the two simulations")
    arguments = parser.parse_args()
    parts = {"coverage": coverage, "null": null_study}
    for name, setting in SETTINGS.items():
        for part, simulate in parts.items():
            if arguments.only in (None, name) and arguments.part in (None, part):
                found = simulate(arguments.runs, setting)
                print(json.dumps({"setting": name, "runs": arguments.runs, part: found}), flush=True)


if __name__ == "__main__":
    main()
