"""Shipped policies hold every invariant, and every planted fault is caught where it must be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from view_phantoms import MemoryStore, grid_affine, phantom_volume

from medcl.views import load_policy, shipped
from medcl.views.audit import audit, audit_policy
from medcl.views.audit.mutations import MUTATIONS, Mutation
from medcl.views.audit.phantoms import CANARY
from medcl.views.audit.store_checks import check_store
from medcl.views.audit.subject import Subject

NAMES = sorted(path.stem for path in shipped("views").glob("*.yaml"))


@pytest.mark.parametrize(
    "name", ["cxr", *[pytest.param(n, marks=pytest.mark.slow) for n in NAMES if n != "cxr"]]
)
def test_shipped_policies_hold(name: str) -> None:
    report = audit_policy(load_policy(name))
    assert report.passed, report.table()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: f"{m.invariant}-{m.name}")
def test_planted_faults_are_caught(mutation: Mutation) -> None:
    report = audit(mutation.plant(load_policy("ct")), only={mutation.invariant}, on={mutation.world})
    assert report.failed == (mutation.invariant,), report.table()


def test_report_is_written_whole(tmp_path: Path) -> None:
    report = audit(Subject(load_policy("us")), only={"I3", "I13"})
    page = report.write(tmp_path / "audit").read_text()
    facts = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert facts["passed"] is True
    assert [one["id"] for one in facts["findings"]] == ["I3", "I13"]
    assert "holds every invariant" in page
    assert CANARY not in page
    assert "padding" in report.table()


def test_a_store_is_audited_with_its_masks() -> None:
    shape = (80, 80, 16)
    affine = grid_affine((1.0, 1.0, 5.0), shape)
    mask = np.zeros(shape, np.uint8)
    mask[30:50, 30:50] = 1
    store = MemoryStore().add(phantom_volume(shape, affine), affine, mask=mask)
    found = {one.id: one for one in check_store(Subject(load_policy("mr"), 96), store)}
    assert found["I10"].passed
    assert "exactly one 0.0%" in found["I10"].figure
    assert found["I19"].passed
    coarse = {one.id: one for one in check_store(Subject(load_policy("mr"), 32), store)}
    assert not coarse["I19"].passed
