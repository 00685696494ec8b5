"""Every method: its door, its gradients, its papers' promises."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medcl.pretrain.methods import Batch, Method, MethodConfig, build_method
from medcl.pretrain.methods.byol import BYOLConfig
from medcl.pretrain.methods.simclr import SimCLRConfig

torch.set_num_threads(1)


class SmallEncoder(nn.Module):
    """Two linear layers on flattened views; `norm` adds the batch norm that real encoders have."""

    def __init__(self, pixels: int = 16, features: int = 8, norm: bool = False) -> None:
        super().__init__()
        middle = nn.BatchNorm1d(12) if norm else nn.Identity()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(pixels, 12), middle, nn.Tanh(), nn.Linear(12, features)
        )
        self.feature_size = features

    def forward(self, views: Tensor) -> Tensor:
        return self.layers(views)


CONFIGS: dict[str, MethodConfig] = {
    "simclr": SimCLRConfig(projection=6),
    "simclr-margin": SimCLRConfig(projection=6, loss="contrastive"),
    "simclr-euclidean": SimCLRConfig(projection=6, similarity="euclidean"),
    "byol": BYOLConfig(hidden=10, projection=6),
}


def make(name: str, norm: bool = False) -> Method:
    torch.manual_seed(0)
    return build_method(CONFIGS[name], SmallEncoder(norm=norm))


def make_views(seed: int = 0, scans: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    anatomy = torch.randn(scans, 1, 1, 4, 4, generator=generator)
    return anatomy + 0.3 * torch.randn(scans, 2, 1, 4, 4, generator=generator)


def train(method: Method, steps: int, first: int = 0, total: int = 12, lr: float = 0.05) -> list[float]:
    """Train without hidden state: only the method's state dict carries over (plain SGD)."""
    losses = []
    for step in range(first, first + steps):
        batch = Batch(scan=torch.arange(8) + 8 * (step % 3), step=step, epoch=step // 3)
        loss = method.loss(make_views(step % 3), batch)["loss"]
        method.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in method.parameters():
                if parameter.grad is not None:
                    parameter -= lr * parameter.grad
        method.after_step((step + 1) / total)
        losses.append(loss.item())
    return losses


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
def test_autocast_changes_the_network_and_not_the_loss_type(name: str) -> None:
    method = make(name)
    batch = Batch(scan=torch.arange(8))
    with torch.autocast("cpu", torch.bfloat16):
        parts = method.loss(make_views(), batch)
    assert parts["loss"].dtype == torch.float32
    assert parts["loss"].item() == pytest.approx(make(name).loss(make_views(), batch)["loss"].item(), abs=0.1)


@pytest.mark.parametrize("name", CONFIGS)
def test_volumes_work_as_pictures_do(name: str) -> None:
    torch.manual_seed(0)
    method = build_method(CONFIGS[name], SmallEncoder(pixels=64))
    views = torch.randn(6, 2, 1, 4, 4, 4)
    assert torch.isfinite(method.loss(views, Batch(scan=torch.arange(6)))["loss"])


def test_simclr_masks_patients_and_duplicates() -> None:
    method, views = make("simclr"), make_views()
    alone = method.loss(views, Batch(scan=torch.arange(8)))["loss"]
    patients = method.loss(views, Batch(scan=torch.arange(8), patient=torch.arange(8) // 2))["loss"]
    duplicates = method.loss(views, Batch(scan=torch.arange(8) // 2))["loss"]
    assert patients < alone
    assert torch.equal(patients, duplicates)


def test_byol_target_starts_as_a_copy_and_gets_no_gradient() -> None:
    method = make("byol", norm=True)
    online = {
        **dict(method.encoder.state_dict(prefix="0.")),
        **dict(method.projector.state_dict(prefix="1.")),
    }
    target = method.target.network.state_dict()
    assert online.keys() == target.keys()
    assert all(torch.equal(online[key], target[key]) for key in online)
    method.loss(make_views(), Batch(scan=torch.arange(8)))["loss"].backward()
    assert all(p.grad is None for p in method.target.parameters())


def test_byol_loss_is_zero_for_identical_inputs_through_identity_heads() -> None:
    method = make("byol")
    method.projector = method.predictor = nn.Identity()
    method.target.network = nn.Sequential(method.encoder, nn.Identity())
    views = make_views()[:, :1].expand(-1, 2, -1, -1, -1)
    assert method.loss(views, Batch(scan=torch.arange(8)))["loss"].item() == pytest.approx(0, abs=1e-6)


def test_byol_is_the_paper_s_sum_of_both_directions() -> None:
    method, views = make("byol"), make_views()
    project = nn.Sequential(method.encoder, method.projector)
    p1, p2 = (method.predictor(project(views[:, i])) for i in (0, 1))
    t1, t2 = (method.target(views[:, i]) for i in (0, 1))
    expected = sum((F.normalize(p) - F.normalize(t)).square().sum(1).mean() for p, t in ((p1, t2), (p2, t1)))
    found = method.loss(views, Batch(scan=torch.arange(8)))["loss"]
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
