"""SimCLR: pairs of a patient are not negatives."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from medcl.pretrain.methods import Batch
from tests.pretrain.small_methods import make, make_views

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
            candidates = torch.stack([logits[i, v, i, 1 - v], *others])
            total += (candidates.logsumexp(0) - candidates[0]).item() / 16
    assert method.loss(views, Batch(torch.arange(8), patient))["loss"].item() == pytest.approx(
        total, rel=1e-5
    )


def pair(seed: int = 0, rows: int = 12, size: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(rows, size, generator=generator, dtype=torch.float64)
    return first, first + torch.randn(rows, size, generator=generator, dtype=torch.float64)
