"""Dense maps: a classifier of patches applied on a grid over a scan, interpolated to the scan's voxels.

Patches are on an even grid in millimeters. Between their centers the probability is interpolated linearly;
off the tissue it is 0. Only grid points that some voxel of tissue depends on are computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from medcl.errors import UsageError
from medcl.finetune import Classifier, Images, whole_views
from medcl.store import Store
from medcl.tissue.config import PatchConfig
from medcl.tissue.patch_sampling import scan_body_mask
from medcl.tissue.patches import patches_at

BATCH = 256


@dataclass(frozen=True)
class DenseGrid:
    """The grid of patches of one scan's map.

    Attributes:
        tissue: (I, J, K) boolean, the voxels that are mapped.
        weights: Interpolation weights of each axis, (voxels, grid points); rows sum to 1.
        needed: (a, b, c) boolean, the grid points that a voxel of tissue depends on.
        centers: (N, 3) voxels of those points, in the order of `np.argwhere(needed)`.
    """

    tissue: np.ndarray
    weights: tuple[np.ndarray, ...]
    needed: np.ndarray
    centers: np.ndarray

    @classmethod
    def over(cls, tissue: np.ndarray, spacing: np.ndarray, stride_mm: float) -> DenseGrid:
        """Place points over the box of `tissue`, at most `stride_mm` apart and on both of its ends.

        Raises:
            UsageError: There is no tissue.
        """
        if not tissue.any():
            raise UsageError("a scan without tissue cannot be mapped")
        axes, weights = [], []
        for axis in range(3):
            occupied = np.flatnonzero(tissue.any(axis=tuple(n for n in range(3) if n != axis)))
            first, last = occupied[0], occupied[-1]
            steps = int(np.ceil((last - first) * spacing[axis] / stride_mm))
            points = np.unique(np.rint(np.linspace(first, last, steps + 1)).astype(int))
            axes.append(points)
            weights.append(_linear_weights(points, tissue.shape[axis]))
        needed = _multiply_axes(tissue.astype(np.float32), [w.T for w in weights]) > 0
        indices = np.argwhere(needed)
        centers = np.stack([points[n] for points, n in zip(axes, indices.T, strict=True)], axis=1)
        return cls(tissue, tuple(weights), needed, centers)

    def interpolate(self, values: np.ndarray) -> np.ndarray:
        """Return the map (I, J, K), float32, of values (N,) at the centers; 0 off the tissue."""
        grid = np.zeros(self.needed.shape, np.float32)
        grid[self.needed] = values
        return np.where(self.tissue, _multiply_axes(grid, self.weights), np.float32(0))


def _linear_weights(points: np.ndarray, length: int) -> np.ndarray:
    """Return weights (length, points) of linear interpolation, constant beyond the first and last point."""
    rows = [np.interp(np.arange(length), points, unit) for unit in np.eye(len(points))]
    return np.stack(rows, axis=1).astype(np.float32)


def _multiply_axes(volume: np.ndarray, matrices: tuple[np.ndarray, ...] | list[np.ndarray]) -> np.ndarray:
    """Multiply each axis of a volume by its matrix; axes rotate once around and so keep their order."""
    return reduce(lambda array, matrix: np.tensordot(array, matrix, axes=(0, 1)), matrices, volume)


@dataclass(frozen=True)
class DenseViews:
    """A scan cut into the unaugmented views of its map, for any number of classifiers.

    Attributes:
        grid: The grid of patches.
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
        logits = torch.cat([classifier(views) for views in torch.split(self.views, BATCH)])
        return self.grid.interpolate(logits.sigmoid().numpy())
