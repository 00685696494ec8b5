"""Near-duplicates across splits: planted ones are found, scans that only resemble each other are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter, zoom

from medcl.archive import scan_archive
from medcl.evaluate.study_record import Facts
from medcl.finetune import Images, Task, extract_features, make_task
from medcl.finetune.near_duplicates import near_duplicates, perceptual_hashes
from medcl.pretrain import EncoderConfig, build_encoder
from medcl.store import Store, prepare
from medcl.study.record import _leaks, _pairs, _searched
from medcl.views import load_policy
from tests.finetune.volume_samples import PLAIN, context_of

NETWORK = EncoderConfig(name="resnet10", width=8, stem="compact")
IMAGES = Images(load_policy("cxr"), 32, 1)
EDGE = 48


def pictures(generator: np.random.Generator, count: int) -> np.ndarray:
    """Smooth random tissue, each its own."""
    fields = gaussian_filter(generator.normal(size=(count, EDGE, EDGE)), (0, 4, 4))
    fields /= fields.std(axis=(1, 2), keepdims=True)
    return (128 + 40 * fields + generator.normal(0, 4, fields.shape)).clip(0, 255)


def store_of(folder: Path, planted: bool) -> Store:
    generator = np.random.default_rng(0)
    train, val, test = (pictures(generator, count) for count in (60, 20, 30))
    if planted:
        test[0] = train[0] + generator.normal(0, 4, (EDGE, EDGE))
        test[1] = zoom(train[1][1:-1, 1:-1], EDGE / (EDGE - 2), order=1)
        test[2] = val[2] * 0.9 + 10
    arrays = {}
    for split, images in (("train", train), ("val", val), ("test", test)):
        arrays[f"{split}_images"] = images.clip(0, 255).astype(np.uint8)
        arrays[f"{split}_labels"] = (np.arange(len(images)) % 2)[:, None]
    np.savez(folder / "set.npz", **arrays)
    return prepare(scan_archive([folder / "set.npz"], folder / "catalog"), folder / "store")


def search(store: Store) -> pd.DataFrame:
    features = extract_features(build_encoder(NETWORK, 0).eval(), store, IMAGES)
    return near_duplicates(store, IMAGES, features)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Store:
    torch.set_num_threads(1)
    return store_of(tmp_path_factory.mktemp("planted"), planted=True)


def test_noise_a_small_crop_and_another_brightness_are_found(planted: Store) -> None:
    found = search(planted)
    assert found["other_split"].value_counts().to_dict() == {"train": 2, "val": 1}
    rows = planted.scans.set_index("scan")
    assert set(rows.loc[found["scan"], "split"]) == {"test"}
    for scan, other in found[["scan", "other"]].to_numpy():
        one, two = (planted.array(int(np.flatnonzero(planted.scans["scan"] == s)[0])) for s in (scan, other))
        assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.8
    assert found["bits_apart"].is_monotonic_increasing


def test_none_are_found_where_none_are(tmp_path: Path) -> None:
    assert search(store_of(tmp_path, planted=False)).empty


def test_hashes_follow_the_picture_and_not_its_brightness(planted: Store) -> None:
    hashes = perceptual_hashes(planted, IMAGES)
    assert hashes.shape == (len(planted), 63)
    apart = (hashes[:, None] != hashes[None]).mean(axis=2)
    assert np.median(apart) == pytest.approx(0.5, abs=0.05)


def test_volumes_are_hashed_slice_by_slice(volumes: Task) -> None:
    context = context_of(volumes, PLAIN.model_copy(update={"spatial_dims": 3}))
    assert perceptual_hashes(volumes.store, context.images.plain()).shape == (80, 4 * 63)
    assert near_duplicates(volumes.store, context.images, context.features()).shape[1] == 5


def test_the_report_counts_names_and_warns(planted: Store) -> None:
    task, found = make_task(planted, "0", "1"), search(planted)
    told = Facts(warnings=_leaks(found, task), notes=_pairs(found), done=[_searched(found)])
    assert told.warnings[0].startswith("3 of 30 test scans look like")
    assert found["scan"].iloc[0] in told.notes[0]
    assert told.done[0].endswith("3 pairs.")
    assert not _leaks(found.head(0), task)
    assert not _pairs(found.head(0))
    assert "2 more in near_duplicates.parquet" in _pairs(pd.concat([found] * 8).head(22))[0]
