"""What a study says of itself: the facts that its report is written from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from medcl.files import read_json
from medcl.finetune import Budget, Task, draw_labels
from medcl.finetune.near_duplicates import BITS_APART, COSINE
from medcl.runs.folder import environment, hash_file
from medcl.study.config import StudyConfig, expand


def study_facts(
    config: StudyConfig,
    out: Path,
    task: Task,
    budgets: Sequence[Budget],
    summary: dict[str, Any],
    copies: pd.DataFrame,
) -> dict[str, Any]:
    """Collect what the report must say of the study; `copies` is what `near_duplicates` found."""
    primary = config.primary
    labels = {budget.text: len(draw_labels(task, budget, config.seeds[0]).train) for budget in budgets}
    return {
        "title": config.title,
        "question": config.question,
        "negative": config.negative.name,
        "positive": config.positive.name,
        "modality": ", ".join(sorted(set(task.store.scans["modality"]) - {"unknown"})) or None,
        "synthetic": config.synthetic,
        "transductive": set(config.pretrain.splits) != {"train"},
        "counts": {split: _count(task, split) for split in ("train", "val", "test")},
        "labels": labels,
        "arms": _describe_arms(config),
        "warnings": [*_leaks(copies, task), *_unfilled(config, out)],
        "notes": [*_notes(task), *_pairs(copies)],
        "done": [*_done(config, out, summary), _searched(copies)],
        "not_done": [
            "No reader study: no radiologist has looked at these cases in this study.",
            "No external test: training and test scans come from one archive.",
        ],
        "protocol": {
            "primary": primary.arm,
            "baseline": primary.baseline,
            "metric": primary.metric,
            "budgets": list(primary.budgets),
        },
        "kept": [],
        "pretrain_seconds": float(summary["seconds"]),
        "device": str(summary["device"]),
        "versions": environment()["packages"],
        "provenance": {
            "study.yaml": hash_file(out / "study.yaml"),
            "store": hash_file(out / "store" / "scans.parquet"),
            "encoder": hash_file(out / "pretrain" / "encoder.safetensors"),
        },
    }


def _count(task: Task, split: str) -> dict[str, int]:
    rows = getattr(task, split)
    return {
        "scans": len(rows),
        "patients": len(set(task.patients[rows])),
        "positive": int(task.truth[rows].sum()),
    }


def _describe_arms(config: StudyConfig) -> dict[str, str]:
    method, network = config.pretrain.method.name, config.pretrain.encoder.name
    known = {
        f"{method}-probe": f"logistic regression on frozen features of the pretrained {network}",
        f"{method}-knn": f"vote of the nearest labeled scans by features of the pretrained {network}",
        f"{method}-spread": f"labels spread over all training scans by features of the pretrained {network}",
        f"{method}-finetune": f"the pretrained {network} with its probe as head, all trained on the labels",
        f"{method}-fixmatch": f"the pretrained {network}, fine-tuned with pseudo-labels of unlabeled scans",
        f"{method}-mean-teacher": f"the pretrained {network}, fine-tuned to agree with its own running mean "
        "on unlabeled scans",
        f"{method}-distil": "a student of the fine-tuned network on labeled and unlabeled training scans",
        "external-probe": f"logistic regression on features of a {network} with weights made elsewhere",
        "external-finetune": f"a {network} with weights made elsewhere and its probe as head, all trained",
        "supervised": f"the same {network} from random weights, trained on the labels (the baseline)",
        "random-probe": f"logistic regression on features of a {network} with random weights (control)",
        "classical": "logistic regression on intensity and texture",
        "shuffled-labels": "the probe, taught shuffled labels (control)",
        "metadata-only": "logistic regression on scanner, site, matrix and spacing (control)",
        "background-only": "logistic regression on the rim of the image (control)",
        "size-and-mean": "logistic regression on the scan's size and mean value (control)",
    }
    return {arm: known[arm] for arm in config.arms}


def _notes(task: Task) -> list[str]:
    """Say what `prepare` found: copies, contradicting labels, unreadable scans, unknown patients."""
    facts, scans = task.store.record, task.store.scans
    copies = facts["duplicates"]
    notes = [
        f"{copies['copies']} exact copies of other scans were set aside, {copies['crossing_splits']} of them "
        "stood in another split of the source."
    ]
    if copies["conflicting_labels"]:
        notes.append(
            f"{copies['conflicting_labels']} scans with the same pixels but contradicting labels were set "
            "aside: nobody knows which is right."
        )
    if facts["faults"]:
        notes.append(f"{len(facts['faults'])} scans could not be read; store.json gives the reasons.")
    unknown = scans["flags"].fillna("").str.contains("PATIENT_UNKNOWN").sum()
    if unknown:
        notes.append(
            f"{unknown} of {len(scans)} scans name no patient: each counts as its own, so nothing here is a "
            "claim about patients, and scans of one patient may stand on both sides of a split."
        )
    return notes


LISTED = 20
"""Pairs of near-duplicates that the report names; the others stand in the table."""


def _searched(copies: pd.DataFrame) -> str:
    return (
        "Near-duplicates of test scans were searched for among training and validation scans, by features of "
        f"the pretrained encoder (cosine at least {COSINE:g}) and a perceptual hash (at most "
        f"{BITS_APART:.0%} of bits apart): {len(copies)} pairs."
    )


def _leaks(copies: pd.DataFrame, task: Task) -> list[str]:
    """Warn of near-duplicates: they are left where they are, and whoever reads the results must know."""
    if copies.empty:
        return []
    return [
        f"{copies['scan'].nunique()} of {len(task.store.rows('test'))} test scans look like a training or "
        "validation scan and may be the same patient's; they were kept, and results may be too good."
    ]


def _pairs(copies: pd.DataFrame) -> list[str]:
    if copies.empty:
        return []
    pairs = copies[["scan", "other", "other_split", "cosine"]].head(LISTED)
    told = [f"{scan} and {other} ({split}, {cosine:.3f})" for scan, other, split, cosine in pairs.to_numpy()]
    more = len(copies) - len(told)
    rest = f"; {more} more in near_duplicates.parquet" if more else ""
    return [f"Near-duplicates, nearest first, with cosine of their features: {', '.join(told)}{rest}."]


def _done(config: StudyConfig, out: Path, summary: dict[str, Any]) -> list[str]:
    method, pre = config.pretrain.method.name, config.pretrain
    rates = len(config.training.learning_rates)
    seen = "no validation or test scan was seen" if set(pre.splits) == {"train"} else "labels were not used"
    return [
        f"One {method} pretraining on {int(summary['scans'])} scans ({', '.join(pre.splits)}) without their "
        f"labels, {pre.epochs} epochs, seed {pre.seed}; {seen}.",
        *_initial_weights(config),
        *_outside_weights(config, out),
        f"{len(config.seeds)} seeds, each with its own draw of labeled scans, initial weights and order; "
        "all arms share the draws. Where a budget takes all labels only weights and order differ, and a "
        "probe of the one pretrained encoder not at all.",
        "Validation scans are drawn as the training labels are and are no more than them; thresholds and all "
        "choices were made on them alone.",
        f"Search budget: every arm compared at most {config.training.candidates} candidates on its validation "
        "scans: strengths of a logistic regression, numbers of neighbors, reaches of a spreading label, or "
        "states of a network in training. Arms that fine-tune spent half of them on their first probe.",
        f"Arms that train a network: {config.training.steps} steps at each of {rates} learning rates, the "
        "same views for all. Fine-tuning starts from the probe and is kept "
        "only where it raises the validation AUROC by a standard error of the paired difference (DeLong).",
        *_pooling(config),
        "Probabilities (but the votes of neighbors) were calibrated by one temperature, fitted on the "
        "validation scans (Guo et al. 2017), which leaves their order as it is.",
        f"Energy is an estimate: processor seconds of an arm's cells at {config.watts_per_core:g} W a core, "
        "without memory, cooling and pretraining. Peak memory is of the process, mapped scans included.",
        "The test set was opened once a cell.",
    ]


def _pooling(config: StudyConfig) -> list[str]:
    """Say how slices became volumes, where that differs between arms."""
    words = {"attention": "gated attention", "gru": "a recurrent network that reads them in order"}
    if config.training.pooling == "max":
        return []
    return [f"Slices of a volume: probes take their maximum, networks {words[config.training.pooling]}."]


def _initial_weights(config: StudyConfig) -> list[str]:
    """Say where pretraining started, if not at random: such weights may have seen the test scans."""
    weights = config.pretrain.initial_weights
    if weights is None:
        return []
    return [
        f"Pretraining started from weights made elsewhere (SHA-256 {hash_file(weights)[:16]}); medcl "
        "cannot tell on which scans, and the random baseline had none."
    ]


def _unfilled(config: StudyConfig, out: Path) -> list[str]:
    """Warn of outside weights that hardly fill the network: an arm of that name is then a random one."""
    if config.external_weights is None:
        return []
    told = read_json(out / "external_weights.json")
    unfilled, filled = len(told["missing"]) + len(told["shape_differs"]), len(told["loaded"])
    if unfilled <= filled:
        return []
    return [f"The file of outside weights fills {filled} of the encoder's {filled + unfilled} tensors only."]


def _outside_weights(config: StudyConfig, out: Path) -> list[str]:
    """Say what the arms of outside weights began with."""
    if config.external_weights is None:
        return []
    told = read_json(out / "external_weights.json")
    return [
        f"Outside weights (SHA-256 {hash_file(expand(config.external_weights))[:16]}): {len(told['loaded'])} "
        f"tensors of the encoder were filled from the file, {len(told['missing'])} are not in it and "
        f"{len(told['shape_differs'])} have another shape there; those kept random values. medcl cannot tell "
        "which scans these weights have seen."
    ]
