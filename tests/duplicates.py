"""A store of smooth random images, some of whose test scans are planted near-duplicates of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter, zoom

from medcl.archive import scan_archive
from medcl.finetune import Images, extract_features, near_duplicates
from medcl.pretrain import EncoderConfig, build_encoder
from medcl.store import Store, prepare
from medcl.views import load_policy

NETWORK = EncoderConfig(name="resnet10", width=8, stem="compact")
IMAGES = Images(load_policy("cxr"), 32, 1)
EDGE = 48


def smooth_images(generator: np.random.Generator, count: int) -> np.ndarray:
    """Return smooth random tissue, each image different."""
    fields = gaussian_filter(generator.normal(size=(count, EDGE, EDGE)), (0, 4, 4))
    fields /= fields.std(axis=(1, 2), keepdims=True)
    return (128 + 40 * fields + generator.normal(0, 4, fields.shape)).clip(0, 255)


def duplicates_store(folder: Path, planted: bool) -> Store:
    """Write a store with three near-duplicates of test scans (two of train, one of val), or with none."""
    generator = np.random.default_rng(0)
    train, val, test = (smooth_images(generator, count) for count in (60, 20, 30))
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
    """Return the near-duplicates by features of a random encoder."""
    return near_duplicates(store, IMAGES, extract_features(build_encoder(NETWORK, 0).eval(), store, IMAGES))
