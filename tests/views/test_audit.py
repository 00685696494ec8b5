"""Shipped policies hold every invariant, and every planted fault is caught where it must be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from medcl.views import load_policy, shipped
from medcl.views.audit import AuditReport, CheckResult, audit, audit_policy, check_private
from medcl.views.audit.check_results import NAMES as NAMES_OF_INVARIANTS
from medcl.views.audit.mutations import MUTATIONS, Mutation
from medcl.views.audit.phantoms import CANARY
from medcl.views.audit.store_checks import check_store
from medcl.views.audit.view_pipeline import ViewPipeline
from tests.views.phantoms import MemoryStore, grid_affine, phantom_volume

NAMES = sorted(path.stem for path in shipped("views").glob("*.yaml"))


VARIANTS = [
    (name, variant)
    for name in NAMES
    for variant in (None, *(yaml.safe_load(shipped(f"views/{name}.yaml").read_text()).get("variants") or {}))
]


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("cxr", None),
        *[pytest.param(*each, marks=pytest.mark.slow) for each in VARIANTS if each != ("cxr", None)],
    ],
)
def test_shipped_policies_hold(name: str, variant: str | None) -> None:
    report = audit_policy(load_policy(name, variant))
    assert report.passed, report.table()


def test_only_variants_accept_more_disagreement() -> None:
    for name, variant in VARIANTS:
        accepted = load_policy(name, variant).crop.disagree
        assert accepted <= (0.1 if variant is None else 0.3)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.invariant}-{mutation.name}")
def test_planted_faults_are_caught(mutation: Mutation) -> None:
    report = audit(mutation.plant(load_policy("ct")), only={mutation.invariant}, on={mutation.grid})
    assert report.failed == (mutation.invariant,), report.table()


def test_every_invariant_has_a_fault_that_it_catches() -> None:
    caught = {mutation.invariant for mutation in MUTATIONS}
    assert caught | {"I22"} == set(NAMES_OF_INVARIANTS), "I22 is about what is written: the test below"


def test_a_person_in_a_report_is_caught() -> None:
    clean = audit(ViewPipeline(load_policy("us")), only={"I21"})
    assert check_private(clean).passed
    leaky = AuditReport(clean.policy, (CheckResult("I8", f"worst in {CANARY}", "none", True),))
    assert not check_private(leaky).passed


def test_report_is_written_whole(tmp_path: Path) -> None:
    report = audit(ViewPipeline(load_policy("us")), only={"I3", "I13"})
    page = report.write(tmp_path / "audit").read_text()
    record = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert record["passed"] is True
    assert [one["id"] for one in record["results"]] == ["I3", "I13"]
    assert "holds every invariant" in page
    assert CANARY not in page
    assert "padding" in report.table()


def test_a_store_is_audited_with_its_masks() -> None:
    shape = (80, 80, 16)
    affine = grid_affine((1.0, 1.0, 5.0), shape)
    mask = np.zeros(shape, np.uint8)
    mask[30:50, 30:50] = 1
    store = MemoryStore().add(phantom_volume(shape, affine), affine, mask=mask)
    results = {one.id: one for one in check_store(ViewPipeline(load_policy("mr"), 96), store)}
    assert results["I9"].passed
    assert results["I10"].passed
    assert "exactly one in 0.0%" in results["I10"].figure
    assert results["I19"].passed
    coarse = {one.id: one for one in check_store(ViewPipeline(load_policy("mr"), 32), store)}
    assert not coarse["I19"].passed


def test_a_store_whose_views_lose_the_lesion_fails() -> None:
    shape = (80, 80, 16)
    affine = grid_affine((1.0, 1.0, 5.0), shape)
    mask = np.zeros(shape, np.uint8)
    mask[2:9, 2:9] = 1
    store = MemoryStore().add(phantom_volume(shape, affine), affine, mask=mask)
    policy = load_policy("mr", "permissive")
    loose = policy.model_copy(
        update={"crop": policy.crop.model_copy(update={"marked": 0.0, "disagree": 0.1})}
    )
    results = {one.id: one for one in check_store(ViewPipeline(loose, 96), store)}
    assert not results["I10"].passed
    assert results["I10"].pictures


def test_padding_that_was_not_measured_fails() -> None:
    shape = (80, 80, 16)
    affine = grid_affine((1.0, 1.0, 5.0), shape)
    holes = np.ones(shape, bool)
    holes[30:50, 30:50] = False
    store = MemoryStore().add(phantom_volume(shape, affine), affine, valid=holes)
    results = {one.id: one for one in check_store(ViewPipeline(load_policy("mr"), 96), store)}
    assert not results["I13"].passed


def test_unknown_patients_are_said_so() -> None:
    store = MemoryStore()
    for seed in range(4):
        store.add(np.random.default_rng(seed).integers(0, 255, (60, 60)).astype(np.uint8))
        store.rows[seed]["flags"] = "PATIENT_UNKNOWN"
    results = {one.id: one for one in check_store(ViewPipeline(load_policy("cxr"), 96), store)}
    assert results["I21"].passed
    assert "PATIENT_UNKNOWN for 4 of 4" in results["I21"].figure
