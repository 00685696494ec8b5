"""Models on disk predict as they did, whatever their encoder."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from medcl.errors import UsageError
from medcl.finetune import (
    ArmContext,
    Budget,
    Classifier,
    Model,
    ModelConfig,
    Task,
    draw_labels,
    fit_probe,
    predict,
)
from medcl.predict import predict_archive
from medcl.store import Store
from tests.finetune.samples import ARMS, ENCODERS, PLAIN, VIEWS, config_of, context_of, image_context, volume


@pytest.fixture(scope="module")
def context(task: Task) -> ArmContext:
    return image_context(task)


def test_a_model_on_disk_predicts_as_it_did(task: Task, context: ArmContext, tmp_path: Path) -> None:
    labeled = draw_labels(task, Budget.parse("20/class"), 0)
    classifier = Classifier.from_probe(context.pretrained, fit_probe(context.features(), task, labeled))
    used = ModelConfig(
        encoder=PLAIN,
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
    assert loaded.digest == model.digest
    assert Model(classifier, used.model_copy(update={"threshold": 0.5})).digest != model.digest
    with torch.no_grad():
        classifier.head.bias += 1
    assert loaded.digest != model.digest


@pytest.mark.parametrize("name", ENCODERS)
def test_every_kind_of_arm_works_and_a_model_on_disk_says_the_same(
    volumes: Task, tmp_path: Path, name: str
) -> None:
    context = context_of(volumes, ENCODERS[name])
    labeled = draw_labels(volumes, Budget.parse("all"), 0)
    for arm in ("simclr-probe", "simclr-finetune", "classical"):
        outcome = ARMS[arm].run(context, labeled, 0, volumes.test)
        assert ((outcome.probability > 0) & (outcome.probability < 1)).all()
        if outcome.classifier is None:
            continue
        probability = predict(outcome.classifier, volumes.store, volumes.test, context.images)
        np.testing.assert_allclose(probability, outcome.probability, atol=1e-5)
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


@pytest.mark.parametrize("name", ["2.5-D", "3-D"])
def test_images_are_left_out_or_refused(volumes: Task, tmp_path: Path, store: Store, name: str) -> None:
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
    summary = predict_archive(tmp_path / "model", [archive], tmp_path / "p.csv")
    assert (summary["scans"], summary["left_out"]) == (1, {"NOT_A_VOLUME": 1})
    links = tmp_path / "links"
    links.mkdir()
    (links / "sub-01_T1w.nii.gz").symlink_to(archive / "b.nii.gz")
    with pytest.raises(UsageError, match=r"1 SYMLINK .*--follow-links"):
        predict_archive(tmp_path / "model", [links], tmp_path / "links.csv")
    summary = predict_archive(tmp_path / "model", [links], tmp_path / "links.csv", follow_links=True)
    assert (summary["scans"], summary["left_out"], summary["files_not_used"]) == (1, {}, {})
