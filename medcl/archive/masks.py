"""Label masks in the archive, paired with scans by name or reference and checked by geometry.

A mask is a NIfTI label map, a DICOM SEG or an RTSTRUCT. It belongs to a scan only if both lie on the same
grid in space; a mask on another grid is refused, never resampled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from medcl.archive.flags import quarantined
from medcl.archive.geometry import GRID_TOLERANCE, to_canonical
from medcl.archive.patients import SEQUENCES

LABEL_WORDS = frozenset(
    {"annotation", "annotations", "aseg", "dseg", "groundtruth", "gt", "label", "labels", "labelstr"}
    | {"labelsts", "lesion", "mask", "masks", "multiclass", "roi", "seg", "segmentation", "segmentations"}
)
IMAGE_WORDS = frozenset({"image", "images", "imagestr", "imagests", "img", "imgs", "scan", "scans"})


@dataclass(frozen=True, slots=True)
class NiftiGrid:
    """Path (private) and grid of a NIfTI scan or mask."""

    scan: str
    path: str
    shape: tuple[int, ...]
    affine: tuple[float, ...]


def split_name(text: str) -> list[str]:
    """Return the words of a name in lower case: `MultiClass_seg` -> multi, class, seg."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+[0-9]*|[0-9]+", text)]


def stem(path: str) -> str:
    """Return the name of a file without `.nii` and `.gz`."""
    return re.sub(r"\.nii(\.gz)?$|\.gz$", "", PurePosixPath(path).name, flags=re.IGNORECASE)


def looks_like_labels(path: str) -> bool:
    """Return whether the name of a file or of its folder suggests labels."""
    folder = PurePosixPath(path).parent.name
    return any(_has_label_word(name) for name in (stem(path), folder))


def _has_label_word(name: str) -> bool:
    plain = re.sub(r"[^a-z]", "", name.lower())
    words = {*re.split(r"[^a-z0-9]+", name.lower()), *split_name(name), plain}
    return bool(words & LABEL_WORDS) or plain.endswith(("mask", "multiclass", "labels"))


def is_label_map(array: np.ndarray) -> bool:
    """Return whether a volume has fewer than 64 distinct values, all integers from 0 to 255, 0 among them."""
    if array.size == 0 or array.ndim != 3 or array.min() != 0 or array.max() > 255:
        return False
    labels = array.astype(np.uint8)
    return bool((labels == array).all()) and np.unique(labels).size < 64


def pair(masks: Iterable[NiftiGrid], scans: Iterable[NiftiGrid]) -> tuple[list[tuple[str, str]], set[str]]:
    """Pair NIfTI masks with the scans whose name and grid match.

    The name of a mask matches scans of the same name in a sibling folder (`images/x`, `labels/x`), scans of
    the same name without the label word in its own folder (`x_seg`, `x`), and the sequences (`flair`, `t1`)
    of a folder that holds one patient.

    Returns:
        The pairs (mask, scan), sorted, and the refused masks: those with matching names but no matching grid.
    """
    by_folder: dict[str, list[NiftiGrid]] = {}
    by_name: dict[tuple[str, str], list[NiftiGrid]] = {}
    for scan in scans:
        folder = PurePosixPath(scan.path).parent
        by_folder.setdefault(str(folder), []).append(scan)
        by_name.setdefault((str(folder.parent), _bare(stem(scan.path))), []).append(scan)
    pairs: list[tuple[str, str]] = []
    refused: set[str] = set()
    for mask in masks:
        folder = PurePosixPath(mask.path).parent
        name = _bare(stem(mask.path))
        candidates = _same_name(name, by_folder.get(str(folder), []))
        if not candidates and _has_label_word(folder.name):
            candidates = by_name.get((str(folder.parent), name), [])
        matches = [scan for scan in candidates if _same_grid(mask, scan)]
        pairs += [(mask.scan, scan.scan) for scan in matches]
        if candidates and not matches:
            refused.add(mask.scan)
    return sorted(pairs), refused


def _same_name(name: str, scans: list[NiftiGrid]) -> list[NiftiGrid]:
    """Return the scans of a folder with this name, or all if they are the sequences of one patient."""
    matches = [scan for scan in scans if name and _bare(stem(scan.path)) == name]
    if matches:
        return matches
    first_words = [re.split(r"[^A-Za-z0-9]+", stem(scan.path))[0].lower() for scan in scans]
    return scans if set(first_words) <= SEQUENCES else []


def _bare(name: str) -> str:
    """Return a name without words for labels and images and without a channel number such as `_0000`."""
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", name) if part]
    words = [part for part in parts if part.lower() not in LABEL_WORDS | IMAGE_WORDS]
    if len(words) > 1 and re.fullmatch(r"0\d{3}", words[-1]):
        words = words[:-1]
    return "_".join(words).lower()


def _same_grid(first: NiftiGrid, second: NiftiGrid) -> bool:
    if first.shape[:3] != second.shape[:3]:
        return False
    affines = [np.array([*named.affine, 0, 0, 0, 1]).reshape(4, 4) for named in (first, second)]
    return _corner_distance(affines[0], affines[1], first.shape) <= GRID_TOLERANCE


def _corner_distance(first: np.ndarray, second: np.ndarray, shape: tuple[int, ...]) -> float:
    """Return the largest distance in voxels between the corners of two grids of the same shape."""
    ends = [(0, size - 1) for size in shape[:3]]
    corners = np.array([[i, j, k, 1] for i in ends[0] for j in ends[1] for k in ends[2]], np.float64)
    distances = corners @ (np.linalg.inv(first) @ second).T - corners
    return float(np.abs(distances).max())


def onto_grid(
    labels: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], target: np.ndarray
) -> np.ndarray:
    """Place labels on the grid of a scan, which must contain theirs up to axis order and flips.

    Args:
        labels: Integer labels (i, j, k).
        affine: Affine of `labels`, RAS+.
        shape: Shape of the scan.
        target: Affine of the scan, RAS+.

    Returns:
        Labels with the spatial shape of the scan, 0 outside of the given ones.

    Raises:
        Rejected: MASK_MISMATCH when the grids do not coincide or a label is outside of the scan.
    """
    canonical, affine = to_canonical(labels, affine)
    offset = np.linalg.inv(target) @ affine[:, 3]
    start = np.round(offset[:3]).astype(int)
    moved = target.copy()
    moved[:, 3] = target @ np.append(start, 1.0)
    if _corner_distance(moved, affine, canonical.shape) > GRID_TOLERANCE:
        raise quarantined("MASK_MISMATCH")
    placed = np.zeros(shape[:3], canonical.dtype)
    low = np.maximum(start, 0)
    high = np.minimum(start + canonical.shape, shape[:3])
    if (low >= high).any():
        raise quarantined("MASK_MISMATCH")
    inside = canonical[tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))]
    if np.count_nonzero(inside) != np.count_nonzero(canonical):
        raise quarantined("MASK_MISMATCH")
    placed[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = inside
    return placed
