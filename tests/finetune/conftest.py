"""A store that takes no archive: small images whose class is a bright patch, and two scans per patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from medcl.archive import scan_archive
from medcl.finetune import ArmContext, Budget, Classifier, Task, draw_labels, fit_probe, make_task
from medcl.store import Store, prepare
from tests.duplicates import duplicates_store
from tests.finetune.samples import TRAINING, image_context, task_of_volumes


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("task")
    generator = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 120), ("val", 60), ("test", 80)):
        images = generator.normal(100, 20, (count, 32, 32))
        truth = np.arange(count) % 2
        for image, positive in zip(images, truth, strict=True):
            if positive:
                row, column = generator.integers(6, 20, 2)
                image[row : row + 7, column : column + 7] += 90
        arrays |= {f"{split}_images": images.clip(0, 255).astype(np.uint8), f"{split}_labels": truth[:, None]}
    np.savez(folder / "set.npz", **arrays)
    catalog = scan_archive([folder / "set.npz"], folder / "catalog")
    return prepare(catalog, folder / "store")


@pytest.fixture(scope="session")
def store_folder(store: Store) -> Path:
    return store.folder


@pytest.fixture(scope="session")
def task(store: Store) -> Task:
    torch.set_num_threads(1)
    return make_task(store, "0", "1")


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Task:
    return task_of_volumes(tmp_path_factory.mktemp("volumes"))


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with three planted near-duplicates of test scans."""
    torch.set_num_threads(1)
    return duplicates_store(tmp_path_factory.mktemp("planted"), planted=True)


@pytest.fixture(scope="module")
def context(task: Task) -> ArmContext:
    return image_context(task, TRAINING)


@pytest.fixture(scope="module")
def classifier(task: Task, context: ArmContext) -> Classifier:
    labeled = draw_labels(task, Budget.parse("20/class"), 0)
    return Classifier.from_probe(context.encoder(), fit_probe(context.features(), task, labeled))
