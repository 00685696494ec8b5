"""Labels that live in the archive: names and references propose a pair, geometry decides.

A mask is a NIfTI label map, a DICOM SEG or an RTSTRUCT. It belongs to a scan only when both lie on one grid
in space; a mask that does not is refused, never stretched to fit.
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
    """A NIfTI scan by its place in the archive (private) and its grid."""

    scan: str
    place: str
    shape: tuple[int, ...]
    affine: tuple[float, ...]


def words(text: str) -> list[str]:
    """Return the words of a name, split at capitals and signs: `OTMultiClass_seg` -> ot, multi, ..."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+[0-9]*|[0-9]+", text)]


def stem(place: str) -> str:
    """Return a file's name without `.nii` and `.gz`."""
    return re.sub(r"\.nii(\.gz)?$|\.gz$", "", PurePosixPath(place).name, flags=re.IGNORECASE)


def looks_like_labels(place: str) -> bool:
    """True when a file's name, or its folder's, says that it holds labels (its content must still agree)."""
    folder = PurePosixPath(place).parent.name
    return any(_has_label_word(name) for name in (stem(place), folder))


def _has_label_word(name: str) -> bool:
    plain = re.sub(r"[^a-z]", "", name.lower())
    found = {word for word in re.split(r"[^a-z0-9]+", name.lower()) if word} | set(words(name)) | {plain}
    return bool(found & LABEL_WORDS) or plain.endswith(("mask", "multiclass", "labels"))


def is_label_map(array: np.ndarray) -> bool:
    """True when an array holds whole numbers from 0 to 255, 0 among them, and fewer than 64 of them."""
    if array.size == 0 or array.ndim != 3 or array.min() != 0 or array.max() > 255:
        return False
    labels = array.astype(np.uint8)
    return bool((labels == array).all()) and np.unique(labels).size < 64


def pair(masks: Iterable[NiftiGrid], scans: Iterable[NiftiGrid]) -> tuple[list[tuple[str, str]], set[str]]:
    """Return (mask, scan) for NIfTI masks whose name fits and whose grid agrees, and the masks refused.

    A mask's name fits scans of the same name in a sibling folder (`images/x`, `labels/x`), scans of the same
    name without the label word in its own folder (`x_seg`, `x`), and the sequences (`flair`, `t1`) of a
    folder that holds one patient. A mask is refused when names fit but no grid does.
    """
    by_folder: dict[str, list[NiftiGrid]] = {}
    by_name: dict[tuple[str, str], list[NiftiGrid]] = {}
    for scan in scans:
        folder = PurePosixPath(scan.place).parent
        by_folder.setdefault(str(folder), []).append(scan)
        by_name.setdefault((str(folder.parent), _bare(stem(scan.place))), []).append(scan)
    pairs: list[tuple[str, str]] = []
    refused: set[str] = set()
    for mask in masks:
        folder = PurePosixPath(mask.place).parent
        name = _bare(stem(mask.place))
        fitting = _fitting(name, by_folder.get(str(folder), []))
        if not fitting and _has_label_word(folder.name):
            fitting = by_name.get((str(folder.parent), name), [])
        agreeing = [scan for scan in fitting if _same_grid(mask, scan)]
        pairs += [(mask.scan, scan.scan) for scan in agreeing]
        if fitting and not agreeing:
            refused.add(mask.scan)
    return sorted(pairs), refused


def _fitting(name: str, beside: list[NiftiGrid]) -> list[NiftiGrid]:
    named = [scan for scan in beside if name and _bare(stem(scan.place)) == name]
    if named:
        return named
    firsts = [re.split(r"[^A-Za-z0-9]+", stem(scan.place))[0].lower() for scan in beside]
    return beside if set(firsts) <= SEQUENCES else []


def _bare(name: str) -> str:
    """Return a name without the words for labels and images, nor a channel number such as `_0000`."""
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", name) if part]
    kept = [part for part in parts if part.lower() not in LABEL_WORDS | IMAGE_WORDS]
    if len(kept) > 1 and re.fullmatch(r"0\d{3}", kept[-1]):
        kept = kept[:-1]
    return "_".join(kept).lower()


def _same_grid(first: NiftiGrid, second: NiftiGrid) -> bool:
    if first.shape[:3] != second.shape[:3]:
        return False
    affines = [np.array([*named.affine, 0, 0, 0, 1]).reshape(4, 4) for named in (first, second)]
    return _corner_distance(affines[0], affines[1], first.shape) <= GRID_TOLERANCE


def _corner_distance(first: np.ndarray, second: np.ndarray, shape: tuple[int, ...]) -> float:
    """Return by how many voxels the corners of two grids of one shape lie apart at most."""
    ends = [(0, size - 1) for size in shape[:3]]
    corners = np.array([[i, j, k, 1] for i in ends[0] for j in ends[1] for k in ends[2]], np.float64)
    apart = corners @ (np.linalg.inv(first) @ second).T - corners
    return float(np.abs(apart).max())


def onto_grid(
    labels: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], target: np.ndarray
) -> np.ndarray:
    """Return labels on a scan's grid, of which theirs must be a part; axis order and flips may differ.

    Args:
        labels: (i, j, k) whole numbers.
        affine: of `labels`, RAS+.
        shape: of the scan.
        target: affine of the scan, RAS+.

    Raises:
        Rejected: MASK_MISMATCH when the grids are not the same lattice, or a label lies outside the scan.
    """
    turned, own = to_canonical(labels, affine)
    offset = np.linalg.inv(target) @ own[:, 3]
    start = np.round(offset[:3]).astype(int)
    moved = target.copy()
    moved[:, 3] = target @ np.append(start, 1.0)
    if _corner_distance(moved, own, turned.shape) > GRID_TOLERANCE:
        raise quarantined("MASK_MISMATCH")
    placed = np.zeros(shape[:3], turned.dtype)
    low = np.maximum(start, 0)
    high = np.minimum(start + turned.shape, shape[:3])
    if (low >= high).any():
        raise quarantined("MASK_MISMATCH")
    inside = turned[tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))]
    if np.count_nonzero(inside) != np.count_nonzero(turned):
        raise quarantined("MASK_MISMATCH")
    placed[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = inside
    return placed
