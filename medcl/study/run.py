"""A whole study from archive to report; the same command resumes it after any interruption."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from medcl.archive import Catalog, scan_archive
from medcl.errors import UsageError
from medcl.evaluate import Evaluation, write_record, write_report
from medcl.files import read_json, write_json, write_table
from medcl.finetune import (
    ArmContext,
    Budget,
    ExperimentCell,
    Images,
    Model,
    ModelConfig,
    draw_labels,
    find_arms,
    make_task,
    near_duplicates,
    plan_experiment_cells,
    run_experiment_cells,
)
from medcl.pretrain import (
    Encoder,
    PretrainConfig,
    build_encoder,
    load_encoder,
    load_external_weights,
    pretrain_once,
)
from medcl.runs import check_study_folder, exclusive, hash_file, is_started, start_study
from medcl.statistics import operating_points
from medcl.store import Store, prepare
from medcl.study.config import StudyConfig, expand
from medcl.study.record import study_record
from medcl.study.scan_tables import write_scan_tables
from medcl.views import load_policy

BEFORE_START = ("inputs.json", "catalog", "store")
"""Content of a study folder before the data are checked against the configuration."""


def run_study(config: StudyConfig, out: Path, workers: int = 1) -> Evaluation:
    """Run `config` into the folder `out`, or resume an earlier run with the same configuration.

    Args:
        config: Configuration of the study.
        out: Folder of the study.
        workers: Processes that compute experiment cells side by side.

    Raises:
        UsageError: The configuration cannot be carried out, or the folder holds another study.
    """
    budgets = _check(config, out)
    with exclusive(out):
        store = _prepare_store(config, out, workers)
        task = make_task(store, config.negative, config.positive)
        for budget in budgets:
            for seed in config.seeds:
                draw_labels(task, budget, seed)
        start_study(out, config)
        external = _load_external(config, out)
        pretraining = PretrainConfig(store=out / "store", views=config.views, **config.pretrain.model_dump())
        summary = pretrain_once(pretraining, out / "pretrain")
        context = ArmContext(
            task=task,
            images=Images.of(config.views, config.pretrain.encoder),
            training=config.training,
            pretrained=load_encoder(out / "pretrain"),
            network=config.pretrain.encoder,
            external=external,
        )
        method = config.pretrain.method.name
        cells = plan_experiment_cells(config.arms, budgets, config.seeds)
        duplicates = _find_near_duplicates(context, out / "near_duplicates.parquet")
        predictions, costs = run_experiment_cells(context, cells, out / "experiment_cells", method, workers)
        if not (out / "model").is_dir():
            _save_model(config, context, budgets, out / "model")
        write_table(predictions, out / "predictions.parquet")
        write_table(_with_energy(costs, config.watts_per_core), out / "costs.parquet")
        write_scan_tables(context, out)
        write_record(study_record(config, out, task, budgets, summary, duplicates), out / "study.json")
        return write_report(out)


def _check(config: StudyConfig, out: Path) -> list[Budget]:
    """Check all that needs no data, before any work is done."""
    budgets = [Budget.parse(text) for text in config.budgets]
    arms = find_arms(config.arms, config.pretrain.method.name)
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
            raise UsageError(f"{path}: no such archive; set 'archive', or $MEDCL_DATA if it is used there")
    weights = config.external_weights
    if not config.has_external and any(arm.needs == "external weights" for arm in arms.values()):
        raise UsageError("arms with external weights need a file of them: set 'external_weights'")
    if weights is not None and not expand(weights).is_file():
        raise UsageError(f"{expand(weights)}: no such file of weights; set 'external_weights'")
    if config.labels not in (None, "folders") and not expand(config.labels).is_file():
        raise UsageError(f"{expand(config.labels)}: no such label table; set 'labels'")
    check_study_folder(out, config, BEFORE_START)
    return budgets


def _prepare_store(config: StudyConfig, out: Path, workers: int) -> Store:
    """Scan and prepare, unless that was done from the same inputs.

    Raises:
        UsageError: The label table, the external weights or the path of the archive has changed since the
            study started.
    """
    labels = config.labels if config.labels in (None, "folders") else expand(config.labels)
    archives = [expand(path) for path in config.archive]
    inputs = {
        "archive": [str(path) for path in archives],
        "follow_links": config.follow_links,
        "labels": hash_file(labels) if isinstance(labels, Path) else labels,
        "external_weights": hash_file(expand(config.external_weights)) if config.external_weights else None,
        "split_seed": config.split_seed,
    }
    path = out / "inputs.json"
    if path.is_file() and read_json(path) != inputs:
        if is_started(out):
            raise UsageError(
                f"{out}: its labels, its external weights or the path of its archive have changed; "
                "name a new folder"
            )
        for name in ("catalog", "store"):
            shutil.rmtree(out / name, ignore_errors=True)
    write_json(inputs, path)
    if (out / "store" / "store.json").is_file():
        return Store.open(out / "store")
    scanned = (out / "catalog" / "catalog.parquet").is_file()
    catalog = (
        Catalog.open(out / "catalog")
        if scanned
        else scan_archive(archives, out / "catalog", follow_links=config.follow_links)
    )
    return prepare(catalog, out / "store", labels, config.split_seed, workers=workers)


def _load_external(config: StudyConfig, out: Path) -> Encoder | None:
    """Return the network with external weights, and write a report of which of a file's fitted."""
    if not config.has_external:
        return None
    encoder = build_encoder(config.external_network, 0)
    if config.external_weights is not None:
        matched = load_external_weights(encoder, expand(config.external_weights))
        write_json(asdict(matched), out / "external_weights.json")
    return encoder.eval()


def _find_near_duplicates(context: ArmContext, path: Path) -> pd.DataFrame:
    """Search once; the table is kept in the study folder."""
    if not path.is_file():
        write_table(near_duplicates(context.task.store, context.images, context.features()), path)
    return pd.read_parquet(path)


def _save_model(config: StudyConfig, context: ArmContext, budgets: Sequence[Budget], folder: Path) -> None:
    """Fit the primary arm, if it is a network, once more at the largest budget, for `medcl predict`."""
    seed = config.seeds[0]
    largest = max(budgets, key=lambda budget: len(draw_labels(context.task, budget, seed).train))
    cell = ExperimentCell(config.primary.arm, largest, seed)
    labeled = draw_labels(context.task, cell.budget, cell.seed)
    arm = find_arms([cell.arm], config.pretrain.method.name)[cell.arm]
    result = arm.run(context, labeled, cell.seed, labeled.val)
    if result.classifier is None:
        return
    points = operating_points(context.task.truth[labeled.val], result.probability)
    model = ModelConfig(
        encoder=result.classifier.encoder.config,
        pooling=result.classifier.pooling,
        views=config.views,
        names=context.task.names,
        threshold=points[0].threshold,
        units=tuple(sorted(set(context.task.store.scans["unit"]))),
        modalities=tuple(sorted(set(context.task.store.scans["modality"]))),
        arm=cell.arm,
        budget=cell.budget.text,
        seed=cell.seed,
        store_form=context.task.store.form,
    )
    Model(result.classifier, model).save(folder)


def _with_energy(costs: pd.DataFrame, watts_per_core: float) -> pd.DataFrame:
    """Add `energy_wh`, estimated from processor time.

    The energy counters of the processor (RAPL) would be better, but only root may read them (CVE-2020-8694).
    """
    return costs.assign(energy_wh=costs["processor_seconds"] * watts_per_core / 3600)
