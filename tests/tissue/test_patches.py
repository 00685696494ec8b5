"""Patches lie where they are put, are what the mask says they are, and come out of the view loader so."""

from __future__ import annotations

import nibabel as nib
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
from medcl.tissue.patches import patches_at
from medcl.views import ViewLoader, load_policy
from tests.tissue.samples import SHAPE, head, settings, write_archive

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


@pytest.mark.parametrize("dims", [2, 3])
def test_the_unaugmented_view_of_a_patch_is_the_patch(store: Store, dims: int) -> None:
    centers = np.array([[18, 16, 10], [12, 14, 8], [0, 0, 0], list(SHAPE)])
    patches = patches_at(store, 0, centers, edge_mm=9, dims=dims)
    whole = {"draw": "whole", "count": 1, "shuffle": False, "drop_last": False, "dims": dims}
    loader = ViewLoader(patches, range(4), load_policy("mr"), size=6, batch_size=4, seed=0, **whole)
    (batch,) = loader
    scan = store.scans.iloc[0]
    affine = store.affine(0)
    assert batch.affines is not None
    assert affine is not None
    for n, patch in enumerate(patches.scans.to_dict("records")):
        to_voxel = np.linalg.inv(affine) @ batch.affines[n, 0].numpy()
        ends = np.array([[0] * 3, [5, 5, 5 if dims == 3 else 0]])
        corners = np.sort((np.c_[ends, [1, 1]] @ to_voxel.T)[:, :3], axis=0)
        # Pixels lie within the patch: the outermost ones half a pixel from its edge.
        low, high = np.array(patch["start"]) - 0.5, np.array(patch["stop"]) - 0.5
        assert (corners[0] >= low - 1e-6).all()
        assert (corners[1] <= high + 1e-6).all()
        shown = np.asarray(patches.array(n))
        assert scan["lo"] == patch["lo"]
        assert shown.size >= np.prod(high - low)
    if dims == 2:
        start = patches.scans["start"].iat[0]
        plane = store.array(0)[start[0] : start[0] + 6, start[1] : start[1] + 6, start[2]]
        expected = np.clip((plane[::-1, ::-1].T - scan["lo"]) / (scan["hi"] - scan["lo"]), 0, 1)
        np.testing.assert_allclose(batch.data[0, 0, 0].numpy() * 0.25 + 0.5, expected, atol=1e-5)


def test_a_turned_view_shows_the_next_tissue_and_no_padding(store: Store) -> None:
    patches = patches_at(store, 0, np.tile([18, 16, 10], (40, 1)), edge_mm=12, dims=2)
    varied = patches.scans.assign(fingerprint=np.arange(40, dtype=np.uint64))
    loader = ViewLoader(
        type(patches)(store, varied), range(40), load_policy("mr", "permissive"), 8, 40, 0, "pair"
    )
    (batch,) = loader
    assert np.ptp(batch.params.rotation) > 10
    edges = batch.params.edge
    assert edges.max() > 11.5, "crops may be as large as the patch, also when they are turned"


def test_a_written_store_of_patches_says_the_same(store: Store, tmp_path) -> None:
    patches = labeled_patches(store, masked_rows(store), CONFIG, 2, seed=0)
    written = patches.write(tmp_path / "patches")
    assert len(written) == len(patches)
    for row in (0, 17, len(patches) - 1):
        np.testing.assert_array_equal(written.array(row), patches.array(row))
        np.testing.assert_allclose(written.affine(row), patches.affine(row))
    settled = patches.write(tmp_path / "patches")
    assert settled.folder == written.folder


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


def test_voxels_that_are_no_number_hold_no_patch(tmp_path) -> None:
    table = write_archive(tmp_path)
    array, _ = head(0)
    array[17, 16, 8:12] = np.nan
    nib.save(
        nib.Nifti1Image(array, np.diag([1.5, 1.5, 3.0, 1.0])), tmp_path / "archive" / "p0" / "flair.nii.gz"
    )
    store = prepare(scan_archive([tmp_path / "archive"], tmp_path / "catalog"), tmp_path / "store", table)
    row = next(row for row in range(4) if store.valid(row) is not None)
    assert np.isfinite(store.array(row)).all()
    assert not scan_body_mask(store, row)[17, 16, 8:12].any()
    patches = patches_at(store, row, np.array([[17, 16, 10]]), 9, 2)
    measured = patches.valid(0)
    assert measured is not None
    assert not measured.all()


def test_settings_that_contradict_each_other_are_refused(tmp_path) -> None:
    for changes, message in (
        ({"patches": {"edge_mm": 9, "stride_mm": 6, "healthy": 0.6}}, "must be below abnormal"),
        ({"arms": ["classical", "supervised"]}, "arm 'classical' cannot map tissue"),
        ({"budgets": [2, 1]}, "in increasing order"),
        ({"pretrain": {"encoder": {"in_channels": 3}, "epochs": 1}}, "patches are gray"),
        ({"primary": {"arm": "simclr-probe", "budget": 3}}, "budget 3 is not among"),
    ):
        with pytest.raises(ValueError, match=message):
            settings(tmp_path, **changes)
