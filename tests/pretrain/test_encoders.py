from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from medcl.errors import UsageError
from medcl.pretrain import EncoderConfig, build_encoder, load_encoder
from medcl.pretrain.networks.encoders import save_encoder

torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("resnet10", 64),
        ("resnet18", 64),
        ("resnet34", 64),
        ("resnet50", 256),
        ("densenet121", 1024),
        ("efficientnet-b0", 1280),
    ],
)
@pytest.mark.parametrize("dims", [2, 3])
def test_views_become_vectors_of_the_stated_size(name: str, features: int, dims: int) -> None:
    encoder = build_encoder(EncoderConfig(name=name, width=8, spatial_dims=dims), 0).eval()
    size = 64 if dims == 2 else 32
    with torch.inference_mode():
        vectors = encoder(torch.randn(2, 1, *[size] * dims))
    assert vectors.shape == (2, features) == (2, encoder.feature_size)


@pytest.mark.parametrize(("stem", "size"), [("small", 28), ("compact", 14), ("standard", 7)])
def test_a_stem_keeps_the_resolution_it_promises(stem: str, size: int) -> None:
    encoder = build_encoder(EncoderConfig(name="resnet10", width=8, stem=stem), 0)
    seen = []
    encoder.network.layer1.register_forward_hook(lambda *parts: seen.append(parts[2].shape[-1]))
    encoder(torch.randn(2, 1, 28, 28))
    assert seen == [size]


def test_a_seed_fixes_the_weights_and_moves_no_global_state() -> None:
    before = torch.get_rng_state()
    first, second = (build_encoder(EncoderConfig(name="resnet10", width=8), 5) for _ in range(2))
    other = build_encoder(EncoderConfig(name="resnet10", width=8), 6)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.network.conv1.weight, second.network.conv1.weight)
    assert not torch.equal(first.network.conv1.weight, other.network.conv1.weight)


def test_an_encoder_comes_back_from_disk(tmp_path: Path) -> None:
    encoder = build_encoder(EncoderConfig(name="resnet10", width=8, stem="compact"), 1).eval()
    save_encoder(encoder, tmp_path / "encoder.safetensors")
    views = torch.randn(3, 1, 28, 28)
    loaded = load_encoder(tmp_path)
    assert loaded.config == encoder.config
    assert torch.equal(loaded(views), encoder(views))


def test_what_is_no_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no encoder there"):
        load_encoder(tmp_path)
    save_file({"weight": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(UsageError, match="not an encoder that medcl wrote"):
        load_encoder(tmp_path / "foreign.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(b"\x10\x00")
    with pytest.raises(UsageError, match="not an encoder that medcl wrote"):
        load_encoder(tmp_path / "torn.safetensors")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"name": "resnet19"}, "no network 'resnet19'; there are resnet10"),
        ({"name": "tests.pretrain.small_methods:SmallEncoder"}, "feature_size"),
        ({"name": "resnet10", "feature_size": 64}, "feature_size"),
        ({"name": "resnet10", "sequence": "gru"}, "spatial_dims to 3"),
    ],
)
def test_settings_that_make_no_network_are_refused(told: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EncoderConfig(**told)


def test_efficientnet_draws_nothing_at_random() -> None:
    """Two passes over one view must not differ by dropped blocks: contrastive views would."""
    encoder = build_encoder(EncoderConfig(name="efficientnet-b0"), 0).train()
    views = torch.randn(2, 1, 32, 32)
    assert torch.equal(encoder(views), encoder(views))


def test_a_class_of_one_s_own_is_built_saved_and_loaded(tmp_path: Path) -> None:
    config = EncoderConfig(name="tests.pretrain.small_methods:SmallEncoder", options={"features": 6}, feature_size=6)
    encoder = build_encoder(config, 2)
    views = torch.randn(3, 1, 4, 4)
    save_encoder(encoder, tmp_path / "encoder.safetensors")
    assert torch.equal(load_encoder(tmp_path)(views), encoder(views))
    assert encoder(views).shape == (3, encoder.feature_size)


def test_a_feature_size_that_is_not_true_is_refused() -> None:
    encoder = build_encoder(EncoderConfig(name="tests.pretrain.small_methods:SmallEncoder", feature_size=9))
    with pytest.raises(UsageError, match=r"gives \(3, 8\) for 3 views, not feature_size=9"):
        encoder(torch.randn(3, 1, 4, 4))


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("no_such_package:Net", {}, "no_such_package"),
        ("tests.pretrain.small_methods:Absent", {}, "Absent"),
        ("tests.pretrain.small_methods:SmallEncoder", {"depth": 3}, "depth"),
        ("os:system", {"command": "false"}, "not a subclass"),
    ],
)
def test_what_is_no_module_is_refused_and_never_called(
    name: str, options: dict[str, object], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        build_encoder(EncoderConfig(name=name, options=options, feature_size=8))


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_a_volume_is_read_slice_by_slice_in_order(kind: str) -> None:
    config = EncoderConfig(name="resnet10", width=8, stem="compact", spatial_dims=3, sequence=kind)
    encoder = build_encoder(config, 0).eval()
    seen = []
    encoder.network.slices.register_forward_hook(lambda *told: seen.append(told[1][0]))
    volumes = torch.randn(2, 1, 16, 16, 5)
    with torch.inference_mode():
        features = encoder(volumes)
        assert features.shape == (2, encoder.feature_size)
        assert torch.equal(seen[0][7], volumes[1, :, :, :, 2])
        assert not torch.allclose(features, encoder(volumes[..., [2, 0, 1, 4, 3]]), atol=1e-4)
        assert torch.allclose(features[1:], encoder(volumes[1:]), atol=1e-5)
