"""The network that segments: every pixel gets a logit, and either encoder the same way up."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from medcl.finetune import Images
from medcl.pretrain.networks.encoders import EncoderConfig, build_encoder
from medcl.tissue.regions import region_images
from medcl.tissue.unet import Segmenter, total_stride
from medcl.views import load_policy

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


@pytest.mark.parametrize(("stem", "stride"), [("small", 8), ("compact", 16), ("standard", 32)])
def test_the_stride_is_that_of_the_last_stage(stem: str, stride: int) -> None:
    config = EncoderConfig(name="resnet10", width=8, stem=stem)
    assert total_stride(config) == stride
    network = Segmenter(build_encoder(config, 0), 0)
    stages = network.stages(torch.zeros(1, 1, 64, 64))
    assert stages[-1].shape[-1] == 64 // stride
    assert all(fine.shape[-1] == 2 * coarse.shape[-1] for fine, coarse in pairwise(stages))
