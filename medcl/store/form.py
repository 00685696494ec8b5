"""The form in which scans are stored: as they are, or smaller."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy import ndimage

from medcl.archive import Scan
from medcl.config import Config
from medcl.intensity import body_mask, tissue_mask
from medcl.store.blocks import Codec

MARGIN_MM = 10.0
"""Air that stays round the body where a volume is cropped to it."""


class StoreForm(Config):
    """How the scans of a store are kept.

    Attributes:
        spacing_mm: Finest spacing of volumes. Axes that are finer are smoothed and resampled to about this;
            None keeps every voxel. Images are never resampled.
        crop_body: Whether what lies more than `MARGIN_MM` outside the body's box is cut off volumes.
        compress: Whether pixels are compressed, without loss.
    """

    spacing_mm: Annotated[float, Field(gt=0)] | None = None
    crop_body: bool = False
    compress: bool = False

    @property
    def codec(self) -> Codec:
        """How blocks of pixels are encoded."""
        return "blosc2" if self.compress else "raw"

    def apply(self, scan: Scan, mask: np.ndarray | None) -> tuple[Scan, np.ndarray | None]:
        """Return a scan and its label mask in this form.

        Args:
            scan: A scan, whose axes are orthogonal.
            mask: Label mask on its grid, or None.
        """
        if not scan.is_volume:
            return scan, mask
        if self.crop_body:
            scan, mask = cropped_to_body(scan, mask)
        if self.spacing_mm is not None:
            scan, mask = resampled(scan, mask, self.spacing_mm)
        return scan, mask


def cropped_to_body(scan: Scan, mask: np.ndarray | None) -> tuple[Scan, np.ndarray | None]:
    """Cut a volume to the box of its body and its labels, with a margin of `MARGIN_MM`."""
    gray = scan.array if scan.array.ndim == 3 else scan.array.mean(axis=-1)
    tissue = tissue_mask(gray, scan.unit, scan.valid)
    low, high = np.percentile(gray[tissue], [0.5, 99.5])
    inside = body_mask(gray, tissue, scan.unit, float(low), float(high))
    if mask is not None:
        inside = inside | (mask > 0)
    assert scan.affine is not None
    margin = np.ceil(MARGIN_MM / np.linalg.norm(scan.affine[:3, :3], axis=0)).astype(int)
    box = []
    for axis in range(3):
        filled = np.flatnonzero(inside.any(axis=tuple(n for n in range(3) if n != axis)))
        box.append(slice(max(0, filled[0] - margin[axis]), filled[-1] + 1 + margin[axis]))
    affine = scan.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [part.start for part in box]
    valid = None if scan.valid is None else scan.valid[tuple(box)]
    cropped = replace(scan, array=scan.array[tuple(box)], affine=affine, valid=valid)
    return cropped, None if mask is None else mask[tuple(box)]


def resampled(scan: Scan, mask: np.ndarray | None, spacing_mm: float) -> tuple[Scan, np.ndarray | None]:
    """Resample the axes of a volume that are finer than `spacing_mm`, so that they span the same extent.

    The new spacing is the one nearest to `spacing_mm` that divides the extent evenly. Values are smoothed
    with a Gaussian of standard deviation `sqrt(factor**2 - 1) / 2` old samples and interpolated linearly;
    labels and the mask of measured voxels are those of the nearest sample.
    """
    assert scan.affine is not None
    old = np.array(scan.array.shape[:3])
    along = np.linalg.norm(scan.affine[:3, :3], axis=0)
    new = np.minimum(old, np.maximum(1, np.rint(old * along / spacing_mm).astype(int)))
    factor = old / new
    if (new == old).all():
        return scan, mask
    offset = (factor - 1) / 2

    def values(array: np.ndarray) -> np.ndarray:
        smooth = ndimage.gaussian_filter(array.astype(np.float32), np.sqrt(factor**2 - 1) / 2, mode="nearest")
        linear = ndimage.affine_transform(smooth, factor, offset, tuple(new), order=1, mode="nearest")
        return np.asarray(np.rint(linear) if array.dtype.kind in "iu" else linear).astype(array.dtype)

    def nearest(array: np.ndarray) -> np.ndarray:
        moved = ndimage.affine_transform(
            array.astype(np.uint16), factor, offset, tuple(new), order=0, mode="nearest"
        )
        return np.asarray(moved).astype(array.dtype)

    if scan.array.ndim == 3:
        array = values(scan.array)
    else:
        array = np.stack([values(channel) for channel in np.moveaxis(scan.array, -1, 0)], axis=-1)
    affine = scan.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ offset
    affine[:3, :3] = affine[:3, :3] * factor
    valid = None if scan.valid is None else nearest(scan.valid)
    resampled_scan = replace(
        scan, array=array, affine=affine, valid=valid, spacing_mm=tuple(float(mm) for mm in along * factor)
    )
    return resampled_scan, None if mask is None else nearest(mask)
