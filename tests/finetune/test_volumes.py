"""Volumes under encoders that see them whole (3-D) or each slice with its neighbors (2.5-D)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from medcl.errors import UsageError
from medcl.finetune import Budget, Classifier, Images, Task, draw_labels, predict
from medcl.finetune.arms.base import ArmContext
from medcl.finetune.arms.registry import ARMS
from medcl.finetune.model import Model
from medcl.predict import predict_archive
from medcl.store import Store
from tests.finetune.volume_samples import PLAIN, VIEWS, config_of, context_of, volume

ENCODERS = {
    "2.5-D": PLAIN.model_copy(update={"in_channels": 3}),
    "3-D": PLAIN.model_copy(update={"spatial_dims": 3}),
    "slices in sequence": PLAIN.model_copy(update={"spatial_dims": 3, "sequence": "gru"}),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_every_kind_of_arm_works_and_a_model_on_disk_says_the_same(
    volumes: Task, tmp_path: Path, name: str
) -> None:
    context = context_of(volumes, ENCODERS[name])
    labeled = draw_labels(volumes, Budget.parse("all"), 0)
    for arm in ("probe", "finetune", "classical"):
        outcome = ARMS[arm](context, labeled, 0, volumes.test)
        assert ((outcome.probability > 0) & (outcome.probability < 1)).all()
        if outcome.classifier is None:
            continue
        told = predict(outcome.classifier, volumes.store, volumes.test, context.images)
        np.testing.assert_allclose(told, outcome.probability, atol=1e-5)
        saved_and_loaded(outcome.classifier, volumes, context, tmp_path / arm, arm)


def saved_and_loaded(
    classifier: Classifier, volumes: Task, context: ArmContext, folder: Path, arm: str
) -> None:
    Model(classifier, config_of(context, arm)).save(folder)
    loaded = Model.load(folder)
    assert loaded.images == context.images
    np.testing.assert_array_equal(
        predict(loaded.classifier, volumes.store, volumes.test, loaded.images),
        predict(classifier, volumes.store, volumes.test, context.images),
    )


def test_a_3d_network_learns_to_see_a_lesion_in_volumes(volumes: Task) -> None:
    context = context_of(volumes, ENCODERS["3-D"], steps=40)
    outcome = ARMS["finetune"](context, draw_labels(volumes, Budget.parse("all"), 0), 0, volumes.test)
    assert roc_auc_score(volumes.truth[volumes.test], outcome.probability) > 0.8


def test_views_are_cubes_or_neighboring_slices(volumes: Task) -> None:
    shapes = {}
    for name, encoder in ENCODERS.items():
        images = Images.of(VIEWS, encoder)
        shapes[name] = [
            tuple(
                next(
                    iter(images.loader(volumes.store, volumes.test, batch_size=2, seed=0, draw=draw))
                ).data.shape
            )
            for draw in ("whole", "bag")
        ]
    assert shapes["2.5-D"] == [(2, 4, 3, 16, 16)] * 2
    assert shapes["3-D"] == shapes["slices in sequence"] == [(2, 1, 1, 16, 16, 16)] * 2


def test_neighboring_slices_are_those_of_the_plain_views(volumes: Task) -> None:
    every = Images.of(VIEWS.model_copy(update={"slices": 12}), PLAIN)
    plain, stacks = (
        next(iter(images.loader(volumes.store, volumes.test[:1], batch_size=1, seed=0, draw="whole"))).data[0]
        for images in (every, replace(every, channels=3))
    )
    for place in range(1, 11):
        assert torch.equal(stacks[place], plain[place - 1 : place + 2, 0])


@pytest.mark.parametrize("name", ["2.5-D", "3-D"])
def test_pictures_are_left_out_or_refused(volumes: Task, tmp_path: Path, store: Store, name: str) -> None:
    context = context_of(volumes, ENCODERS[name])
    with pytest.raises(UsageError, match="volumes"):
        context.images.loader(store, range(4), batch_size=2, seed=0)
    Model(Classifier(context.pretrained), config_of(context, "probe")).save(tmp_path / "model")
    archive = tmp_path / "archive"
    archive.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16), np.uint8)).save(archive / "a.png")
    with pytest.raises(UsageError, match="trained on volumes"):
        predict_archive(tmp_path / "model", [archive], tmp_path / "none.csv")
    nib.save(volume(np.random.default_rng(5), True), archive / "b.nii.gz")
    told = predict_archive(tmp_path / "model", [archive], tmp_path / "p.csv")
    assert (told["scans"], told["left_out"]) == (1, 1)
