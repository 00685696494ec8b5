"""MoCo v2: what its queue holds, and what it excludes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from medcl.pretrain.methods import Batch
from medcl.pretrain.methods.moco import MoCoConfig
from tests.pretrain.small_methods import make, make_views

BATCH = Batch(scan=torch.arange(8))


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
