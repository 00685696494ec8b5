"""What holds for every method: its door, its gradients, resume, autocast, order and sides."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric

from medcl.config import load
from medcl.pretrain.methods import METHODS, Batch, build_method
from tests.pretrain.small_methods import CONFIGS, SmallEncoder, make, make_views, train


@pytest.mark.parametrize("name", CONFIGS)
def test_loss_is_finite_float32_and_reaches_the_encoder(name: str) -> None:
    method = make(name)
    train(method, 2)
    parts = method.loss(make_views(5), Batch(scan=torch.arange(40, 48)))
    parts["loss"].backward()
    assert parts["loss"].dtype == torch.float32
    assert parts["loss"].ndim == 0
    assert all(torch.isfinite(value) for value in parts.values())
    assert not any(value.requires_grad for part, value in parts.items() if part != "loss")
    for parameter in method.encoder.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0


@pytest.mark.parametrize("name", CONFIGS)
def test_every_trained_parameter_gets_a_gradient(name: str) -> None:
    """DistributedDataParallel waits for all of them."""
    method = make(name)
    train(method, 1)
    method.zero_grad()
    method.loss(make_views(5), Batch(scan=torch.arange(40, 48)))["loss"].backward()
    missing = [n for n, p in method.named_parameters() if p.requires_grad and p.grad is None]
    assert missing == []


@pytest.mark.parametrize("name", CONFIGS)
def test_training_lowers_the_loss(name: str) -> None:
    losses = train(make(name), 60, total=60)
    assert sum(losses[-6:]) < sum(losses[3:9])


@pytest.mark.parametrize("name", CONFIGS)
def test_resume_from_the_state_dict_is_bit_exact(name: str) -> None:
    undisturbed = make(name, norm=True)
    train(undisturbed, 12)
    first = make(name, norm=True)
    train(first, 5)
    saved = {key: value.clone() for key, value in first.state_dict().items()}
    torch.manual_seed(99)
    second = build_method(CONFIGS[name], SmallEncoder(norm=True))
    second.load_state_dict(saved)
    train(second, 7, first=5)
    for key, value in undisturbed.state_dict().items():
        assert torch.equal(value, second.state_dict()[key]), key


@pytest.mark.parametrize("name", CONFIGS)
def test_fabric_in_bf16_changes_the_network_and_not_the_loss_type(name: str) -> None:
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    method, batch = make(name), Batch(scan=torch.arange(8), patient=torch.arange(8))
    wrapped = fabric.setup(method)
    parts = wrapped(make_views(), batch)
    fabric.backward(parts["loss"])
    method.on_step_end(0.5)
    assert parts["loss"].dtype == torch.float32
    assert parts["loss"].item() == pytest.approx(make(name).loss(make_views(), batch)["loss"].item(), abs=0.1)
    assert all(p.grad.isfinite().all() for p in method.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", CONFIGS)
def test_losses_take_float16_embeddings_in_float32(name: str) -> None:
    method, batch = make(name), Batch(scan=torch.arange(8))
    halves = (method.embed(make_views()).detach() * 20).half()
    expected = method.compare(halves.float(), batch)["loss"]
    found = method.compare(halves, batch)["loss"]
    assert found.dtype == torch.float32
    assert torch.isfinite(found)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("name", CONFIGS)
def test_volumes_work_as_pictures_do(name: str) -> None:
    torch.manual_seed(0)
    method = build_method(CONFIGS[name], SmallEncoder(pixels=64))
    views = torch.randn(6, 2, 1, 4, 4, 4)
    assert torch.isfinite(method.loss(views, Batch(scan=torch.arange(6)))["loss"])


@pytest.mark.parametrize("name", CONFIGS)
def test_order_of_the_batch_does_not_matter(name: str) -> None:
    method, views = make(name), make_views(5)
    train(method, 2)
    scan, patient = torch.arange(40, 48), torch.arange(8) // 2
    order = torch.tensor([3, 1, 7, 5, 0, 2, 4, 6])
    as_is = method.loss(views, Batch(scan, patient, epoch=1))["loss"].item()
    shuffled = method.loss(views[order], Batch(scan[order], patient[order], epoch=1))["loss"].item()
    assert shuffled == pytest.approx(as_is, rel=1e-5)


@pytest.mark.parametrize("name", [name for name in CONFIGS if name not in ("moco", "moco-euclidean")])
def test_swapped_views_cost_the_same(name: str) -> None:
    """MoCo v2 alone gives its two views different parts: query and key."""
    method, views = make(name), make_views(5)
    batch = Batch(torch.arange(8))
    swapped = method.loss(views.flip(1), batch)["loss"].item()
    assert swapped == pytest.approx(method.loss(views, batch)["loss"].item(), rel=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_online_encoder_is_the_one_that_is_kept(name: str) -> None:
    encoder = SmallEncoder(norm=True)
    method = build_method(CONFIGS[name], encoder)
    assert method.encoder is encoder
    before = [parameter.clone() for parameter in encoder.parameters()]
    train(method, 2)
    assert not all(torch.equal(a, b) for a, b in zip(before, encoder.parameters(), strict=True))
    assert encoder.layers[2].num_batches_tracked > 0


def test_shipped_settings_are_the_documented_defaults() -> None:
    folder = Path(__file__).parents[2] / "configs" / "methods"
    shipped = {path.stem: path for path in folder.glob("*.yaml")}
    defaults = {str(config.model_fields["name"].default): config for config in METHODS}
    assert shipped.keys() == defaults.keys()
    for name, config in defaults.items():
        assert load(shipped[name], config) == config()
        assert all(f"\n{key}:" in shipped[name].read_text() for key in config.model_fields)


def test_default_settings_build_around_a_real_feature_size() -> None:
    for config in METHODS:
        method = build_method(config(), SmallEncoder(features=32))
        assert torch.isfinite(method.loss(make_views(), Batch(torch.arange(8)))["loss"]), config
