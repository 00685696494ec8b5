"""Encoders: their features, their seed and their files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from medcl.errors import UsageError
from medcl.pretrain import EncoderConfig, build_encoder, load_encoder
from medcl.pretrain.networks.encoders import save_encoder
from tests.pretrain.small_methods import SMALL_ENCODER

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
    ("settings", "message"),
    [
        ({"name": "resnet19"}, "no network 'resnet19'; there are resnet10"),
        ({"name": SMALL_ENCODER}, "feature_size"),
        ({"name": "resnet10", "feature_size": 64}, "feature_size"),
        ({"name": "resnet10", "sequence": "gru"}, "spatial_dims to 3"),
    ],
)
def test_settings_that_make_no_network_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EncoderConfig(**settings)


def test_a_class_of_one_s_own_is_built_saved_and_loaded(tmp_path: Path) -> None:
    config = EncoderConfig(name=SMALL_ENCODER, options={"features": 6}, feature_size=6)
    encoder = build_encoder(config, 2)
    views = torch.randn(3, 1, 4, 4)
    save_encoder(encoder, tmp_path / "encoder.safetensors")
    assert torch.equal(load_encoder(tmp_path)(views), encoder(views))
    assert encoder(views).shape == (3, encoder.feature_size)


def test_a_feature_size_that_is_not_true_is_refused() -> None:
    encoder = build_encoder(EncoderConfig(name=SMALL_ENCODER, feature_size=9))
    with pytest.raises(UsageError, match=r"gives \(3, 8\) for 3 views, not feature_size=9"):
        encoder(torch.randn(3, 1, 4, 4))
