"""The arm that segments: its network, what it learns from regions, and where its maps lie."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medcl.archive import scan_archive
from medcl.errors import UsageError, WorkFailed
from medcl.evaluate.tissue import Voxels
from medcl.finetune import Images, LabeledScans, TrainingConfig
from medcl.pretrain.networks.encoders import EncoderConfig, build_encoder
from medcl.store import Store, prepare
from medcl.tissue.config import PatchConfig
from medcl.tissue.patch_sampling import abnormal_mask, labeled_patches, masked_rows, scan_body_mask
from medcl.tissue.regions import check_regions, region_images, regions_at
from medcl.tissue.segment import train_segmenter
from medcl.tissue.sliding_window import WholeScan
from medcl.tissue.unet import Segmenter
from medcl.views import load_policy
from medcl.views.masks import view_masks
from tests.tissue.samples import SHAPE, settings

PATCHES = PatchConfig(edge_mm=9, each=24, stride_mm=6)
POLICY = load_policy("mr", "permissive")


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(
    ("name", "stem"), [("resnet10", "small"), ("resnet18", "compact"), ("resnet50", "standard")]
)
def test_every_pixel_gets_a_logit_and_every_weight_a_gradient(name: str, stem: str, dims: int) -> None:
    config = EncoderConfig(name=name, width=8, stem=stem, spatial_dims=dims)
    images = region_images(Images(POLICY, 5, 1, dims), config)
    network = Segmenter(build_encoder(config, 0), 0)
    views = torch.randn(2, 1, *[images.size] * dims, generator=torch.Generator().manual_seed(0))
    logits = network(views)
    assert logits.shape == views.shape
    logits.square().mean().backward()
    for part, parameter in network.named_parameters():
        assert parameter.grad is not None, part
        assert parameter.grad.abs().max() > 0, part


def test_the_way_up_is_the_same_on_either_encoder() -> None:
    config = EncoderConfig(name="resnet10", width=8, stem="compact")
    one, two = (Segmenter(build_encoder(config, seed), 3).state_dict() for seed in (0, 1))
    same = {name.split(".")[0] for name in one if torch.equal(one[name], two[name])}
    other = {name.split(".")[0] for name in one if not torch.equal(one[name], two[name])}
    assert same >= {"up", "head"}
    assert other == {"encoder"}


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


def test_a_tiny_network_learns_to_segment_a_patient_that_it_has_not_seen(store: Store) -> None:
    network = EncoderConfig(name="resnet10", width=8, stem="compact")
    patch = Images(load_policy("mr"), 8, 1)
    region = region_images(patch, network)
    patches = labeled_patches(store, masked_rows(store), PATCHES, 2, 0)
    regions = regions_at(store, patches.scans, PATCHES, patch, region)
    whose = patches.scans["row"].to_numpy()
    known = LabeledScans(np.flatnonzero(whose == 0), np.flatnonzero(whose == 1))
    config = TrainingConfig(steps=12, batch_size=12, learning_rates=(1e-2, 3e-3), candidates=8)
    start = Segmenter(build_encoder(network, 0), 0)
    before = {name: value.clone() for name, value in start.state_dict().items()}
    learned, chosen = train_segmenter(start, regions, known, region, config, seed=0, layer_decay=0.8)
    assert chosen["candidates"] == 8
    assert chosen["step"] in (3, 6, 9, 12)
    assert all(torch.equal(value, before[name]) for name, value in start.state_dict().items())
    assert not torch.equal(learned.encoder.network.conv1.weight, start.encoder.network.conv1.weight)
    probability = WholeScan.of(store, 2, 9 / 8, patch).map(learned, region.size)
    truth = np.where(scan_body_mask(store, 2), 1, 0) + abnormal_mask(store, 2)
    counted = Voxels.of(np.rint(probability * 65535).astype(np.uint16), truth)
    assert counted.auroc() > 0.9
    assert counted.dice().max() > 3 * counted.prevalence
    again, selected_again = train_segmenter(start, regions, known, region, config, seed=0, layer_decay=0.8)
    assert selected_again == chosen
    assert torch.equal(again.head[0].weight, learned.head[0].weight)
    wild = TrainingConfig(steps=4, batch_size=4, learning_rates=(1e30,), candidates=2)
    with pytest.raises(WorkFailed, match="the validation loss is never finite"):
        train_segmenter(start, regions, known, region, wild, seed=0, layer_decay=1.0)


class Brightness(nn.Module):
    """Calls what is bright."""

    def forward(self, views: Tensor) -> Tensor:
        return 20 * views - 20


OBLIQUE = np.array(
    [[1.2, -0.5, 0.3, -30.0], [0.55, 1.1, -0.2, 12.0], [-0.1, 0.25, 2.8, -44.0], [0, 0, 0, 1.0]]
)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("turned", [False, True], ids=["straight", "oblique"])
def test_a_box_phantom_is_mapped_where_it_lies_in_millimeters(
    tmp_path: Path, dims: int, turned: bool
) -> None:
    affine = np.diag([1.5, -1.5, 3.0, 1.0])
    if turned:
        unit, _, other = np.linalg.svd(OBLIQUE[:3, :3])
        affine = OBLIQUE.copy()
        affine[:3, :3] = unit @ other @ np.diag([1.5, 1.5, 3.0])
    volume = np.random.default_rng(0).normal(100, 4, SHAPE).astype(np.float32)
    low, high = np.array([8, 14, 6]), np.array([20, 22, 12])
    volume[tuple(map(slice, low, high))] = 220
    (tmp_path / "archive").mkdir()
    nib.save(nib.Nifti1Image(volume, affine), tmp_path / "archive" / "a.nii.gz")
    store = prepare(scan_archive([tmp_path / "archive"], tmp_path / "catalog"), tmp_path / "store")
    canvas = WholeScan.of(store, 0, 1.1, Images(load_policy("mr"), 8, 1, dims))
    called = canvas.map(Brightness(), 32) > 0.5
    placed = store.affine(0)
    assert placed is not None
    positions = np.argwhere(called) @ placed[:3, :3].T + placed[:3, 3]
    voxels = np.argwhere(volume == 220) @ affine[:3, :3].T + affine[:3, 3]
    assert np.abs(positions.mean(axis=0) - voxels.mean(axis=0)).max() < 0.3
    np.testing.assert_allclose(positions.min(axis=0), voxels.min(axis=0), atol=1.7)
    np.testing.assert_allclose(positions.max(axis=0), voxels.max(axis=0), atol=1.7)
    assert abs(len(positions) / len(voxels) - 1) < 0.1


def test_an_encoder_without_stages_is_refused_in_one_line(tmp_path: Path) -> None:
    for encoder, reason in (
        ({"name": "densenet121"}, "'densenet121'"),
        ({"name": "efficientnet-b0"}, "'efficientnet-b0'"),
        ({"name": "torch.nn:Identity", "feature_size": 8}, "'torch.nn:Identity'"),
        ({"name": "resnet10", "spatial_dims": 3, "sequence": "gru"}, "a sequence of slices"),
    ):
        pretrain = {"encoder": encoder, "epochs": 1, "batch_size": 24}
        with pytest.raises(ValueError, match=f"supervised-segment' needs the stages.*it is {reason}"):
            settings(tmp_path, pretrain=pretrain, arms=["supervised", "supervised-segment", "simclr-probe"])
