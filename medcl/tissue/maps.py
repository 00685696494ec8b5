"""Dense maps: a classifier of patches moved over a scan, and put back into the scan's own voxels.

Patches lie on an even grid in millimeters. Between their centers the probability is interpolated linearly;
off the tissue it is 0. Only grid points that some voxel of tissue asks for are computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from medcl.errors import UsageError
from medcl.finetune import Classifier, Images
from medcl.finetune.features import whole_views
from medcl.store import Store
from medcl.tissue.config import PatchConfig
from medcl.tissue.patch_sampling import scan_body_mask
from medcl.tissue.patches import patches_at

BATCH = 256


@dataclass(frozen=True)
class DenseGrid:
    """Where the patches of one scan's map lie.

    Attributes:
        tissue: (I, J, K) boolean, the voxels that are mapped.
        weights: of each axis, (voxels, grid points): how a voxel is interpolated; rows sum to 1.
        needed: (a, b, c) boolean, the grid points that a voxel of tissue depends on.
        centers: (N, 3) their voxels, in the order of `np.argwhere(needed)`.
    """

    tissue: np.ndarray
    weights: tuple[np.ndarray, ...]
    needed: np.ndarray
    centers: np.ndarray

    @classmethod
    def over(cls, tissue: np.ndarray, spacing: np.ndarray, stride_mm: float) -> DenseGrid:
        """Lay points over the box of `tissue`, at most `stride_mm` apart and on both of its ends.

        Raises:
            UsageError: there is no tissue.
        """
        if not tissue.any():
            raise UsageError("a scan without tissue cannot be mapped")
        axes, weights = [], []
        for axis in range(3):
            there = np.flatnonzero(tissue.any(axis=tuple(n for n in range(3) if n != axis)))
            steps = int(np.ceil((there[-1] - there[0]) * spacing[axis] / stride_mm))
            places = np.unique(np.rint(np.linspace(there[0], there[-1], steps + 1)).astype(int))
            axes.append(places)
            weights.append(_linear(places, tissue.shape[axis]))
        needed = _through(tissue.astype(np.float32), [w.T for w in weights]) > 0
        at = np.argwhere(needed)
        centers = np.stack([places[n] for places, n in zip(axes, at.T, strict=True)], axis=1)
        return cls(tissue, tuple(weights), needed, centers)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Return the map (I, J, K), float32, of values (N,) at the centers; 0 off the tissue."""
        grid = np.zeros(self.needed.shape, np.float32)
        grid[self.needed] = values
        return np.where(self.tissue, _through(grid, self.weights), np.float32(0))


def _linear(places: np.ndarray, length: int) -> np.ndarray:
    """Return weights (length, places) of linear interpolation, constant beyond the first and last place."""
    rows = [np.interp(np.arange(length), places, unit) for unit in np.eye(len(places))]
    return np.stack(rows, axis=1).astype(np.float32)


def _through(volume: np.ndarray, matrices: tuple[np.ndarray, ...] | list[np.ndarray]) -> np.ndarray:
    """Multiply each axis of a volume by its matrix; axes rotate once round and so keep their order."""
    return reduce(lambda array, matrix: np.tensordot(array, matrix, axes=(0, 1)), matrices, volume)


@dataclass(frozen=True)
class DenseViews:
    """A scan cut into the unaugmented views of its map, which any number of classifiers then look at.

    Attributes:
        grid: where they lie.
        views: (N, 1, C, *spatial).
    """

    grid: DenseGrid
    views: Tensor

    @classmethod
    def of(cls, store: Store, row: int, config: PatchConfig, images: Images) -> DenseViews:
        """Cut a scan of the store."""
        affine = store.affine(row)
        assert affine is not None, "only volumes are mapped"
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        grid = DenseGrid.over(scan_body_mask(store, row), spacing, config.stride_mm)
        patches = patches_at(store, row, grid.centers, config.edge_mm, images.dims)
        loader = whole_views(patches, range(len(patches)), images, BATCH)
        return cls(grid, torch.cat([batch.data for batch in loader]))

    @torch.inference_mode()
    def map(self, classifier: Classifier) -> np.ndarray:
        """Return the probability (I, J, K), float32, that each voxel is abnormal; 0 off the tissue."""
        classifier.eval()
        logits = torch.cat([classifier(views) for views in self.views.split(BATCH)])
        return self.grid.spread(logits.sigmoid().numpy())
