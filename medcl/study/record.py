"""The record of a study, from which its report is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from medcl.evaluate import ArmRecord, SplitCount, StudyRecord
from medcl.files import read_json
from medcl.finetune import BITS_APART, COSINE, Budget, Task, draw_labels, find_arms
from medcl.names import SPLITS
from medcl.runs import environment, hash_file
from medcl.store import patient_warnings, reason_text
from medcl.study.config import StudyConfig, expand


def study_record(
    config: StudyConfig,
    out: Path,
    task: Task,
    budgets: Sequence[Budget],
    summary: dict[str, Any],
    duplicates: pd.DataFrame,
) -> StudyRecord:
    """Return the record of a study whose experiment cells are complete.

    Args:
        config: Configuration of the study.
        out: Folder of the study.
        task: Scans and truth.
        budgets: Label budgets.
        summary: Summary of pretraining.
        duplicates: Table of near-duplicates.
    """
    labels = {budget.text: len(draw_labels(task, budget, config.seeds[0]).train) for budget in budgets}
    return StudyRecord(
        title=config.title,
        question=config.question,
        negative=config.negative.name,
        positive=config.positive.name,
        modality=", ".join(sorted(set(task.store.scans["modality"]) - {"unknown"})) or None,
        synthetic=config.synthetic,
        transductive=set(config.pretrain.splits) != {"train"},
        counts={split: _count(task, split) for split in SPLITS},
        labels=labels,
        arms=_arms(config),
        warnings=[
            *patient_warnings(task.store.scans[task.store.scans["split"] != "excluded"]),
            *_near_duplicate_warnings(duplicates, task),
            *_external_warnings(config, out),
        ],
        notes=[*_data_notes(task), *_near_duplicate_notes(duplicates)],
        done=[*_done(config, out, summary), _near_duplicate_search(duplicates)],
        not_done=[
            "No reader study: no radiologist read these cases in this study.",
            "No external test: training and test scans come from one archive.",
        ],
        primary=config.primary,
        prevalence=config.prevalence,
        departures=[],
        pretrain_seconds=float(summary["seconds"]),
        device=str(summary["device"]),
        versions=environment()["packages"],
        provenance={
            "study.yaml": hash_file(out / "study.yaml"),
            "store": hash_file(out / "store" / "scans.arrow"),
            "encoder": hash_file(out / "pretrain" / "encoder.safetensors"),
        },
    )


def _count(task: Task, split: str) -> SplitCount:
    rows = getattr(task, split)
    return SplitCount(
        scans=len(rows), patients=len(set(task.patients[rows])), positive=int(task.truth[rows].sum())
    )


def _arms(config: StudyConfig) -> dict[str, ArmRecord]:
    method = config.pretrain.method.name
    own, external = config.pretrain.encoder.name, config.external_network.name
    return {
        name: ArmRecord(
            description=arm.described(method, external if arm.needs == "external weights" else own),
            control=arm.control,
            implication=arm.implication if arm.control else "",
        )
        for name, arm in find_arms(config.arms, method).items()
    }


COPIES = ("EXACT_COPY", "CONFLICTING_LABELS")


def _data_notes(task: Task) -> list[str]:
    """Describe duplicates, contradictory labels and what was left out."""
    record = task.store.record
    duplicates = record["duplicates"]
    notes = [
        f"{duplicates['copies']} exact copies of other scans were set aside, {duplicates['crossing_splits']} "
        "of them in another split of the source."
    ]
    if duplicates["conflicting_labels"]:
        notes.append(
            f"{duplicates['conflicting_labels']} scans with the same pixels but contradictory labels were "
            "set aside, since it is not known which label is right."
        )
    left_out = {code: count for code, count in record["left_out"].items() if code not in COPIES}
    if left_out:
        text = "; ".join(f"{count} {code} ({reason_text(code)})" for code, count in left_out.items())
        notes.append(f"Scans left out, by reason: {text}.")
    return notes


MAX_LISTED = 20
"""Pairs of near-duplicates that the report lists; the others are in the table."""


def _near_duplicate_search(duplicates: pd.DataFrame) -> str:
    return (
        "Near-duplicates of test scans were searched for among training and validation scans, by features of "
        f"the pretrained encoder (cosine at least {COSINE:g}) and a perceptual hash (at most "
        f"{BITS_APART:.0%} of bits apart): {len(duplicates)} pairs."
    )


def _near_duplicate_warnings(duplicates: pd.DataFrame, task: Task) -> list[str]:
    """Warn of near-duplicates, which are not removed."""
    if duplicates.empty:
        return []
    return [
        f"{duplicates['scan'].nunique()} of {len(task.store.rows('test'))} test scans look like a training "
        "or validation scan and may be of the same patient; they were not removed, so results may be "
        "too good."
    ]


def _near_duplicate_notes(duplicates: pd.DataFrame) -> list[str]:
    if duplicates.empty:
        return []
    listed = duplicates[["scan", "other", "other_split", "cosine"]].head(MAX_LISTED)
    pairs = [
        f"{scan} and {other} ({split}, {cosine:.3f})" for scan, other, split, cosine in listed.to_numpy()
    ]
    more = len(duplicates) - len(pairs)
    rest = f"; {more} more in near_duplicates.parquet" if more else ""
    return [f"Near-duplicates, nearest first, with cosine of their features: {', '.join(pairs)}{rest}."]


def _done(config: StudyConfig, out: Path, summary: dict[str, Any]) -> list[str]:
    method, pre, training = config.pretrain.method.name, config.pretrain, config.training
    inductive = set(pre.splits) == {"train"}
    unseen = "no validation or test scan was used" if inductive else "labels were not used"
    return [
        f"One {method} pretraining on {int(summary['scans'])} scans ({', '.join(pre.splits)}) without their "
        f"labels, {pre.epochs} epochs, seed {pre.seed}; {unseen}.",
        *_initial_weights(config),
        *_external_weights(config, out),
        f"{len(config.seeds)} seeds, each with its own draw of labeled scans, initial weights and order of "
        "training; all arms share the draws. Where a budget includes all labels, only weights and order "
        "differ between seeds, and a probe of the one pretrained encoder does not differ at all.",
        "Validation scans are drawn as the training labels are and are no more than them; thresholds and "
        "hyperparameters were selected on them alone.",
        f"Search budget: every arm compared at most {training.candidates} candidates on its validation "
        "scans: strengths of a logistic regression, numbers of neighbors, values of alpha in label "
        "spreading, or states of a network in training. Arms that fine-tune used half of them for "
        "their initial probe.",
        f"Arms that train a network: {training.steps} steps at each of {len(training.learning_rates)} "
        "learning rates, with the same views. Fine-tuning starts from the probe and replaces it only if it "
        "raises the validation AUROC by a standard error of the paired difference (DeLong).",
        *_pooling(config),
        "Probabilities (except the votes of neighbors) were calibrated by one temperature, fitted on the "
        "validation scans (Guo et al. 2017), which does not change their order.",
        "Energy is an estimate: processor seconds of an arm's experiment cells (one arm, budget and seed) at "
        f"{config.watts_per_core:g} W per core, without memory, cooling and pretraining. Peak memory is that "
        "of the process, memory-mapped scans included.",
        "The test set was used once per experiment cell.",
    ]


def _pooling(config: StudyConfig) -> list[str]:
    """Describe how slices were pooled, where that differs between arms."""
    names = {"attention": "gated attention", "gru": "a recurrent network that reads them in order"}
    if config.training.pooling == "max":
        return []
    return [f"Slices of a volume: probes use their maximum, networks {names[config.training.pooling]}."]


def _initial_weights(config: StudyConfig) -> list[str]:
    """Describe where pretraining started, if not at random: such weights may have seen the test scans."""
    weights = config.pretrain.initial_weights
    if weights is None:
        return []
    return [
        f"Pretraining started from external weights (SHA-256 {hash_file(weights)[:16]}). It is not known on "
        "which scans they were trained, and the random baseline did not have them."
    ]


def _external_warnings(config: StudyConfig, out: Path) -> list[str]:
    """Warn of external weights that fill less than half of the network: such an arm is nearly random."""
    if config.external_weights is None:
        return []
    matched = read_json(out / "external_weights.json")
    unfilled, filled = len(matched["missing"]) + len(matched["shape_differs"]), len(matched["loaded"])
    if unfilled <= filled:
        return []
    return [
        f"The file of external weights fills only {filled} of the encoder's {filled + unfilled} tensors; the "
        "others have random values."
    ]


def _external_weights(config: StudyConfig, out: Path) -> list[str]:
    """Describe the weights that the arms with external weights started from."""
    if not config.has_external:
        return []
    if config.external_weights is None:
        name = config.external_network.name
        return [f"{name} loaded its own weights. It is not known on which scans they were trained."]
    matched = read_json(out / "external_weights.json")
    return [
        f"External weights (SHA-256 {hash_file(expand(config.external_weights))[:16]}): "
        f"{len(matched['loaded'])} tensors of the encoder were filled from the file, "
        f"{len(matched['missing'])} are not in it and {len(matched['shape_differs'])} have another shape "
        "there; those have random values. It is not known on which scans these weights were trained."
    ]
