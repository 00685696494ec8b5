"""Where patches lie: anywhere on tissue without labels; with them, as many healthy as abnormal ones."""

from __future__ import annotations

import numpy as np

from medcl.errors import UsageError
from medcl.intensity import body_mask, tissue_mask
from medcl.store import Store
from medcl.tissue.config import PatchConfig
from medcl.tissue.patches import Patches, joined, patch_shape, patches_at, starts
from medcl.views.sampling.keyed_random import combine

CLASSES = ("healthy", "abnormal")
_LABELED, _UNLABELED = 1, 2


def masked_rows(store: Store) -> np.ndarray:
    """Return the rows of the scans that can be mapped: gray volumes with a mask, no copies of others.

    Raises:
        UsageError: there are none.
    """
    scans = store.scans
    gray = scans["shape"].map(len) == 3
    fit = (scans["mask_offset"] >= 0) & (scans["kind"] == "volume") & gray & (scans["duplicate"] == "")
    if not fit.any():
        raise UsageError(
            f"{store.folder}: no volume with a mask; name them in the column 'mask' of the label table that "
            "'medcl prepare' is given, or add the segmentations to the archive"
        )
    return np.flatnonzero(fit)


def scan_body_mask(store: Store, row: int) -> np.ndarray:
    """Return where a scan shows the body, boolean (i, j, k), whatever its mask says."""
    scan, array = store.scans.iloc[row], store.array(row)
    tissue = tissue_mask(array, scan["unit"], store.valid(row))
    return body_mask(array, tissue, scan["unit"], scan["lo"], scan["hi"])


def abnormal(store: Store, row: int) -> np.ndarray:
    """Return where the mask of a scan says that it is abnormal, boolean: at any label but 0."""
    mask = store.mask(row)
    assert mask is not None, "see masked_rows"
    return mask > 0


def coverage(mask: np.ndarray, start: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Return the share (N,) of each box that a boolean mask covers.

    Args:
        mask: (i, j, k).
        start: (N, 3) first voxels.
        shape: (3,) voxels of a box.
    """
    sums = np.pad(mask, ((1, 0), (1, 0), (1, 0))).astype(np.int32)
    for axis in range(3):
        np.cumsum(sums, axis=axis, out=sums)
    counted = np.zeros(len(start), np.int64)
    for corner in np.ndindex(2, 2, 2):
        at = start + np.array(corner) * shape
        counted += (-1) ** (3 - sum(corner)) * sums[tuple(at.T)].astype(np.int64)
    share: np.ndarray = counted / np.prod(shape)
    return share


def labeled_patches(store: Store, rows: np.ndarray, config: PatchConfig, dims: int, seed: int) -> Patches:
    """Draw as many healthy as abnormal patches of every scan, keyed by `seed` and the scan.

    Raises:
        UsageError: a scan has no patch of one class.
    """
    return joined([_labeled(store, int(row), config, dims, seed) for row in rows])


def _labeled(store: Store, row: int, config: PatchConfig, dims: int, seed: int) -> Patches:
    centers = np.argwhere(scan_body_mask(store, row))
    shape = patch_shape(store, row, config.edge_mm, dims)
    mask = abnormal(store, row)
    share = coverage(mask, starts(centers, shape, mask.shape), shape)
    sides = np.flatnonzero(share <= config.healthy), np.flatnonzero(share >= config.abnormal)
    for name, found in zip(CLASSES, sides, strict=True):
        if not found.size:
            raise UsageError(_without(store, row, name, share, config))
    count = min(config.each, *map(len, sides))
    generator = _generator(store, row, seed, _LABELED)
    chosen = np.concatenate([generator.choice(found, count, replace=False) for found in sides])
    return patches_at(store, row, centers[chosen], config.edge_mm, dims, np.repeat(CLASSES, count))


def _without(store: Store, row: int, name: str, share: np.ndarray, config: PatchConfig) -> str:
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
    """Draw patches anywhere on tissue, keyed by `seed` and the scan; masks are not looked at.

    Each counts as a patient of its own: two places of one brain are negatives of each other.
    """
    parts = []
    for row in map(int, rows):
        centers = np.argwhere(scan_body_mask(store, row))
        count = min(config.unlabeled, len(centers))
        chosen = _generator(store, row, seed, _UNLABELED).choice(len(centers), count, replace=False)
        parts.append(patches_at(store, row, centers[np.sort(chosen)], config.edge_mm, dims))
    found = joined(parts)
    return Patches(store, found.scans.assign(patient=found.scans["scan"], owner=found.scans["patient"]))


def _generator(store: Store, row: int, seed: int, purpose: int) -> np.random.Generator:
    fingerprint = np.array([store.scans["fingerprint"].iat[row]], np.uint64)
    key = combine(np.zeros(1, np.uint64), seed, purpose, fingerprint)
    return np.random.Generator(np.random.Philox(key=int(key[0])))
