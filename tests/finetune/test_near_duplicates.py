"""Near-duplicates across splits: planted ones are found, scans that only resemble each other are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medcl.finetune import Task
from medcl.finetune.near_duplicates import near_duplicates, perceptual_hashes
from medcl.store import Store
from tests.duplicates import IMAGES, duplicates_store, search
from tests.finetune.samples import PLAIN, context_of


def test_noise_a_small_crop_and_another_brightness_are_found(planted: Store) -> None:
    pairs = search(planted)
    assert pairs["other_split"].value_counts().to_dict() == {"train": 2, "val": 1}
    rows = planted.scans.set_index("scan")
    assert set(rows.loc[pairs["scan"], "split"]) == {"test"}
    for scan, other in pairs[["scan", "other"]].to_numpy():
        one, two = (planted.array(int(np.flatnonzero(planted.scans["scan"] == s)[0])) for s in (scan, other))
        assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.8
    assert pairs["bits_apart"].is_monotonic_increasing


def test_none_are_found_where_none_are(tmp_path: Path) -> None:
    assert search(duplicates_store(tmp_path, planted=False)).empty


def test_hashes_follow_the_image_and_not_its_brightness(planted: Store) -> None:
    hashes = perceptual_hashes(planted, IMAGES)
    assert hashes.shape == (len(planted), 63)
    apart = (hashes[:, None] != hashes[None]).mean(axis=2)
    assert np.median(apart) == pytest.approx(0.5, abs=0.05)


def test_volumes_are_hashed_slice_by_slice(volumes: Task) -> None:
    context = context_of(volumes, PLAIN.model_copy(update={"spatial_dims": 3}))
    assert perceptual_hashes(volumes.store, context.images.plain()).shape == (80, 4 * 63)
    assert near_duplicates(volumes.store, context.images, context.features()).shape[1] == 5
