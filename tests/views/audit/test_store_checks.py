"""Scans of a store are audited with their masks and metadata."""

from __future__ import annotations

import numpy as np

from medcl.views import load_policy
from medcl.views.audit.store_checks import check_store
from medcl.views.audit.view_pipeline import ViewPipeline
from tests.views.phantoms import MemoryStore, grid_affine, phantom_volume


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
