"""Backbones: stems, imported classes, slices in sequence."""

from __future__ import annotations

import pytest
import torch

from medcl.errors import UsageError
from medcl.pretrain import EncoderConfig, build_encoder
from tests.pretrain.small_methods import SMALL_ENCODER, SMALL_METHODS

torch.set_num_threads(1)


@pytest.mark.parametrize(("stem", "size"), [("small", 28), ("compact", 14), ("standard", 7)])
def test_a_stem_keeps_the_resolution_it_promises(stem: str, size: int) -> None:
    encoder = build_encoder(EncoderConfig(name="resnet10", width=8, stem=stem), 0)
    seen = []
    encoder.network.layer1.register_forward_hook(lambda *parts: seen.append(parts[2].shape[-1]))
    encoder(torch.randn(2, 1, 28, 28))
    assert seen == [size]


def test_efficientnet_draws_nothing_at_random() -> None:
    """Two passes over one view must not differ by dropped blocks: contrastive views would."""
    encoder = build_encoder(EncoderConfig(name="efficientnet-b0"), 0).train()
    views = torch.randn(2, 1, 32, 32)
    assert torch.equal(encoder(views), encoder(views))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("no_such_package:Net", {}, "no_such_package"),
        (f"{SMALL_METHODS}:Absent", {}, "Absent"),
        (SMALL_ENCODER, {"depth": 3}, "depth"),
        ("os:system", {"command": "false"}, "not a subclass"),
    ],
)
def test_what_is_no_module_is_refused_and_never_called(
    name: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        build_encoder(EncoderConfig(name=name, options=options, feature_size=8))


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_a_volume_is_read_slice_by_slice_in_order(kind: str) -> None:
    config = EncoderConfig(name="resnet10", width=8, stem="compact", spatial_dims=3, sequence=kind)
    encoder = build_encoder(config, 0).eval()
    seen = []
    encoder.network.slices.register_forward_hook(lambda *args: seen.append(args[1][0]))
    volumes = torch.randn(2, 1, 16, 16, 5)
    with torch.inference_mode():
        features = encoder(volumes)
        assert features.shape == (2, encoder.feature_size)
        assert torch.equal(seen[0][7], volumes[1, :, :, :, 2])
        assert not torch.allclose(features, encoder(volumes[..., [2, 0, 1, 4, 3]]), atol=1e-4)
        assert torch.allclose(features[1:], encoder(volumes[1:]), atol=1e-5)
