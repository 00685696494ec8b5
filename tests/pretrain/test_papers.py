"""What each method's own paper promises, and the faults found in other implementations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.losses import BarlowTwinsLoss
from torch import Tensor, nn

from medcl.pretrain.losses import covariance, cross_correlation
from medcl.pretrain.methods import Batch, build_method
from medcl.pretrain.methods.moco import MoCoConfig
from medcl.pretrain.methods.swav import SwAVConfig
from medcl.pretrain.networks.heads import Prototypes, mlp
from medcl.pretrain.networks.momentum import MomentumBranch, cosine_momentum
from medcl.pretrain.sinkhorn import sinkhorn
from tests.pretrain.small_methods import SmallEncoder, make, make_views, train

BATCH = Batch(scan=torch.arange(8))


def test_simclr_masks_patients_and_duplicates() -> None:
    method, views = make("simclr"), make_views()
    alone = method.loss(views, BATCH)["loss"]
    patients = method.loss(views, Batch(scan=torch.arange(8), patient=torch.arange(8) // 2))["loss"]
    duplicates = method.loss(views, Batch(scan=torch.arange(8) // 2))["loss"]
    assert patients < alone
    assert torch.equal(patients, duplicates)


def test_two_scans_of_a_patient_are_a_positive_pair_and_its_other_pairs_no_negatives() -> None:
    """MICLe: rows 0 and 1 pair scans of patient 7; telling them apart must cost nothing."""
    method = make("simclr")
    views, patient = make_views(), torch.tensor([7, 7, 1, 2, 3, 4, 5, 6])
    views[:2, 1] = views[:2, 1].flip(0)  # the second view is of the patient's other scan
    z = F.normalize(method.embed(views), dim=2)
    logits = torch.einsum("ivd,jwd->ivjw", z, z) / 0.2
    total = 0.0
    for i in range(8):
        for v in (0, 1):
            others = [logits[i, v, j, w] for j in range(8) for w in (0, 1) if patient[j] != patient[i]]
            kept = torch.stack([logits[i, v, i, 1 - v], *others])
            total += (kept.logsumexp(0) - kept[0]).item() / 16
    assert method.loss(views, Batch(torch.arange(8), patient))["loss"].item() == pytest.approx(
        total, rel=1e-5
    )


def test_moco_queue_holds_the_last_keys_in_order_and_the_momentum_network_made_them() -> None:
    method = make("moco")
    keys = []
    for step in range(4):
        views, scan = make_views(step), torch.arange(8) + 8 * step
        keys.append(F.normalize(method.key_network(views[:, 1])))
        method.loss(views, Batch(scan=scan))["loss"].backward()
        method.on_step_end(step / 4)
    order = (torch.arange(20) + method.queue.position) % 20
    assert torch.allclose(method.queue.entries[order], torch.cat(keys)[-20:])
    assert method.queue.identity[order, 0].tolist() == list(range(12, 32))


def test_moco_positive_is_never_among_the_negatives() -> None:
    """A queue longer than the data holds every image's own old key; it must not push the image away."""
    method, views = make("moco"), make_views()
    for _ in range(3):
        method.loss(views, BATCH)
        method.on_step_end(0)
    parts = method.loss(views, BATCH)
    expected = []
    query = F.normalize(method.projector(method.encoder(views[:, 0])))
    key = F.normalize(method.key_network(views[:, 1]))
    for i in range(8):
        negatives = [
            e for e, (scan, _) in zip(method.queue.entries, method.queue.identity, strict=True) if scan != i
        ]
        logits = torch.stack([query[i] @ k for k in [key[i], *negatives]]) / 0.2
        expected.append(logits.logsumexp(0) - logits[0])
    assert parts["loss"].item() == pytest.approx(torch.stack(expected).mean().item(), rel=1e-5)
    same_patient = Batch(scan=torch.arange(8) + 100, patient=torch.arange(8))
    assert method.loss(views, same_patient)["negatives"].item() == parts["negatives"].item()


def test_moco_evaluates_without_touching_its_queue() -> None:
    method = make("moco").eval()
    method.loss(make_views(), BATCH)
    method.queue.commit()
    assert method.queue.count.item() == 0


def test_moco_queue_is_clamped_to_what_the_data_allows() -> None:
    assert MoCoConfig(queue=4096).limited(scans=500, batch_size=64).queue == 436
    assert MoCoConfig(queue=128).limited(scans=500, batch_size=64).queue == 128
    assert MoCoConfig(queue=128).limited(scans=64, batch_size=64).queue == 1


def test_moco_v3_is_its_paper_s_pseudocode() -> None:
    method, views = make("moco_v3"), make_views()
    project = nn.Sequential(method.encoder, method.projector)
    q1, q2 = (F.normalize(method.predictor(project(views[:, i]))) for i in (0, 1))
    k1, k2 = (F.normalize(method.key_network(views[:, i])) for i in (0, 1))
    labels = torch.arange(8)
    expected = sum(2 * 0.2 * F.cross_entropy(q @ k.T / 0.2, labels) for q, k in ((q1, k2), (q2, k1)))
    loss = method.loss(views, BATCH)["loss"]
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert all(p.grad is None for p in method.key_network.parameters())


def test_byol_target_starts_as_a_copy_heads_included_and_gets_no_gradient() -> None:
    method = make("byol", norm=True)
    online = nn.Sequential(method.encoder, method.projector).state_dict()
    target = method.target.network.state_dict()
    assert online.keys() == target.keys()
    assert all(torch.equal(online[key], target[key]) for key in online)
    method.loss(make_views(), BATCH)["loss"].backward()
    assert all(p.grad is None for p in method.target.parameters())


def test_byol_loss_is_zero_for_identical_inputs_through_identity_heads() -> None:
    method = make("byol")
    method.projector = method.predictor = nn.Identity()
    method.target.network = nn.Sequential(method.encoder, nn.Identity())
    views = make_views()[:, :1].expand(-1, 2, -1, -1, -1)
    assert method.loss(views, BATCH)["loss"].item() == pytest.approx(0, abs=1e-6)


def test_byol_is_the_paper_s_sum_of_both_directions() -> None:
    method, views = make("byol"), make_views()
    project = nn.Sequential(method.encoder, method.projector)
    p1, p2 = (method.predictor(project(views[:, i])) for i in (0, 1))
    t1, t2 = (method.target(views[:, i]) for i in (0, 1))
    expected = sum((F.normalize(p) - F.normalize(t)).square().sum(1).mean() for p, t in ((p1, t2), (p2, t1)))
    assert method.loss(views, BATCH)["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_momentum_branch_averages_parameters_and_keeps_its_own_statistics() -> None:
    online = SmallEncoder(norm=True)
    branch = MomentumBranch(online)
    old = [p.clone() for p in branch.parameters()]
    with torch.no_grad():
        for parameter in online.parameters():
            parameter.add_(1)
    online(make_views(1)[:, 0])
    branch.update(online, 0.9)
    for before, after, new in zip(old, branch.parameters(), online.parameters(), strict=True):
        assert torch.allclose(after, 0.9 * before + 0.1 * new)
    assert branch.network.layers[2].num_batches_tracked == 0
    branch(make_views(1)[:, 0])
    assert branch.network.layers[2].num_batches_tracked == 1


def test_momentum_rises_to_one_along_a_cosine() -> None:
    assert cosine_momentum(0.996, 0) == pytest.approx(0.996)
    assert cosine_momentum(0.996, 0.5) == pytest.approx(0.998)
    assert cosine_momentum(0.996, 1) == 1


def test_prototypes_have_no_bias_and_score_cosines() -> None:
    prototypes = Prototypes(6, 4)
    assert [name for name, _ in prototypes.named_parameters()] == ["weight"]
    with torch.no_grad():
        prototypes.weight.mul_(7)
    prototypes.normalize()
    z = F.normalize(torch.randn(5, 6), dim=1)
    expected = F.cosine_similarity(z[:, None], prototypes.weight[None], dim=2)
    assert torch.allclose(prototypes(z), expected, atol=1e-6)


def swav_formula(method: nn.Module, crops: list[Tensor]) -> float:
    scores = [
        F.normalize(method.projector(method.encoder(crop))) @ method.prototypes.weight.T for crop in crops
    ]
    total = 0.0
    for i in (0, 1):
        code = sinkhorn(scores[i])
        others = [s for v, s in enumerate(scores) if v != i]
        total += (
            sum(-(code * (s / 0.1).log_softmax(1)).sum(1).mean().item() for s in others) / len(others) / 2
        )
    return total


def test_swav_is_the_swapped_prediction_of_large_and_small_crops() -> None:
    method, views, small = make("swav").eval(), make_views(), make_views(3)[:, [0, 1, 1]]
    large = list(views.unbind(1))
    assert method.loss(views, BATCH)["loss"].item() == pytest.approx(swav_formula(method, large), rel=1e-5)
    crops = large + list(small.unbind(1))
    found = method(views, BATCH, small)["loss"].item()
    assert found == pytest.approx(swav_formula(method, crops), rel=1e-5)


def test_swav_prototypes_stay_in_the_first_epoch_and_move_after_it() -> None:
    for epoch, moves in ((0, False), (1, True)):
        method = make("swav")
        method.loss(make_views(), Batch(torch.arange(8), epoch=epoch))["loss"].backward()
        assert bool(method.prototypes.weight.grad.abs().max() > 0) is moves


def test_swav_queue_fills_over_epochs_of_one_batch_and_is_used_once_full() -> None:
    """Elsewhere the count restarts each epoch, and a short epoch never fills the queue."""
    config = SwAVConfig(hidden=10, projection=6, prototypes=4, queue=20, queue_from_epoch=1)
    torch.manual_seed(0)
    method = build_method(config, SmallEncoder())
    used = []
    for epoch in range(5):
        parts = method.loss(make_views(), Batch(torch.arange(8), epoch=epoch))
        used.append(parts["queue_used"].item())
        method.on_step_end(0)
    assert used == [0, 0, 0, 1, 1]
    with_queue = method.loss(make_views(1), Batch(torch.arange(8), epoch=5))["loss"].item()
    without = method.loss(make_views(1), Batch(torch.arange(8), epoch=0))["loss"].item()
    assert with_queue != without


def pair(seed: int = 0, rows: int = 12, size: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(rows, size, generator=generator, dtype=torch.float64)
    return first, first + torch.randn(rows, size, generator=generator, dtype=torch.float64)


def test_cross_correlation_is_that_of_numpy() -> None:
    first, second = pair()
    expected = np.corrcoef(first.numpy(), second.numpy(), rowvar=False)[:4, 4:]
    assert np.allclose(cross_correlation(first, second).numpy(), expected, atol=1e-4)
    assert torch.allclose(
        cross_correlation(first, first).diagonal(), torch.ones(4, dtype=torch.float64), atol=1e-4
    )


def test_barlow_twins_agrees_with_monai_once_monai_is_corrected() -> None:
    """MONAI divides by the unbiased deviation and then by N: its correlation is (N - 1) / N of the true one.

    Undone here by stretching: a correlation of ours on its scale has (N - 1) / N on the diagonal.
    """
    first, second = pair()
    rows, weight = len(first), 0.3
    ours = cross_correlation(first, second) * (rows - 1) / rows
    diagonal = ours.diagonal()
    loss = (1 - diagonal).square().sum() + weight * (ours.square().sum() - diagonal.square().sum())
    assert loss.item() == pytest.approx(BarlowTwinsLoss(lambd=weight)(first, second).item(), rel=1e-4)


def test_barlow_twins_is_the_formula_and_zero_for_equal_independent_dimensions() -> None:
    method = make("barlow_twins").double()
    views = make_views().double()
    first, second = (method.projector(method.encoder(views[:, i])) for i in (0, 1))
    c = cross_correlation(first, second)
    total = 0.0
    for i in range(6):
        for j in range(6):
            total += (1 - c[i, i].item()) ** 2 if i == j else 0.1 * c[i, j].item() ** 2
    assert method.loss(views, BATCH)["loss"].item() == pytest.approx(0.1 * total, rel=1e-9)
    signs = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]]).repeat(2, 3)[:, :2]
    decorrelated = torch.stack([signs, signs], dim=1)
    assert method.compare(decorrelated, BATCH)["loss"].item() == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("statistic", [cross_correlation, lambda a, b: covariance(a) + 2 * covariance(b)])
def test_gradients_of_batch_statistics(statistic) -> None:
    first, second = (z.requires_grad_() for z in pair(rows=5, size=3))
    assert torch.autograd.gradcheck(statistic, (first, second))


def test_vicreg_is_the_formula() -> None:
    method = make("vicreg").double()
    views = make_views().double()
    with torch.no_grad():
        z = [method.projector(method.encoder(views[:, i])).numpy() for i in (0, 1)]
    invariance = ((z[0] - z[1]) ** 2).mean()
    variance = np.mean([np.maximum(0, 1 - np.sqrt(v.var(0, ddof=1) + 1e-4)).mean() for v in z])
    covariances = [np.cov(v, rowvar=False) for v in z]
    off_diagonal = np.mean([(c[~np.eye(6, dtype=bool)] ** 2).sum() / 6 for c in covariances])
    expected = 0.1 * (25 * invariance + 25 * variance + off_diagonal)
    assert method.loss(views, BATCH)["loss"].item() == pytest.approx(expected, rel=1e-9)


def test_simsiam_is_its_algorithm_and_stops_the_gradient_at_the_projection() -> None:
    method, views = make("simsiam"), make_views()
    z1, z2 = (method.projector(method.encoder(views[:, i])) for i in (0, 1))
    p1, p2 = method.predictor(z1), method.predictor(z2)
    expected = (
        -(F.cosine_similarity(p1, z2.detach()).mean() + F.cosine_similarity(p2, z1.detach()).mean()) / 2
    )
    wanted = torch.autograd.grad(expected, list(method.encoder.parameters()))
    loss = method.loss(views, BATCH)["loss"]
    found = torch.autograd.grad(loss, list(method.encoder.parameters()))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(wanted, found, strict=True))


def test_heads_have_no_bias_before_batch_norm() -> None:
    layers = mlp([4, 6, 6, 3])
    assert [type(layer).__name__ for layer in layers] == [*["Linear", "BatchNorm1d", "ReLU"] * 2, "Linear"]
    assert [layer.bias is None for layer in layers if isinstance(layer, nn.Linear)] == [True, True, False]


@pytest.mark.parametrize("name", ["byol", "moco", "moco_v3"])
def test_momentum_position_comes_from_the_step_alone(name: str) -> None:
    """Two copies given the same progress move equally, whatever came before: no hidden counter."""
    one, other = make(name), make(name)
    train(one, 3)
    other.load_state_dict(one.state_dict())
    for method in (one, other):
        train(method, 1, first=9)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
