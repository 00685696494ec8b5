"""A whole scan is mapped where it lies."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from torch import Tensor, nn

from medcl.archive import scan_archive
from medcl.finetune import Images
from medcl.store import prepare
from medcl.tissue.sliding_window import WholeScan
from medcl.views import load_policy
from tests.tissue.samples import SHAPE


class Brightness(nn.Module):
    """Calls what is bright."""

    def forward(self, views: Tensor) -> Tensor:
        return 20 * views - 20


OBLIQUE = np.array(
    [[1.2, -0.5, 0.3, -30.0], [0.55, 1.1, -0.2, 12.0], [-0.1, 0.25, 2.8, -44.0], [0, 0, 0, 1.0]]
)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("turned", [False, True], ids=["straight", "oblique"])
def test_a_box_phantom_is_mapped_where_it_lies_in_millimeters(
    tmp_path: Path, dims: int, turned: bool
) -> None:
    affine = np.diag([1.5, -1.5, 3.0, 1.0])
    if turned:
        unit, _, other = np.linalg.svd(OBLIQUE[:3, :3])
        affine = OBLIQUE.copy()
        affine[:3, :3] = unit @ other @ np.diag([1.5, 1.5, 3.0])
    volume = np.random.default_rng(0).normal(100, 4, SHAPE).astype(np.float32)
    low, high = np.array([8, 14, 6]), np.array([20, 22, 12])
    volume[tuple(map(slice, low, high))] = 220
    (tmp_path / "archive").mkdir()
    nib.save(nib.Nifti1Image(volume, affine), tmp_path / "archive" / "a.nii.gz")
    store = prepare(scan_archive([tmp_path / "archive"], tmp_path / "catalog"), tmp_path / "store")
    canvas = WholeScan.of(store, 0, 1.1, Images(load_policy("mr"), 8, 1, dims))
    called = canvas.map(Brightness(), 32) > 0.5
    placed = store.affine(0)
    assert placed is not None
    positions = np.argwhere(called) @ placed[:3, :3].T + placed[:3, 3]
    voxels = np.argwhere(volume == 220) @ affine[:3, :3].T + affine[:3, 3]
    assert np.abs(positions.mean(axis=0) - voxels.mean(axis=0)).max() < 0.3
    np.testing.assert_allclose(positions.min(axis=0), voxels.min(axis=0), atol=1.7)
    np.testing.assert_allclose(positions.max(axis=0), voxels.max(axis=0), atol=1.7)
    assert abs(len(positions) / len(voxels) - 1) < 0.1
