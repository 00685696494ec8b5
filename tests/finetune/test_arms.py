from __future__ import annotations

import time
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from sklearn.metrics import roc_auc_score

from medcl.errors import UsageError, WorkFailed
from medcl.evaluate import check_predictions
from medcl.finetune import (
    Budget,
    ClassConfig,
    Classifier,
    Images,
    LinearProbe,
    Task,
    TrainingConfig,
    draw_labels,
    extract_features,
    fit_probe,
    make_task,
    predict,
    train_classifier,
)
from medcl.finetune.arms.base import ArmContext
from medcl.finetune.arms.registry import ARMS
from medcl.finetune.cells import plan_cells, run_cells
from medcl.finetune.model import Model, ModelConfig
from medcl.finetune.probe import auroc_error
from medcl.pretrain import EncoderConfig, ViewsConfig, build_encoder
from medcl.store import Store
from medcl.views import load_policy

NETWORK = EncoderConfig(name="resnet10", width=8, stem="compact")
VIEWS = ViewsConfig(policy="cxr", size_px=32)
SETTINGS = TrainingConfig(steps=40, batch_size=32, learning_rates=(3e-3,), candidates=10)


@pytest.fixture(scope="module")
def task(store: Store) -> Task:
    torch.set_num_threads(1)
    sides = (ClassConfig(name="healthy", labels=("0",)), ClassConfig(name="abnormal", labels=("1",)))
    return make_task(store, *sides)


@pytest.fixture(scope="module")
def context(task: Task) -> ArmContext:
    images = Images(load_policy("cxr"), 32, 1)
    return ArmContext(task, images, SETTINGS, build_encoder(NETWORK, 0).eval(), NETWORK)


def test_a_network_learns_the_task_and_is_chosen_on_validation(task: Task, context: ArmContext) -> None:
    labeled = draw_labels(task, Budget.parse("all"), 0)
    encoder = build_encoder(NETWORK, 1)
    before = [p.clone() for p in encoder.parameters()]
    classifier, chosen = train_classifier(encoder, task, labeled, context.images, SETTINGS, 0)
    probability = predict(classifier, task.store, task.test, context.images)
    assert roc_auc_score(task.truth[task.test], probability) > 0.9
    assert chosen["val_auroc"] > 0.9
    assert all(torch.equal(a, b) for a, b in zip(before, encoder.parameters(), strict=True))


def test_training_is_repeatable(task: Task, context: ArmContext) -> None:
    labeled = draw_labels(task, Budget.parse("5/class"), 0)
    settings = TrainingConfig(steps=6, batch_size=8, learning_rates=(1e-3,), candidates=4)
    twice = [
        predict(
            train_classifier(build_encoder(NETWORK, 1), task, labeled, context.images, settings, 4)[0],
            task.store,
            task.test,
            context.images,
        )
        for _ in range(2)
    ]
    np.testing.assert_array_equal(twice[0], twice[1])


def test_a_probe_as_a_linear_head_says_the_same(task: Task, context: ArmContext) -> None:
    labeled = draw_labels(task, Budget.parse("20/class"), 0)
    features = extract_features(context.pretrained, task.store, context.images)
    probe = fit_probe(features, task, labeled)
    classifier = Classifier.from_probe(context.pretrained, probe)
    told = predict(classifier, task.store, task.test, context.images)
    np.testing.assert_allclose(told, probe.predict_proba(features[task.test])[:, 1], atol=1e-5)


def test_outside_weights_take_the_place_of_the_pretrained_ones(task: Task, context: ArmContext) -> None:
    labeled = draw_labels(task, Budget.parse("5/class"), 0)
    few = SETTINGS.model_copy(update={"steps": 2, "candidates": 4, "learning_rates": (1e-3,)})
    elsewhere = build_encoder(NETWORK, 7).eval()
    outside = ArmContext(task, context.images, few, context.pretrained, NETWORK, elsewhere)
    same = ArmContext(task, context.images, few, elsewhere, NETWORK)
    for name in ("probe", "finetune"):
        told = ARMS[f"outside-{name}"](outside, labeled, 0, task.test).probability
        np.testing.assert_array_equal(told, ARMS[name](same, labeled, 0, task.test).probability)
        with pytest.raises(UsageError, match="external_weights"):
            ARMS[f"outside-{name}"](context, labeled, 0, task.test)


def test_features_of_some_rows_are_those_of_all(task: Task, context: ArmContext) -> None:
    rows = [5, 3, 200]
    some = extract_features(context.pretrained, task.store, context.images, rows)
    np.testing.assert_allclose(
        some, extract_features(context.pretrained, task.store, context.images)[rows], atol=1e-5
    )


def test_the_pool_centers_a_probe_and_its_labels_do_not() -> None:
    generator = np.random.default_rng(0)
    pool = generator.normal(3, 2, (500, 4))
    probe = LinearProbe().fit_pool(pool).fit(pool[:6] + 1, np.array([0, 1, 0, 1, 0, 1]))
    np.testing.assert_allclose(probe.center_, pool.mean(axis=0))
    assert probe.scale_ == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize(("auroc", "positives", "negatives"), [(0.8, 20, 30), (0.95, 60, 60), (0.65, 15, 90)])
def test_the_error_of_an_auroc_is_what_simulation_shows(auroc: float, positives: int, negatives: int) -> None:
    """Exponential scores, for which Hanley and McNeil's formula is exact."""
    generator = np.random.default_rng(0)
    rate = auroc / (1 - auroc)
    truth = np.repeat([1, 0], [positives, negatives])
    drawn = [
        roc_auc_score(
            truth, np.r_[generator.exponential(rate, positives), generator.exponential(1, negatives)]
        )
        for _ in range(2000)
    ]
    assert auroc_error(auroc, truth) == pytest.approx(np.std(drawn), rel=0.1)


def test_cells_are_computed_once_and_make_sound_predictions(context: ArmContext, tmp_path: Path) -> None:
    budgets = [Budget.parse("5/class"), Budget.parse("50%")]
    cells = plan_cells(["simclr-probe", "random-probe"], budgets, [0, 1], "simclr")
    predictions, costs = run_cells(context, cells, tmp_path, "simclr")
    assert not [caveat for caveat in check_predictions(predictions) if "patient" in caveat]
    assert len(costs) == 8
    stamps = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    (tmp_path / f"{cells[0].name}.parquet").unlink()
    again, _ = run_cells(context, cells, tmp_path, "simclr")
    pd.testing.assert_frame_equal(again, predictions)
    changed = {path.name for path in tmp_path.iterdir() if stamps[path.name] != path.stat().st_mtime_ns}
    assert changed == {f"{cells[0].name}.parquet", f"{cells[0].name}.json"}


def test_cells_computed_side_by_side_are_the_same(context: ArmContext, tmp_path: Path) -> None:
    arms = ["simclr-probe", "simclr-finetune", "classical", "shuffled-labels"]
    few = ArmContext(
        context.task, context.images, SETTINGS.model_copy(update={"steps": 4}), context.pretrained, NETWORK
    )
    cells = plan_cells(arms, [Budget.parse("5/class")], [0, 1], "simclr")
    alone, _ = run_cells(few, cells, tmp_path / "alone", "simclr")
    together, costs = run_cells(few, cells, tmp_path / "together", "simclr", workers=2)
    pd.testing.assert_frame_equal(alone, together, check_exact=False, atol=1e-6)
    assert len(costs) == 8


def test_a_killed_worker_ends_the_run_with_one_line_and_keeps_what_was_done(
    context: ArmContext, tmp_path: Path
) -> None:
    def kill_one() -> None:
        while len(started := workers()) < 2:
            time.sleep(0.01)
        started[0].kill()

    def workers() -> list[psutil.Process]:
        return [child for child in psutil.Process().children() if "popen_loky" in " ".join(child.cmdline())]

    cells = plan_cells(["simclr-probe"], [Budget.parse("5/class")], range(12), "simclr")
    run_cells(context, cells[:1], tmp_path, "simclr")
    before = (tmp_path / f"{cells[0].name}.parquet").stat().st_mtime_ns
    Thread(target=kill_one, daemon=True).start()
    with pytest.raises(WorkFailed, match="run the same command again"):
        run_cells(context, cells, tmp_path, "simclr", workers=2)
    assert not workers()
    assert len(list(tmp_path.glob("*.parquet"))) < 12
    assert (tmp_path / f"{cells[0].name}.parquet").stat().st_mtime_ns == before


def test_a_model_on_disk_predicts_as_it_did(task: Task, context: ArmContext, tmp_path: Path) -> None:
    labeled = draw_labels(task, Budget.parse("20/class"), 0)
    classifier = Classifier.from_probe(context.pretrained, fit_probe(context.features(), task, labeled))
    used = ModelConfig(
        encoder=NETWORK,
        views=VIEWS,
        names=task.names,
        threshold=0.4,
        units=("a.u.",),
        modalities=("DX",),
        arm="simclr-probe",
        budget="20/class",
        seed=0,
    )
    model = Model(classifier, used)
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path)
    np.testing.assert_array_equal(
        predict(loaded.classifier, task.store, task.test, loaded.images),
        predict(classifier, task.store, task.test, model.images),
    )
    assert loaded.config == used
