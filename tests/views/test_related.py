"""Copies and scans of one patient are related; the audit watches over the code that pretraining uses."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from medcl.pretrain import losses
from medcl.pretrain.data import TrainingData
from medcl.pretrain.methods import moco, moco_v3
from medcl.views import load_policy, related
from medcl.views.audit import ViewPipeline, audit
from medcl.views.audit.store_checks import check_store
from tests.views.phantoms import MemoryStore, image_store

TABLE = pd.DataFrame({"fingerprint": [7, 8, 7, 9], "patient": ["a", "b", "c", "b"]})
RELATED = [[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1]]


def test_copies_and_scans_of_one_patient_are_related() -> None:
    identity = torch.from_numpy(related.identities(TABLE))
    assert related.same_scan_or_patient(identity, identity).int().tolist() == RELATED


def _strangers(scans: pd.DataFrame) -> np.ndarray:
    return np.repeat(np.arange(len(scans))[:, None], 2, axis=1)


def _copies_only(scans: pd.DataFrame) -> np.ndarray:
    codes = pd.factorize(scans["fingerprint"])[0]
    return np.stack([codes, np.arange(len(scans))], axis=1)


def _patients_only(scans: pd.DataFrame) -> np.ndarray:
    codes = pd.factorize(scans["patient"])[0]
    return np.stack([np.arange(len(scans)), codes], axis=1)


def _store() -> MemoryStore:
    store = image_store(8)
    for row in range(8):
        store.rows[row]["patient"] = f"p-{row // 2}"
    store.rows[7]["fingerprint"] = store.rows[0]["fingerprint"]
    return store


def _training_identity(store: MemoryStore) -> torch.Tensor:
    """The numbers that pretraining gives to its losses."""
    data = TrainingData.__new__(TrainingData)
    data.store = SimpleNamespace(scans=store.scans)  # type: ignore[assignment]
    return data.identity(torch.arange(len(store.scans)))


@pytest.mark.parametrize("broken", [_strangers, _copies_only, _patients_only])
def test_breaking_what_training_uses_is_caught_by_i21(
    monkeypatch: pytest.MonkeyPatch, broken: object
) -> None:
    pipeline, store = ViewPipeline(load_policy("cxr"), 96), _store()
    assert audit(pipeline, only={"I21"}).passed
    assert {one.id: one.passed for one in check_store(pipeline, store)}["I21"]
    monkeypatch.setattr(related, "identities", broken)
    assert audit(pipeline, only={"I21"}).failed == ("I21",)
    assert not {one.id: one.passed for one in check_store(pipeline, store)}["I21"]
    assert np.array_equal(_training_identity(store).numpy(), broken(store.scans)), (
        "training has that fault, too"
    )


def test_a_fault_in_the_comparison_is_caught_by_i21(monkeypatch: pytest.MonkeyPatch) -> None:
    both = lambda one, other: (one[:, None] == other[None]).all(-1)  # noqa: E731
    monkeypatch.setattr(related, "same_scan_or_patient", both)
    assert audit(ViewPipeline(load_policy("cxr")), only={"I21"}).failed == ("I21",)


def test_losses_compare_by_the_audited_function() -> None:
    for module in (losses, moco, moco_v3):
        assert module.same_scan_or_patient is related.same_scan_or_patient
