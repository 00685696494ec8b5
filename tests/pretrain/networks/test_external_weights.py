"""Weights of other libraries: what fits is used and gives the same features, what does not is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from medcl.errors import UsageError
from medcl.pretrain import EncoderConfig, build_encoder
from medcl.pretrain.networks.external_weights import load_external_weights

torch.set_num_threads(1)
SMALL = EncoderConfig(name="resnet10", width=8)


COLOR = SMALL.model_copy(update={"in_channels": 3})


def trained(config: EncoderConfig) -> nn.Module:
    """A network whose batch norms are not those of the start."""
    encoder = build_encoder(config, 3)
    for number in range(3):
        encoder(torch.randn(4, config.in_channels, *[32] * config.spatial_dims) + number)
    return encoder.eval()


def torchvision_names(encoder: nn.Module) -> dict[str, Tensor]:
    """torchvision and timm call the tensors of a ResNet by these names, and end in a classifier `fc`."""
    weights = {name.removeprefix("network."): value.clone() for name, value in encoder.state_dict().items()}
    assert {"conv1.weight", "bn1.running_var", "layer2.0.downsample.1.bias"} <= weights.keys()
    return weights | {"fc.weight": torch.zeros(1000, 64), "fc.bias": torch.zeros(1000)}


@pytest.mark.parametrize("prefix", ["", "module.", "encoder.backbone."])
@pytest.mark.parametrize("nest", [None, "state_dict", "model"])
def test_a_torchvision_resnet_fits_whatever_it_is_wrapped_in(
    tmp_path: Path, prefix: str, nest: str | None
) -> None:
    source = trained(COLOR)
    weights = {prefix + name: value for name, value in torchvision_names(source).items()}
    torch.save({nest: weights, "epoch": 9} if nest else weights, tmp_path / "resnet.pth")
    encoder = build_encoder(COLOR, 0).eval()
    report = load_external_weights(encoder, tmp_path / "resnet.pth")
    views = torch.randn(2, 3, 32, 32)
    assert torch.equal(encoder(views), source(views))
    assert [name.split(".")[-2:] for name in report.unused] == [["fc", "bias"], ["fc", "weight"]]
    assert not report.missing
    assert not report.shape_differs
    assert "2 unused" in str(report)


def test_gray_views_give_what_they_gave_in_three_channels(tmp_path: Path) -> None:
    source = trained(COLOR)
    save_file(torchvision_names(source), tmp_path / "resnet.safetensors")
    encoder = build_encoder(SMALL, 0).eval()
    report = load_external_weights(encoder, tmp_path / "resnet.safetensors")
    gray = torch.randn(2, 1, 32, 32)
    torch.testing.assert_close(encoder(gray), source(gray.expand(-1, 3, -1, -1)))
    assert report.adapted == ["conv1.weight"]


def test_a_gray_network_serves_stacked_slices(tmp_path: Path) -> None:
    source = trained(SMALL)
    save_file(torchvision_names(source), tmp_path / "resnet.safetensors")
    encoder = build_encoder(COLOR, 0).eval()
    load_external_weights(encoder, tmp_path / "resnet.safetensors")
    gray = torch.randn(2, 1, 32, 32)
    torch.testing.assert_close(encoder(gray.expand(-1, 3, -1, -1)), source(gray))


def test_a_2d_network_reads_the_slices_of_volumes(tmp_path: Path) -> None:
    source = trained(SMALL)
    save_file(torchvision_names(source), tmp_path / "resnet.safetensors")
    volume = SMALL.model_copy(update={"spatial_dims": 3, "sequence": "lstm"})
    encoder = build_encoder(volume, 0).eval()
    load_external_weights(encoder, tmp_path / "resnet.safetensors")
    views = torch.randn(2, 1, 32, 32)
    assert torch.equal(encoder.network.slices(views), source(views))


def test_medicalnet_s_shortcut_biases_move_into_the_batch_norm_behind_them(tmp_path: Path) -> None:
    volume = SMALL.model_copy(update={"spatial_dims": 3})
    source = trained(volume)
    weights = {f"module.{name}": value for name, value in torchvision_names(source).items()}
    for stage in (2, 3, 4):
        convolution = source.network.get_submodule(f"layer{stage}.0.downsample.0")
        bias = torch.randn(len(convolution.weight))
        convolution.bias = nn.Parameter(bias)
        weights[f"module.layer{stage}.0.downsample.0.bias"] = bias
    torch.save({"state_dict": weights}, tmp_path / "resnet_10.pth")
    encoder = build_encoder(volume, 0).eval()
    report = load_external_weights(encoder, tmp_path / "resnet_10.pth")
    views = torch.randn(2, 1, 32, 32, 32)
    torch.testing.assert_close(encoder(views), source(views))
    assert report.unused == ["fc.bias", "fc.weight"]


def test_what_does_not_fit_is_named_and_left_alone(tmp_path: Path) -> None:
    source = torchvision_names(trained(SMALL))
    del source["layer3.0.conv2.weight"]
    save_file(source, tmp_path / "resnet.safetensors")
    encoder = build_encoder(SMALL.model_copy(update={"stem": "compact"}), 0)
    before = {name: value.clone() for name, value in encoder.network.state_dict().items()}
    report = load_external_weights(encoder, tmp_path / "resnet.safetensors")
    assert report.shape_differs == ["conv1.weight"]
    assert report.missing == ["layer3.0.conv2.weight"]
    after = encoder.network.state_dict()
    for name in ("conv1.weight", "layer3.0.conv2.weight"):
        assert torch.equal(after[name], before[name])
    assert torch.equal(after["layer1.0.conv1.weight"], source["layer1.0.conv1.weight"])


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    encoder = build_encoder(SMALL, 0)
    (tmp_path / "text.pth").write_text("hello")
    torch.save([1, 2], tmp_path / "list.pth")
    save_file({"other.weight": torch.zeros(3, 3)}, tmp_path / "other.safetensors")
    for name, message in (
        ("absent.pth", "no such file"),
        ("text.pth", "cannot be read"),
        ("list.pth", "no named tensors"),
        ("other.safetensors", "no weight in it fits"),
    ):
        with pytest.raises(UsageError, match=message):
            load_external_weights(encoder, tmp_path / name)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    weights = torchvision_names(trained(SMALL))
    weights["layer1.0.conv1.weight"][0] = float("nan")
    torch.save(weights, tmp_path / "nan.pth")
    with pytest.raises(UsageError, match=r"nan\.pth: it has weights that are not finite numbers"):
        load_external_weights(build_encoder(SMALL, 0), tmp_path / "nan.pth")
