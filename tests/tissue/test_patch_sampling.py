"""Patches are drawn in balance, by the mask where it counts, and refused where there are none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.archive import scan_archive
from medcl.errors import UsageError
from medcl.store import Store, prepare
from medcl.tissue.config import PatchConfig
from medcl.tissue.patch_sampling import (
    abnormal_mask,
    coverage,
    labeled_patches,
    masked_rows,
    scan_body_mask,
    unlabeled_patches,
)
from tests.tissue.samples import write_archive

CONFIG = PatchConfig(edge_mm=9, each=24, unlabeled=24, stride_mm=6)


@given(
    st.integers(0, 2**32 - 1),
    st.tuples(*[st.integers(1, 5)] * 3),
)
def test_coverage_is_the_mean_of_the_mask_over_each_box(seed: int, shape: tuple[int, int, int]) -> None:
    generator = np.random.default_rng(seed)
    mask = generator.random((9, 8, 7)) < 0.4
    start = np.stack(
        [generator.integers(0, n - s + 1, 20) for n, s in zip(mask.shape, shape, strict=True)], 1
    )
    boxes = [mask[tuple(slice(a, a + s) for a, s in zip(at, shape, strict=True))] for at in start]
    np.testing.assert_allclose(coverage(mask, start, np.array(shape)), [box.mean() for box in boxes])


@pytest.mark.parametrize("dims", [2, 3])
def test_labeled_patches_are_balanced_in_every_patient_and_labeled_by_the_mask(
    store: Store, dims: int
) -> None:
    patches = labeled_patches(store, masked_rows(store), CONFIG, dims, seed=0)
    counts = patches.scans.groupby(["patient", "label"]).size().unstack()
    assert (counts["healthy"] == counts["abnormal"]).all()
    assert len(counts) == 4
    for patch in patches.scans.to_dict("records"):
        box = tuple(map(slice, patch["start"], patch["stop"]))
        share = abnormal_mask(store, patch["row"])[box].mean()
        assert share >= CONFIG.abnormal if patch["label"] == "abnormal" else share == 0
        middle = (patch["start"] + patch["stop"]) // 2
        assert scan_body_mask(store, patch["row"])[tuple(middle)] or patch["start"].min() == 0
    again = labeled_patches(store, masked_rows(store), CONFIG, dims, seed=0)
    pd.testing.assert_frame_equal(patches.scans, again.scans)
    other = labeled_patches(store, masked_rows(store), CONFIG, dims, seed=1)
    assert list(other.scans["scan"]) != list(patches.scans["scan"])


def test_unlabeled_patches_do_not_depend_on_the_mask(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = masked_rows(store)
    patches = unlabeled_patches(store, rows, CONFIG, 2, seed=0)
    monkeypatch.setattr(Store, "mask", lambda *_: pytest.fail("looked at a mask"))
    assert list(unlabeled_patches(store, rows, CONFIG, 2, seed=0).scans["scan"]) == list(
        patches.scans["scan"]
    )
    assert patches.scans["patient"].is_unique


def test_a_patient_without_abnormal_patches_is_named(store: Store) -> None:
    large = CONFIG.model_copy(update={"edge_mm": 30.0, "abnormal": 0.9})
    with pytest.raises(UsageError, match=r"patient p-\w+: no abnormal patch in scan s-\w+ \(at most \d+%"):
        labeled_patches(store, masked_rows(store), large, 3, seed=0)


def test_a_store_without_masks_is_refused(tmp_path) -> None:
    table = write_archive(tmp_path, masks=False)
    for place in (tmp_path / "archive").glob("*/seg.nii.gz"):
        place.unlink()
    plain = prepare(scan_archive([tmp_path / "archive"], tmp_path / "catalog"), tmp_path / "store", table)
    with pytest.raises(UsageError, match="no volume with a mask; name masks in the column 'mask'"):
        masked_rows(plain)
