"""A whole study: archive to report, through every room in order, resumable at every door."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from medcl.archive import Catalog, scan_archive
from medcl.config import Config, dump, load
from medcl.errors import UsageError
from medcl.evaluate import Evaluation, write_report
from medcl.evaluate.thresholds import operating_points
from medcl.files import read_json, write_json, write_table, write_text
from medcl.finetune import Budget, ClassConfig, Images, Task, TrainingConfig, draw_labels, make_task
from medcl.finetune.arms import Bench, arm_names
from medcl.finetune.cells import Cell, plan_cells, run_cells
from medcl.finetune.model import Model, ModelConfig
from medcl.pretrain import PretrainConfig, PretrainSettings, ViewsConfig, load_encoder, pretrain
from medcl.runs.folder import environment, exclusive, hash_file
from medcl.store import Store, prepare
from medcl.views import load_policy


class PrimaryConfig(Config):
    """The comparison that is stated before the run; everything else in the report is exploratory."""

    arm: str
    baseline: str = "supervised"
    metric: str = "auroc"
    budgets: tuple[str, ...]


class StudyConfig(Config):
    """One study.

    Attributes:
        archive: folders or files to scan; `$MEDCL_DATA` is expanded.
        labels: a label table, or `folders`; not given for files that carry their own labels.
        views: what every arm sees of a scan.
        training: given alike to all arms that train a network.
        budgets: label budgets such as `5/class`, `1%`, `all`.
        seeds: each draws labels, initial weights and the order of training anew.
        synthetic: every output says that the data are made up.
    """

    title: str
    question: str
    archive: tuple[str, ...]
    labels: str | None = None
    negative: ClassConfig
    positive: ClassConfig
    views: ViewsConfig
    pretrain: PretrainSettings
    training: TrainingConfig = TrainingConfig()
    arms: tuple[str, ...]
    budgets: tuple[str, ...]
    seeds: tuple[int, ...]
    primary: PrimaryConfig
    split_seed: int = 0
    synthetic: bool = False


def expand(path: str) -> Path:
    """Return `path` with `$MEDCL_DATA` filled in: the variable, or `../shared/data` when it is not set."""
    return Path(path.replace("$MEDCL_DATA", os.environ.get("MEDCL_DATA", "../shared/data"), 1))


def run_study(config: StudyConfig, out: Path, workers: int = 1) -> Evaluation:
    """Run `config` into the folder `out`, or go on where an earlier call with the same configuration stopped.

    Raises:
        UsageError: a configuration that cannot be carried out, or a folder of another study.
    """
    budgets = _check(config, out)
    with exclusive(out):
        write_text(dump(config), out / "study.yaml")
        store = _store(config, out)
        task = make_task(store, config.negative, config.positive)
        for budget in budgets:
            for seed in config.seeds:
                draw_labels(task, budget, seed)
        summary = _pretrain(config, out)
        bench = Bench(
            task=task,
            images=_images(config.views),
            training=config.training,
            pretrained=load_encoder(out / "pretrain"),
            network=config.pretrain.encoder,
        )
        method = config.pretrain.method.name
        cells = plan_cells(config.arms, budgets, config.seeds, method)
        predictions, costs = run_cells(bench, cells, out / "cells", method, workers)
        if not (out / "model").is_dir():
            _save_model(config, bench, budgets, predictions, out / "model")
        write_table(predictions, out / "predictions.parquet")
        write_table(costs, out / "costs.parquet")
        write_table(_groups(store), out / "groups.parquet")
        write_json(_facts(config, out, task, budgets, summary), out / "study.json")
        return write_report(out)


def _check(config: StudyConfig, out: Path) -> list[Budget]:
    """Find the faults that need no data before any work is done."""
    budgets = [Budget.parse(text) for text in config.budgets]
    plan_cells(config.arms, budgets, config.seeds, config.pretrain.method.name)
    primary = config.primary
    for arm in (primary.arm, primary.baseline):
        if arm not in config.arms:
            raise UsageError(f"primary: arm '{arm}' is not among the study's arms ({', '.join(config.arms)})")
    for budget in primary.budgets:
        if budget not in config.budgets:
            raise UsageError(f"primary: budget '{budget}' is not among the study's budgets")
    load_policy(config.views.policy, config.views.variant)
    if out.exists() and any(out.iterdir()):
        kept = out / "study.yaml"
        if not kept.is_file() or load(kept, StudyConfig) != config:
            raise UsageError(f"{out} holds something else than this study; name a new folder")
    return budgets


def _store(config: StudyConfig, out: Path) -> Store:
    if (out / "store" / "store.json").is_file():
        return Store.open(out / "store")
    if (out / "catalog" / "catalog.parquet").is_file():
        catalog = Catalog.open(out / "catalog")
    else:
        catalog = scan_archive([expand(path) for path in config.archive], out / "catalog")
    labels = config.labels if config.labels in (None, "folders") else expand(config.labels)
    return prepare(catalog, out / "store", labels, config.split_seed)


def _pretrain(config: StudyConfig, out: Path) -> dict[str, Any]:
    run = out / "pretrain"
    if (run / "summary.json").is_file():
        return read_json(run / "summary.json")
    settings = config.pretrain.model_dump()
    told = PretrainConfig(store=out / "store", views=config.views, **settings)
    return pretrain(told, run, resume=(run / "config.yaml").is_file())


def _images(views: ViewsConfig) -> Images:
    return Images(load_policy(views.policy, views.variant), views.size_px, views.slices)


def _save_model(
    config: StudyConfig, bench: Bench, budgets: Sequence[Budget], predictions: pd.DataFrame, folder: Path
) -> None:
    """Fit the primary arm, if it is a network, once more at the largest budget: for `medcl predict`."""
    cell = Cell(config.primary.arm, budgets[-1], config.seeds[0])
    chosen = (predictions["arm"] == cell.arm) & (predictions["budget"] == cell.budget.text)
    validation = predictions[chosen & (predictions["seed"] == cell.seed) & (predictions["split"] == "val")]
    labelled = draw_labels(bench.task, cell.budget, cell.seed)
    arm = arm_names(config.pretrain.method.name)[cell.arm]
    outcome = arm(bench, labelled, cell.seed, labelled.val)
    if outcome.classifier is None:
        return
    points = operating_points(validation["truth"].to_numpy(), validation["probability"].to_numpy())
    used = ModelConfig(
        encoder=outcome.classifier.encoder.config,
        views=config.views,
        names=bench.task.names,
        threshold=points[0].threshold,
        units=tuple(sorted(set(bench.task.store.scans["unit"]))),
        arm=cell.arm,
        budget=cell.budget.text,
        seed=cell.seed,
    )
    Model(outcome.classifier, used).save(folder)


def _facts(
    config: StudyConfig, out: Path, task: Task, budgets: Sequence[Budget], summary: dict[str, Any]
) -> dict[str, Any]:
    """Collect what the report must say of the study."""
    primary = config.primary
    labels = {budget.text: len(draw_labels(task, budget, config.seeds[0]).train) for budget in budgets}
    return {
        "title": config.title,
        "question": config.question,
        "negative": config.negative.name,
        "positive": config.positive.name,
        "modality": ", ".join(sorted(set(task.store.scans["modality"]) - {"unknown"})) or None,
        "synthetic": config.synthetic,
        "transductive": False,
        "counts": {split: _count(task, split) for split in ("train", "val", "test")},
        "labels": labels,
        "arms": _describe_arms(config),
        "notes": _notes(task),
        "done": _done(config, summary),
        "not_done": [
            "No reader study: no radiologist has looked at these cases in this study.",
            "No data from another hospital: nothing is known of other sites, scanners or populations.",
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


def _groups(store: Store) -> pd.DataFrame:
    """Return what is known of the patients and scanners, for the table of subgroups."""
    known = [name for name in ("site", "sex", "age", "manufacturer") if name in store.scans]
    groups = store.scans[["scan", *known]]
    return groups.dropna(axis="columns", how="all")


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
        f"{method}-finetune": f"the pretrained {network} with that probe as head, all trained on the labels",
        f"{method}-fixmatch": "the same, with pseudo-labels of unlabelled training scans",
        f"{method}-mean-teacher": "the same, in agreement with its own running average on unlabelled scans",
        f"{method}-distil": "a student of the fine-tuned network on labelled and unlabelled training scans",
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
    facts, scans = task.store.facts, task.store.scans
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


def _done(config: StudyConfig, summary: dict[str, Any]) -> list[str]:
    method, pre = config.pretrain.method.name, config.pretrain
    rates = len(config.training.learning_rates)
    return [
        f"One {method} pretraining on {int(summary['scans'])} training scans without their labels, "
        f"{pre.epochs} epochs, seed {pre.seed}; no validation or test scan was seen.",
        f"{len(config.seeds)} seeds, each with its own draw of labelled scans, initial weights and order; "
        "all arms share the draws.",
        "Validation scans are drawn as the training labels are and are no more than them; thresholds and all "
        "choices were made on them alone.",
        f"Arms that train a network: {config.training.steps} steps, {rates} learning rates tried each, the "
        "best of all evaluations kept, the same views for all. Fine-tuning starts from the probe and is kept "
        "only where it raises the validation AUROC by a standard error.",
        "The test set was opened once a cell.",
    ]
