"""What each handcrafted feature can and cannot see of a scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from medcl.finetune import Images, Task
from medcl.finetune.handcrafted import _rim, _texture, background, metadata, size_and_mean, texture
from medcl.store import Store
from medcl.views import load_policy

IMAGES = Images(load_policy("cxr"), 32, 1)


@pytest.mark.parametrize("describe", [texture, background, size_and_mean])
def test_columns_are_standardized_over_the_training_scans(
    store: Store, describe: Callable[[Store, Images], np.ndarray]
) -> None:
    columns = describe(store, IMAGES)
    assert len(columns) == len(store)
    train = columns[store.rows("train")]
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-6)


def test_texture_is_percentiles_edges_and_blobs() -> None:
    view = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)
    features = _texture(view)
    assert features.shape == (7 + 3 * 6,)
    np.testing.assert_allclose(features[:5], np.percentile(view, (5, 25, 50, 75, 95)))
    np.testing.assert_allclose(features[5:7], [view.mean(), view.std()])
    edges = ndimage.gaussian_gradient_magnitude(view, 1.0)
    np.testing.assert_allclose(features[7:10], [edges.mean(), edges.std(), np.percentile(edges, 95)])
    assert (_texture(np.zeros((8, 8)))[1:] == 0).all()


def test_the_rim_does_not_see_the_middle_nor_brightness_and_contrast() -> None:
    view = np.random.default_rng(1).normal(size=(32, 32)).astype(np.float32)
    lesion = view.copy()
    lesion[4:28, 4:28] += 9
    np.testing.assert_array_equal(_rim(view), _rim(lesion))
    np.testing.assert_allclose(_rim(3 * view + 5), _rim(view), atol=1e-4)
    assert len(_rim(view)) == 16 * 16 - 12 * 12
    view[0, 0] += 9
    assert not np.allclose(_rim(view), _rim(lesion))


def test_volumes_are_described_by_mean_and_maximum_over_their_slices(volumes: Task) -> None:
    images = replace(IMAGES, policy=load_policy("unknown"), size=16, slices=4)
    assert texture(volumes.store, images).shape == (len(volumes.store), 2 * 25)


def test_metadata_are_categories_and_numbers_of_the_header(store: Store) -> None:
    scans = store.scans.assign(manufacturer=["A", "B", "C", None] * (len(store) // 4))
    columns = metadata(Store(store.folder, scans, store.record), IMAGES)
    patterns = {tuple(row) for row in columns.round(6)}
    assert columns.shape[1] == len(patterns) == 4


def test_metadata_of_equal_scans_are_nothing(store: Store) -> None:
    scans = store.scans.assign(flags="", site="s")
    assert not metadata(Store(store.folder, scans, store.record), IMAGES).any()


def test_size_and_mean_are_the_scan_s(store: Store) -> None:
    columns = size_and_mean(store, IMAGES)
    means = np.array([store.array(row).mean() for row in range(len(store))])
    assert columns.shape == (len(store), 1), "all scans have one size"
    assert np.corrcoef(columns[:, 0], means)[0, 1] == pytest.approx(1)
