"""Patches lie where they are put, and come out of the view loader so."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from medcl.archive import scan_archive
from medcl.store import Store, prepare
from medcl.tissue.config import PatchConfig
from medcl.tissue.patch_sampling import (
    labeled_patches,
    masked_rows,
    scan_body_mask,
)
from medcl.tissue.patches import patches_at
from medcl.views import ViewLoader, load_policy
from tests.tissue.samples import SHAPE, head, write_archive

CONFIG = PatchConfig(edge_mm=9, each=24, unlabeled=24, stride_mm=6)


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
