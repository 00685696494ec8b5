"""Check the statistics by simulation: coverage of intervals, type-I error of tests, null studies.

    python benchmarks/intervals.py --runs 1000

Every run draws a study of two arms with a known truth (`medcl.testing.simulated_study`).
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from medcl.evaluate import evaluate
from medcl.evaluate.predictions import Panel, make_panel
from medcl.progress import track
from medcl.statistics import Sample, delong, draw_patients, mcnemar, over_seeds
from medcl.statistics.metrics import areas
from medcl.testing.simulated_study import expected_auroc, study

ARM, BASELINE, BUDGET = "simclr-probe", "supervised", "5/class"
SETTINGS: dict[str, dict[str, Any]] = {
    "5 seeds, 120 patients": {"seeds": 5, "patients": 120},
    "5 seeds, 60 patients of 3 scans": {"seeds": 5, "patients": 60, "scans_per_patient": 3},
    "5 seeds that differ much, 200 patients": {"seeds": 5, "patients": 200, "between_seeds": 0.4},
    "1 seed, 120 patients": {"seeds": 1, "patients": 120, "between_seeds": 0.0},
    "10 seeds, 400 patients": {"seeds": 10, "patients": 400},
}


def samples(panel: Panel, seed: int, draws: int = 1000) -> tuple[Sample, Sample, Sample]:
    """Return the AUROC of the arm, of the baseline, and their difference, as `evaluate` makes them."""
    resampler = draw_patients(panel.patient, panel.truth, draws, seed)
    blocks = []
    for arm in (ARM, BASELINE):
        scores = panel.probability[list(panel.rows(arm, BUDGET).values())]
        one = np.ones((len(panel.truth), 1))
        values = np.array([areas(panel.truth, score, one)[0][0] for score in scores])
        drawn, left_out = (
            np.stack([repeat(lambda w, score=score: areas(panel.truth, score, w)[0]) for score in scores])
            for repeat in (resampler.apply, resampler.jackknife)
        )
        blocks.append((values, drawn, left_out))
    difference = tuple(one - two for one, two in zip(*blocks, strict=True))
    of_arm, of_baseline, of_difference = (over_seeds(*block, resampler) for block in (*blocks, difference))
    return of_arm, of_baseline, of_difference


def coverage(runs: int, setting: dict[str, Any]) -> dict[str, float]:
    """Return how often 95 % intervals of two AUROCs, .88 and .80, and of their difference hold the truth."""
    truths = [expected_auroc(value, setting.get("between_seeds", 0.15)) for value in (0.88, 0.80)]
    truths.append(truths[0] - truths[1])
    hits = []
    for run in track(range(runs), "coverage"):
        panel = make_panel(study({ARM: {BUDGET: 0.88}, BASELINE: {BUDGET: 0.80}}, rng=run, **setting))
        ends = [sample.interval() for sample in samples(panel, run)]
        hits.append([low <= truth <= high for truth, (low, high) in zip(truths, ends, strict=True)])
    return dict(zip((ARM, BASELINE, "difference"), np.mean(hits, axis=0).round(4).tolist(), strict=True))


def type_one(runs: int, setting: dict[str, Any]) -> dict[str, float]:
    """Return how often tests at .05 reject between arms of equal AUROC .85 (DeLong, McNemar: one seed)."""
    rejected = []
    for run in track(range(runs), "type-I error"):
        equal = {ARM: {BUDGET: 0.85}, BASELINE: {BUDGET: 0.85}}
        panel = make_panel(study(equal, rng=10_000 + run, **setting))
        rejections = [samples(panel, run)[2].p_value() < 0.05]
        if setting["seeds"] == 1:
            correct = (panel.probability >= 0.5) == panel.truth
            rejections.append(delong(panel.truth, *panel.probability).p < 0.05)
            rejections.append(
                mcnemar(int((correct[0] & ~correct[1]).sum()), int((correct[1] & ~correct[0]).sum())) < 0.05
            )
        rejected.append(rejections)
    return dict(
        zip(("bootstrap", "DeLong", "McNemar"), np.mean(rejected, axis=0).round(4).tolist(), strict=False)
    )


def null_studies(runs: int, setting: dict[str, Any]) -> dict[str, float]:
    """Return how often a whole study of three budgets whose arms are equal claims an effect."""
    budgets = {"5/class": 0.80, "20/class": 0.86, "all": 0.92}
    answers = [
        evaluate(study({ARM: budgets, BASELINE: budgets}, rng=20_000 + run, **setting), seed=run).answer
        for run in track(range(runs), "null studies")
    ]
    return {
        "claims": float(np.mean(["did not beat the supervised baseline: no" not in text for text in answers]))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--setting", choices=sorted(SETTINGS), help="one setting only")
    parts = {"coverage": coverage, "type-one": type_one, "null-studies": null_studies}
    parser.add_argument("--part", choices=sorted(parts), help="one simulation only")
    arguments = parser.parse_args()
    for name, setting in SETTINGS.items():
        for part, simulate in parts.items():
            if arguments.setting in (None, name) and arguments.part in (None, part):
                shares = simulate(arguments.runs, setting)
                print(json.dumps({"setting": name, "runs": arguments.runs, part: shares}), flush=True)


if __name__ == "__main__":
    main()
