"""Handcrafted features, for the classical arm and the controls.

Each function returns (scans of the store, columns), every column standardized over the training scans; labels
are not used.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from scipy import ndimage
from torch.nn import functional as F

from medcl.finetune.features import Images, whole_views
from medcl.store import Store

METADATA = ("modality", "manufacturer", "site", "body_part", "unit", "kind", "flags")
SCALES_PX = (1.0, 2.0, 4.0)
GRID, RIM = 16, 2
"""Background: a view is averaged on a grid of this size, and this many cells from each edge are kept."""


def texture(store: Store, images: Images) -> np.ndarray:
    """Return intensity and texture: percentiles, mean, deviation, and edges and blobs at three scales.

    Edges are Gaussian gradient magnitudes, blobs absolute Laplacians of Gaussians (Lindeberg 1998); the mean,
    the deviation and the 95th percentile of each. For a volume: mean and maximum of these over its slices.
    """
    return _over_slices(store, images, _texture)


def background(store: Store, images: Images) -> np.ndarray:
    """Return the rim of the image alone, an eighth of its edge on each side, averaged on a coarse grid.

    Each rim is standardized by itself: the window of a view follows the whole image, so that a bright lesion
    would otherwise show in a dark rim.
    """
    return _over_slices(store, images, _rim)


def metadata(store: Store, images: Images) -> np.ndarray:
    """Return what is known without the pixels: scanner, site, matrix, spacing, modality, flags."""
    scans = store.scans
    names = [name for name in METADATA if name in scans]
    columns = [pd.get_dummies(scans[names].astype("string").fillna("none")).to_numpy(float)]
    columns += [
        _shapes(store),
        np.nan_to_num(store.measures(np.arange(len(store)), anchored=False).spacing_mm),
    ]
    return _standardize(np.concatenate(columns, axis=1), store)


def size_and_mean(store: Store, images: Images) -> np.ndarray:
    """Return the scan's size in pixels and its mean value."""
    mean = np.array([[float(np.mean(store.array(row)))] for row in range(len(store))])
    return _standardize(np.concatenate([_shapes(store), mean], axis=1), store)


def _over_slices(store: Store, images: Images, describe: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    rows = []
    for batch in whole_views(store, range(len(store)), images.plain()):
        for scan in batch.data.mean(dim=2).numpy():
            slices = np.stack([describe(view) for view in scan])
            rows.append(np.concatenate([slices.mean(axis=0), slices.max(axis=0)]))
    return _standardize(np.stack(rows), store)


def _texture(view: np.ndarray) -> np.ndarray:
    features = [*np.percentile(view, (5, 25, 50, 75, 95)), view.mean(), view.std()]
    for sigma in SCALES_PX:
        edges = ndimage.gaussian_gradient_magnitude(view, sigma)
        blobs = np.abs(ndimage.gaussian_laplace(view, sigma))
        for image in (edges, blobs):
            features += [image.mean(), image.std(), np.percentile(image, 95)]
    return np.array(features)


def _rim(view: np.ndarray) -> np.ndarray:
    grid = F.adaptive_avg_pool2d(torch.from_numpy(view)[None], GRID)[0].numpy()
    on_rim = np.ones((GRID, GRID), bool)
    on_rim[RIM:-RIM, RIM:-RIM] = False
    rim: np.ndarray = grid[on_rim]
    standardized: np.ndarray = (rim - rim.mean()) / (rim.std() + 1e-6)
    return standardized


def _shapes(store: Store) -> np.ndarray:
    """Return (n, 3) samples along each axis; an image's third number is that of its color channels."""
    measures = store.measures(np.arange(len(store)), anchored=False)
    shape = measures.shape.astype(float)
    shape[:, 2] = np.where(measures.slice_axis < 0, measures.channels, shape[:, 2])
    return shape


def _standardize(columns: np.ndarray, store: Store) -> np.ndarray:
    pool = columns[store.rows("train")]
    deviation = pool.std(axis=0)
    varying = deviation > 1e-9
    if not varying.any():
        return np.zeros((len(columns), 1))
    scaled: np.ndarray = (columns[:, varying] - pool[:, varying].mean(axis=0)) / deviation[varying]
    return scaled
