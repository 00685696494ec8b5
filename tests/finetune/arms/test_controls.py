"""Controls and the classical baseline: what each can and cannot see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from medcl.archive import scan_archive
from medcl.evaluate import ArmRecord, evaluate
from medcl.finetune import (
    ArmContext,
    Budget,
    Task,
    draw_labels,
    make_task,
    plan_experiment_cells,
    run_experiment_cells,
)
from medcl.store import Store, prepare
from tests.finetune.samples import ARMS, image_context

CONTROLS = ("shuffled-labels", "metadata-only", "background-only", "size-and-mean")


def context_of(store: Store) -> ArmContext:
    return image_context(make_task(store, "0", "1"))


@pytest.fixture(scope="module")
def context(store: Store) -> ArmContext:
    return context_of(store)


@pytest.fixture(scope="module")
def confounded(tmp_path_factory: pytest.TempPathFactory) -> ArmContext:
    """Noise without any disease, but positives carry a bright strip at the edge, as from another scanner."""
    folder = tmp_path_factory.mktemp("confounded")
    generator = np.random.default_rng(1)
    arrays: dict[str, np.ndarray] = {}
    for split, count in (("train", 120), ("val", 60), ("test", 80)):
        images = generator.normal(100, 20, (count, 32, 32))
        truth = np.arange(count) % 2
        images[truth == 1, :2, 4:12] += 60
        arrays |= {f"{split}_images": images.clip(0, 255).astype(np.uint8), f"{split}_labels": truth[:, None]}
    np.savez(folder / "set.npz", **arrays)
    return context_of(prepare(scan_archive([folder / "set.npz"], folder / "catalog"), folder / "store"))


def score(context: ArmContext, arm: str, seed: int = 0) -> float:
    task: Task = context.task
    outcome = ARMS[arm].run(context, draw_labels(task, Budget.parse("all"), seed), seed, task.test)
    return float(roc_auc_score(task.truth[task.test], outcome.probability))


def test_texture_sees_the_disease_and_the_rim_does_not(context: ArmContext) -> None:
    assert score(context, "classical") > 0.9
    assert score(context, "background-only") < 0.7


def test_a_border_artifact_is_caught_by_the_rim(confounded: ArmContext) -> None:
    assert score(confounded, "background-only") > 0.95


def test_shuffled_labels_are_chance(context: ArmContext) -> None:
    assert np.mean([score(context, "shuffled-labels", seed) for seed in range(12)]) == pytest.approx(
        0.5, abs=0.12
    )


def test_metadata_of_equal_scans_says_nothing(context: ArmContext) -> None:
    assert score(context, "metadata-only") == pytest.approx(0.5)


def test_metadata_tell_a_label_that_hangs_on_the_site(
    context: ArmContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = context.task.store.scans.assign(site=[f"site-{int(t)}" for t in context.task.truth])
    own = context_of(context.task.store)
    monkeypatch.setattr(type(own.task.store), "scans", property(lambda _: sites), raising=False)
    assert score(own, "metadata-only") == 1.0


def test_the_report_warns_of_a_confounded_set(confounded: ArmContext, tmp_path: Path) -> None:
    cells = plan_experiment_cells([*CONTROLS, "classical", "simclr-probe"], [Budget.parse("all")], [0, 1])
    predictions, costs = run_experiment_cells(confounded, cells, tmp_path, "simclr")
    records = {arm: ArmRecord(control=True) for arm in CONTROLS}
    result = evaluate(predictions, baseline="classical", draws=200, arm_records=records)
    warned = " ".join(result.warnings)
    assert "background-only" in warned
    assert "shuffled-labels" not in warned
    assert isinstance(costs, pd.DataFrame)
    assert (costs.set_index("arm")["parameters"].drop("shuffled-labels") > 0).all()
