"""Regions lie round patches, carry the mask, and fit into their scans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medcl.errors import UsageError
from medcl.finetune import Images
from medcl.pretrain.networks.encoders import EncoderConfig
from medcl.store import Store
from medcl.tissue.config import PatchConfig
from medcl.tissue.patch_sampling import labeled_patches, masked_rows
from medcl.tissue.regions import check_regions, region_images, regions_at
from medcl.views import load_policy
from medcl.views.masks import view_masks

PATCHES = PatchConfig(edge_mm=9, each=24, stride_mm=6)


POLICY = load_policy("mr", "permissive")


@pytest.mark.parametrize("dims", [2, 3])
def test_windows_lie_round_patches_and_carry_the_mask(store: Store, dims: int) -> None:
    patch = Images(POLICY, 8, 1, dims)
    region = region_images(patch, EncoderConfig(name="resnet10", stem="compact"))
    assert region.size == 32
    patches = labeled_patches(store, masked_rows(store), PATCHES, dims, 0)
    regions = regions_at(store, patches.scans, PATCHES, patch, region)
    assert list(regions.scans["row"]) == list(patches.scans["row"])
    within = [
        (one["start"] <= two["start"]).all() and (two["stop"] <= one["stop"]).all()
        for one, two in zip(regions.scans.to_dict("records"), patches.scans.to_dict("records"), strict=True)
    ]
    assert all(within)
    rows = np.flatnonzero(regions.scans["label"] == "abnormal")[:12]
    (batch,) = region.loader(regions, rows, batch_size=12, seed=0, draw="bag")
    masks = np.stack([mask for mask in view_masks(regions, batch.params) if mask is not None])[:, 0] > 0
    assert masks.any(axis=tuple(range(1, dims + 1))).mean() > 0.8
    # The ball is brighter than its surroundings wherever the views put it.
    shown = batch.data[:, 0, 0].numpy() * 0.25 + 0.5
    assert shown[masks].mean() > shown[~masks].mean() + 0.2


@pytest.mark.parametrize("dims", [2, 3])
def test_scans_smaller_than_a_window_are_refused(store: Store, dims: int) -> None:
    patch, rows = Images(POLICY, 8, 1, dims), masked_rows(store)
    check_regions(store, rows, PATCHES, patch, 32)
    with pytest.raises(UsageError, match="mm across, less than the regions of"):
        check_regions(store, rows, PATCHES.model_copy(update={"edge_mm": 400.0}), patch, 32)


@pytest.mark.parametrize(
    ("stem", "size", "edge"), [("small", 8, 32), ("small", 7, 32), ("compact", 9, 48), ("standard", 10, 64)]
)
def test_a_region_is_four_patches_rounded_up_to_whole_strides(stem: str, size: int, edge: int) -> None:
    images = Images(POLICY, size, 1, 2)
    assert region_images(images, EncoderConfig(name="resnet10", stem=stem)) == replace(images, size=edge)
