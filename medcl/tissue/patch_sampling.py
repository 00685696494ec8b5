"""Sampling of patches: anywhere on tissue for pretraining; as many healthy as abnormal ones for training."""

from __future__ import annotations

import numpy as np

from medcl.errors import UsageError
from medcl.intensity import body_mask, tissue_mask
from medcl.store import Store
from medcl.tissue.config import PatchConfig
from medcl.tissue.patches import Patches, join_patches, patch_shape, patch_starts, patches_at
from medcl.views.sampling.keyed_random import combine

CLASSES = ("healthy", "abnormal")
_LABELED, _UNLABELED = 1, 2


def masked_rows(store: Store) -> np.ndarray:
    """Return the rows of the scans that can be mapped: gray volumes with a mask, without duplicates.

    Raises:
        UsageError: There are none.
    """
    scans = store.scans
    gray = store.measures(np.arange(len(store)), anchored=False).channels == 0
    usable = (scans["mask_from"] != "") & (scans["kind"] == "volume") & gray & (scans["duplicate"] == "")
    if not usable.any():
        raise UsageError(
            f"{store.folder}: no volume with a mask; name masks in the column 'mask' of the label table that "
            "'medcl prepare' is given, or add the segmentations to the archive"
        )
    return np.flatnonzero(usable)


def scan_body_mask(store: Store, row: int) -> np.ndarray:
    """Return where a scan shows the body, boolean (i, j, k), whatever its mask says."""
    scan, array = store.scans.iloc[row], store.array(row)
    tissue = tissue_mask(array, scan["unit"], store.valid(row))
    return body_mask(array, tissue, scan["unit"], scan["lo"], scan["hi"])


def abnormal_mask(store: Store, row: int) -> np.ndarray:
    """Return where the mask of a scan has a label other than 0, boolean (I, J, K)."""
    mask = store.mask(row)
    assert mask is not None, "masked_rows returns scans with a mask"
    return mask > 0


def coverage(mask: np.ndarray, start: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Return the share (N,) of each box that a boolean mask covers.

    Args:
        mask: (i, j, k).
        start: (N, 3) first voxels of the boxes.
        shape: (3,) voxels of a box.
    """
    sums = np.pad(mask, ((1, 0), (1, 0), (1, 0))).astype(np.int32)
    for axis in range(3):
        np.cumsum(sums, axis=axis, out=sums)
    count = np.zeros(len(start), np.int64)
    for corner in np.ndindex(2, 2, 2):
        voxels = start + np.array(corner) * shape
        count += (-1) ** (3 - sum(corner)) * sums[tuple(voxels.T)].astype(np.int64)
    share: np.ndarray = count / np.prod(shape)
    return share


def labeled_patches(store: Store, rows: np.ndarray, config: PatchConfig, dims: int, seed: int) -> Patches:
    """Draw as many healthy as abnormal patches of every scan, keyed by `seed` and the scan.

    Raises:
        UsageError: A scan has no patch of one class.
    """
    return join_patches([_labeled(store, int(row), config, dims, seed) for row in rows])


def _labeled(store: Store, row: int, config: PatchConfig, dims: int, seed: int) -> Patches:
    centers = np.argwhere(scan_body_mask(store, row))
    shape = patch_shape(store, row, config.edge_mm, dims)
    mask = abnormal_mask(store, row)
    share = coverage(mask, patch_starts(centers, shape, mask.shape), shape)
    classes = np.flatnonzero(share <= config.healthy), np.flatnonzero(share >= config.abnormal)
    for name, members in zip(CLASSES, classes, strict=True):
        if not members.size:
            raise UsageError(_missing_class(store, row, name, share, config))
    count = min(config.each, *map(len, classes))
    generator = _generator(store, row, seed, _LABELED)
    drawn = np.concatenate([generator.choice(members, count, replace=False) for members in classes])
    return patches_at(store, row, centers[drawn], config.edge_mm, dims, np.repeat(CLASSES, count))


def _missing_class(store: Store, row: int, name: str, share: np.ndarray, config: PatchConfig) -> str:
    scan = store.scans.iloc[row]
    limit = (
        f"at most {share.max():.0%} of a patch is masked, abnormal={config.abnormal:g}"
        if name == "abnormal"
        else f"at least {share.min():.0%} of a patch is masked, healthy={config.healthy:g}"
    )
    return (
        f"patient {scan['patient']}: no {name} patch in scan {scan['scan']} ({limit}); change "
        "patches.edge_mm or that limit, or leave the patient out"
    )


def unlabeled_patches(store: Store, rows: np.ndarray, config: PatchConfig, dims: int, seed: int) -> Patches:
    """Draw patches anywhere on tissue, keyed by `seed` and the scan; masks are not used.

    Each counts as a patient of its own, so that two patches of one brain are negatives of each other.
    """
    parts = []
    for row in map(int, rows):
        centers = np.argwhere(scan_body_mask(store, row))
        count = min(config.unlabeled, len(centers))
        drawn = _generator(store, row, seed, _UNLABELED).choice(len(centers), count, replace=False)
        parts.append(patches_at(store, row, centers[np.sort(drawn)], config.edge_mm, dims))
    patches = join_patches(parts)
    return Patches(store, patches.scans.assign(patient=patches.scans["scan"], owner=patches.scans["patient"]))


def _generator(store: Store, row: int, seed: int, purpose: int) -> np.random.Generator:
    fingerprint = np.array([store.scans["fingerprint"].iat[row]], np.uint64)
    key = combine(np.zeros(1, np.uint64), seed, purpose, fingerprint)
    return np.random.Generator(np.random.Philox(key=int(key[0])))
