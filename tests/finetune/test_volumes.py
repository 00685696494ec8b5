"""Volumes under encoders that see them whole (3-D) or each slice with its neighbours (2.5-D)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from medcl.archive import scan_archive
from medcl.errors import UsageError
from medcl.finetune import Budget, Classifier, Images, Task, TrainingConfig, draw_labels, make_task, predict
from medcl.finetune.arms import ARMS, Bench
from medcl.finetune.model import Model, ModelConfig
from medcl.predict import predict_archive
from medcl.pretrain import EncoderConfig, ViewsConfig, build_encoder
from medcl.store import Store, prepare

VIEWS = ViewsConfig(policy="unknown", size_px=16, slices=4)
PLAIN = EncoderConfig(name="resnet10", width=8, stem="compact")
ENCODERS = {
    "2.5-D": PLAIN.model_copy(update={"in_channels": 3}),
    "3-D": PLAIN.model_copy(update={"spatial_dims": 3}),
    "slices in sequence": PLAIN.model_copy(update={"spatial_dims": 3, "sequence": "gru"}),
}


def volume(generator: np.random.Generator, positive: bool) -> nib.Nifti1Image:
    voxels = generator.normal(200, 20, (16, 16, 12))
    if positive:
        i, j, k = generator.integers(2, (10, 10, 8))
        voxels[i : i + 5, j : j + 5, k : k + 3] += 200
    return nib.Nifti1Image(voxels.astype(np.int16), np.diag([1, 1, 2, 1]))


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    torch.set_num_threads(1)
    folder, generator, rows = tmp_path_factory.mktemp("volumes"), np.random.default_rng(0), []
    (folder / "scans").mkdir()
    for number in range(80):
        positive = bool(number % 2)
        nib.save(volume(generator, positive), folder / "scans" / f"{number}.nii.gz")
        rows.append({"file": f"{number}.nii.gz", "patient": f"p{number}", "label": str(int(positive))})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    catalog = scan_archive([folder / "scans"], folder / "catalog")
    return make_task(prepare(catalog, folder / "store", folder / "labels.csv"), "0", "1")


def bench_of(task: Task, encoder: EncoderConfig) -> Bench:
    settings = TrainingConfig(steps=4, batch_size=16, learning_rates=(3e-3,), evaluations=2)
    return Bench(task, Images.of(VIEWS, encoder), settings, build_encoder(encoder, 0).eval(), encoder)


@pytest.mark.parametrize("name", ENCODERS)
def test_every_kind_of_arm_works_and_a_model_on_disk_says_the_same(
    task: Task, tmp_path: Path, name: str
) -> None:
    bench = bench_of(task, ENCODERS[name])
    labelled = draw_labels(task, Budget.parse("all"), 0)
    for arm in ("probe", "finetune", "classical"):
        outcome = ARMS[arm](bench, labelled, 0, task.test)
        assert ((outcome.probability > 0) & (outcome.probability < 1)).all()
        if outcome.classifier is None:
            continue
        told = predict(outcome.classifier, task.store, task.test, bench.images)
        np.testing.assert_allclose(told, outcome.probability, atol=1e-5)
        saved_and_loaded(outcome.classifier, task, bench, tmp_path / arm, arm)


def saved_and_loaded(classifier: Classifier, task: Task, bench: Bench, folder: Path, arm: str) -> None:
    Model(classifier, config_of(task, bench, arm)).save(folder)
    loaded = Model.load(folder)
    assert loaded.images == bench.images
    np.testing.assert_array_equal(
        predict(loaded.classifier, task.store, task.test, loaded.images),
        predict(classifier, task.store, task.test, bench.images),
    )


def config_of(task: Task, bench: Bench, arm: str) -> ModelConfig:
    return ModelConfig(
        encoder=bench.network,
        views=VIEWS,
        names=task.names,
        threshold=0.5,
        units=("a.u.",),
        modalities=("unknown",),
        arm=arm,
        budget="all",
        seed=0,
    )


def test_a_3d_network_learns_to_see_a_lesion_in_volumes(task: Task) -> None:
    bench = bench_of(task, ENCODERS["3-D"])
    outcome = ARMS["finetune"](
        Bench(
            task,
            bench.images,
            bench.training.model_copy(update={"steps": 40}),
            bench.pretrained,
            bench.network,
        ),
        draw_labels(task, Budget.parse("all"), 0),
        0,
        task.test,
    )
    assert roc_auc_score(task.truth[task.test], outcome.probability) > 0.8


def test_views_are_cubes_or_neighbouring_slices(task: Task) -> None:
    shapes = {}
    for name, encoder in ENCODERS.items():
        images = Images.of(VIEWS, encoder)
        shapes[name] = [
            tuple(
                next(iter(images.loader(task.store, task.test, batch_size=2, seed=0, draw=draw))).data.shape
            )
            for draw in ("whole", "bag")
        ]
    assert shapes["2.5-D"] == [(2, 4, 3, 16, 16)] * 2
    assert shapes["3-D"] == shapes["slices in sequence"] == [(2, 1, 1, 16, 16, 16)] * 2


def test_neighbouring_slices_are_those_of_the_plain_views(task: Task) -> None:
    every = Images.of(VIEWS.model_copy(update={"slices": 12}), PLAIN)
    plain, stacks = (
        next(iter(images.loader(task.store, task.test[:1], batch_size=1, seed=0, draw="whole"))).data[0]
        for images in (every, replace(every, channels=3))
    )
    for place in range(1, 11):
        assert torch.equal(stacks[place], plain[place - 1 : place + 2, 0])


@pytest.mark.parametrize("name", ["2.5-D", "3-D"])
def test_pictures_are_left_out_or_refused(task: Task, tmp_path: Path, store: Store, name: str) -> None:
    bench = bench_of(task, ENCODERS[name])
    with pytest.raises(UsageError, match="volumes"):
        bench.images.loader(store, range(4), batch_size=2, seed=0)
    Model(Classifier(bench.pretrained), config_of(task, bench, "probe")).save(tmp_path / "model")
    archive = tmp_path / "archive"
    archive.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16), np.uint8)).save(archive / "a.png")
    with pytest.raises(UsageError, match="trained on volumes"):
        predict_archive(tmp_path / "model", [archive], tmp_path / "none.csv")
    nib.save(volume(np.random.default_rng(5), True), archive / "b.nii.gz")
    told = predict_archive(tmp_path / "model", [archive], tmp_path / "p.csv")
    assert (told["scans"], told["left_out"]) == (1, 1)
