"""Regions: larger pieces of a scan around the labeled patches, with the mask of every pixel.

A region is `EDGES` patches across at the pixel size of patches: the encoder is shown what it was pretrained
on, with more of the tissue around it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from medcl.errors import UsageError
from medcl.finetune import Images
from medcl.pretrain import EncoderConfig
from medcl.store import Store
from medcl.store.slices import coarsest_axis
from medcl.tissue.config import PatchConfig
from medcl.tissue.patches import Patches, join_patches, patches_at
from medcl.tissue.unet import total_stride

EDGES = 4


def region_images(images: Images, config: EncoderConfig) -> Images:
    """Return how regions are shown, given how patches are.

    A region is `EDGES` times as large as a patch, or the next size that every stage of the encoder halves
    evenly.
    """
    stride = total_stride(config)
    return replace(images, size=-(-EDGES * images.size // stride) * stride)


def check_regions(store: Store, rows: Iterable[int], config: PatchConfig, patch: Images, size: int) -> None:
    """Refuse scans that are smaller than a region: they would be magnified in training and not in a map.

    Args:
        store: The scans.
        rows: Rows of the scans to check.
        config: Configuration of the patches.
        patch: How patches are shown.
        size: Edge of a region in pixels.

    Raises:
        UsageError: A scan is smaller than a region.
    """
    edge_mm = config.edge_mm * size / patch.size
    for row in map(int, rows):
        affine = store.affine(row)
        assert affine is not None, "scans with a mask have an affine"
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        extent = spacing * store.array(row).shape
        across = np.delete(extent, coarsest_axis(spacing)).max() if patch.dims == 2 else extent.min()
        if edge_mm > across + spacing.max():
            raise UsageError(
                f"scan {store.scans['scan'].iat[row]} is {across:.0f} mm across, less than the regions of "
                f"{edge_mm:.0f} mm that segmenting arms learn on; lower patches.edge_mm or leave them out"
            )


def regions_at(
    store: Store, patches: pd.DataFrame, config: PatchConfig, patch: Images, region: Images
) -> Patches:
    """Return a region around each labeled patch, in the order of the patches.

    Args:
        store: The scans.
        patches: Table of the patches, the rows of a scan together.
        config: Configuration of the patches.
        patch: How patches are shown.
        region: How regions are shown.
    """
    edge_mm = config.edge_mm * region.size / patch.size
    parts = []
    for row, group in patches.groupby("row", sort=False):
        start, stop = (np.stack(group[name].to_list()) for name in ("start", "stop"))
        centers, labels = (start + stop) // 2, group["label"].to_numpy()
        parts.append(patches_at(store, int(row), centers, edge_mm, region.dims, labels))
    return join_patches(parts)
