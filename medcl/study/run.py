"""A whole study: archive to report, through every room in order, resumable at every door."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from medcl.archive import Catalog, scan_archive
from medcl.config import dump, load
from medcl.errors import UsageError
from medcl.evaluate import Evaluation, write_report
from medcl.files import read_json, write_json, write_table, write_text
from medcl.finetune import Budget, Images, draw_labels, make_task
from medcl.finetune.arms.base import ArmContext
from medcl.finetune.arms.registry import arm_names
from medcl.finetune.cells import Cell, plan_cells, run_cells
from medcl.finetune.model import Model, ModelConfig
from medcl.finetune.near_duplicates import near_duplicates
from medcl.pretrain import Encoder, PretrainConfig, build_encoder, load_encoder, pretrain
from medcl.pretrain.networks.external_weights import load_external_weights
from medcl.runs.folder import exclusive, hash_file
from medcl.statistics.thresholds import operating_points
from medcl.store import Store, prepare
from medcl.study.config import StudyConfig, expand
from medcl.study.record import study_facts
from medcl.views import load_policy


def run_study(config: StudyConfig, out: Path, workers: int = 1) -> Evaluation:
    """Run `config` into the folder `out`, or go on where an earlier call with the same configuration stopped.

    Raises:
        UsageError: a configuration that cannot be carried out, or a folder of another study.
    """
    budgets = _check(config, out)
    with exclusive(out):
        store = _store(config, out)
        task = make_task(store, config.negative, config.positive)
        for budget in budgets:
            for seed in config.seeds:
                draw_labels(task, budget, seed)
        write_text(dump(config), out / "study.yaml")
        outside = _outside(config, out)
        summary = _pretrain(config, out)
        context = ArmContext(
            task=task,
            images=Images.of(config.views, config.pretrain.encoder),
            training=config.training,
            pretrained=load_encoder(out / "pretrain"),
            network=config.pretrain.encoder,
            outside=outside,
        )
        method = config.pretrain.method.name
        cells = plan_cells(config.arms, budgets, config.seeds, method)
        copies = _near_duplicates(context, out / "near_duplicates.parquet")
        predictions, costs = run_cells(context, cells, out / "cells", method, workers)
        if not (out / "model").is_dir():
            _save_model(config, context, budgets, out / "model")
        write_table(predictions, out / "predictions.parquet")
        write_table(_with_energy(costs, config.watts_per_core), out / "costs.parquet")
        write_table(_groups(store), out / "groups.parquet")
        write_json(study_facts(config, out, task, budgets, summary, copies), out / "study.json")
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
    for path in map(expand, config.archive):
        if "://" not in str(path) and not path.exists():
            raise UsageError(f"{path}: no such archive; set 'archive', or $MEDCL_DATA if it names that")
    outside = config.external_weights
    if outside is None and any(arm.startswith("outside-") for arm in config.arms):
        raise UsageError("arms of outside weights need a file of them: set 'external_weights'")
    if outside is not None and not expand(outside).is_file():
        raise UsageError(f"{expand(outside)}: no such file of weights; set 'external_weights'")
    if config.labels not in (None, "folders") and not expand(config.labels).is_file():
        raise UsageError(f"{expand(config.labels)}: no such label table; set 'labels'")
    kept = out / "study.yaml"
    if kept.is_file() and load(kept, StudyConfig) != config:
        raise UsageError(f"{out} holds another study than this; name a new folder")
    if out.exists() and not kept.is_file() and {path.name for path in out.iterdir()} - BEFORE_THE_STUDY:
        raise UsageError(f"{out} holds something else than a study; name a new folder")
    return budgets


BEFORE_THE_STUDY = {".lock", "inputs.json", "catalog", "store"}
"""What a study folder may hold before the data were found to fit the configuration."""


def _store(config: StudyConfig, out: Path) -> Store:
    """Scan and prepare, unless that was done from the same inputs.

    Raises:
        UsageError: the label table, the outside weights or the archive's place has changed since the study
            began.
    """
    labels = config.labels if config.labels in (None, "folders") else expand(config.labels)
    archives = [expand(path) for path in config.archive]
    inputs = {
        "archive": [str(path) for path in archives],
        "labels": hash_file(labels) if isinstance(labels, Path) else labels,
        "external_weights": hash_file(expand(config.external_weights)) if config.external_weights else None,
        "split_seed": config.split_seed,
    }
    kept = out / "inputs.json"
    if kept.is_file() and {"external_weights": None, **read_json(kept)} != inputs:
        if (out / "study.yaml").is_file():
            raise UsageError(
                f"{out}: its labels, its outside weights or the place of its archive have changed; "
                "name a new folder"
            )
        for made in ("catalog", "store"):
            shutil.rmtree(out / made, ignore_errors=True)
    write_json(inputs, out / "inputs.json")
    if (out / "store" / "store.json").is_file():
        return Store.open(out / "store")
    known = (out / "catalog" / "catalog.parquet").is_file()
    catalog = Catalog.open(out / "catalog") if known else scan_archive(archives, out / "catalog")
    return prepare(catalog, out / "store", labels, config.split_seed)


def _pretrain(config: StudyConfig, out: Path) -> dict[str, Any]:
    run = out / "pretrain"
    if (run / "summary.json").is_file():
        return read_json(run / "summary.json")
    settings = config.pretrain.model_dump()
    told = PretrainConfig(store=out / "store", views=config.views, **settings)
    return pretrain(told, run, resume=(run / "config.yaml").is_file())


def _outside(config: StudyConfig, out: Path) -> Encoder | None:
    """Return the study's network with the weights of another library, and keep a report of what fitted."""
    if config.external_weights is None:
        return None
    encoder = build_encoder(config.pretrain.encoder, 0)
    matched = load_external_weights(encoder, expand(config.external_weights))
    write_json(matched.as_dict(), out / "external_weights.json")
    return encoder.eval()


def _near_duplicates(context: ArmContext, path: Path) -> pd.DataFrame:
    """Search once; the table stays beside the predictions."""
    if not path.is_file():
        write_table(near_duplicates(context.task.store, context.images, context.features()), path)
    return pd.read_parquet(path)


def _save_model(config: StudyConfig, context: ArmContext, budgets: Sequence[Budget], folder: Path) -> None:
    """Fit the primary arm, if it is a network, once more at the largest budget: for `medcl predict`."""
    seed = config.seeds[0]
    largest = max(budgets, key=lambda budget: len(draw_labels(context.task, budget, seed).train))
    cell = Cell(config.primary.arm, largest, seed)
    labeled = draw_labels(context.task, cell.budget, cell.seed)
    arm = arm_names(config.pretrain.method.name)[cell.arm]
    outcome = arm(context, labeled, cell.seed, labeled.val)
    if outcome.classifier is None:
        return
    points = operating_points(context.task.truth[labeled.val], outcome.probability)
    used = ModelConfig(
        encoder=outcome.classifier.encoder.config,
        pooling=outcome.classifier.pooling,
        views=config.views,
        names=context.task.names,
        threshold=points[0].threshold,
        units=tuple(sorted(set(context.task.store.scans["unit"]))),
        modalities=tuple(sorted(set(context.task.store.scans["modality"]))),
        arm=cell.arm,
        budget=cell.budget.text,
        seed=cell.seed,
    )
    Model(outcome.classifier, used).save(folder)


def _with_energy(costs: pd.DataFrame, watts_per_core: float) -> pd.DataFrame:
    """Add `energy_wh`: an estimate from processor time, where cells have recorded that.

    The counters of the processor (RAPL) would be better, but only root may read them (CVE-2020-8694).
    """
    if "processor_seconds" not in costs:
        return costs
    return costs.assign(energy_wh=costs["processor_seconds"] * watts_per_core / 3600)


def _groups(store: Store) -> pd.DataFrame:
    """Return what is known of the patients and scanners, for the table of subgroups."""
    known = [name for name in ("site", "sex", "age", "manufacturer") if name in store.scans]
    groups = store.scans[["scan", *known]]
    return groups.dropna(axis="columns", how="all")
