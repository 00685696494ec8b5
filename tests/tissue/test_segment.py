"""Training a network to segment regions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medcl.errors import WorkFailed
from medcl.evaluate.tissue import Voxels
from medcl.finetune import Images, LabeledScans, TrainingConfig
from medcl.pretrain.networks.encoders import EncoderConfig, build_encoder
from medcl.store import Store
from medcl.tissue.config import PatchConfig
from medcl.tissue.patch_sampling import abnormal_mask, labeled_patches, masked_rows, scan_body_mask
from medcl.tissue.regions import region_images, regions_at
from medcl.tissue.segment import train_segmenter
from medcl.tissue.sliding_window import WholeScan
from medcl.tissue.unet import Segmenter
from medcl.views import load_policy

PATCHES = PatchConfig(edge_mm=9, each=24, stride_mm=6)


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
