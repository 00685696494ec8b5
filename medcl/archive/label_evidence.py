"""What makes a file a label map or a probability map: its name, its folder and its values together.

Two or few whole values, arranged in regions, are labels whatever the file is called. A name that says so is
believed for many classes too (FreeSurfer numbers such as 2035, 117 organs), as long as the values are whole.
Content is looked at only where it is likely to matter: the name says so, or the file is small or monotonous
for its number of voxels.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from medcl.archive.flags import quarantined
from medcl.archive.patients import stem

Verdict = Literal["LABEL_MAP", "PROBABILITY_MAP", "FEW_VALUES", ""]

LABEL_WORDS = frozenset(
    {"annot", "annotation", "annotations", "aparc", "aseg", "contour", "contours", "delineation", "dseg"}
    | {"groundtruth", "gt", "label", "labelmap", "labelmaps", "labels", "labelstr", "labelsts", "labelsva"}
    | {
        "ground",
        "lesion",
        "lesions",
        "manual",
        "mask",
        "masks",
        "msk",
        "msks",
        "multiclass",
        "parc",
        "parcellation",
        "parcellations",
        "pred",
        "prediction",
        "predictions",
        "preds",
        "pveseg",
    }
    | {"roi", "rois", "seg", "segm", "segmentation", "segmentations", "segs", "truth", "wmh", "wmparc"}
)
LABEL_PHRASES = (("gold", "standard"), ("ground", "truth"), ("atlas", "labels"))
PROBABILITY_WORDS = frozenset(
    {
        "confidence",
        "heatmap",
        "heatmaps",
        "likelihood",
        "posterior",
        "posteriors",
        "prob",
        "probabilities",
        "probability",
        "probmap",
        "probs",
        "probseg",
    }
    | {"probtissue", "pve", "softmax", "tpm"}
)
IMAGE_WORDS = frozenset(
    {"image", "images", "imagestr", "imagests", "imagesva", "imaging", "img", "imgs", "input", "inputs"}
    | {"orig", "original", "originals"}
    | {"scan", "scans", "vol", "volume", "volumes"}
)

FEW, FEW_IN_LABEL_FOLDER, FEW_BY_NAME = 16, 64, 256
"""Distinct values of a label map: by content alone, by its folder, and by its own name.

A name that ends in `mask` alone promises few: FreeSurfer's brainmask is an image without its skull.
"""

_SPM_TISSUE = re.compile(r"(r|w|mw|mwr|rw|wr|smw|smwr)?c[1-6][a-z_].{2,}", re.I)
"""Tissue probabilities of SPM and CAT12: c1 is gray matter, mwp1 and the like are covered by their values."""

ORDERED, ORDERED_BY_NAME = 0.7, 0.5
"""Share of neighboring voxels above 0 that have the same value, as regions have and noise has not."""

CLEAR_SHARE, CLEAR_RANGE = 0.95, 0.1
"""A blurred mask has this share of its pixels within this part of the range from 0 or the maximum."""


def split_name(text: str) -> list[str]:
    """Return the words of a name in lower case: `MultiClass_seg` -> multi, class, seg."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+[0-9]*|[0-9]+", text)]


def has_label_word(name: str) -> bool:
    """Return whether a name contains a word for labels, such as `x_seg`, `brainmask` or `GOLD_STANDARD`."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    parts = re.split(r"[^a-z0-9]+", name.lower())
    words = {*parts, *split_name(name), plain}
    phrases = pairwise(parts)
    return (
        bool(words & LABEL_WORDS)
        or any(phrase in LABEL_PHRASES for phrase in phrases)
        or plain.endswith(("mask", "multiclass", "labels", "groundtruth", "goldstandard", "parcellation"))
    )


def has_probability_word(name: str) -> bool:
    """Return whether a name is that of probabilities, such as `label-GM_probseg` or SPM's `c1sub`."""
    return _SPM_TISSUE.fullmatch(name) is not None or bool(
        {*re.split(r"[^a-z0-9]+", name.lower()), *split_name(name)} & PROBABILITY_WORDS
    )


def looks_like_labels(place: str) -> bool:
    """Return whether the name of a file or of its folder suggests labels or probabilities."""
    return any(
        has_label_word(name) or has_probability_word(name)
        for name in (stem(place), PurePosixPath(place).parent.name)
    )


def judge_volume(array: np.ndarray, place: str) -> Verdict:
    """Return what the values of a volume and the name of its file make it.

    FEW_VALUES stands for an image with as few values as a label map, but arranged like noise or without a
    background.
    """
    if array.ndim != 3 or array.size == 0:
        return ""
    name, folder = stem(place), PurePosixPath(place).parent.name
    probable = has_probability_word(name) or has_probability_word(folder)
    by_name, by_folder = has_label_word(name), has_label_word(folder)
    least, most = array.min(), array.max()
    if not np.isfinite(most) or not np.isfinite(least):
        return ""
    if least < 0:  # -1 for voxels to ignore is no label, but such a map is no image either
        few_values = (by_name or by_folder) and are_whole(array) and np.unique(array).size <= FEW
        return "LABEL_MAP" if few_values else ""
    if not are_whole(array):
        return "PROBABILITY_MAP" if (probable or by_name or by_folder) and most <= 1.001 else ""
    values, counts = np.unique(array, return_counts=True)
    if probable and most <= 255 and values.size > FEW:
        return "PROBABILITY_MAP"
    if by_name or by_folder or probable:
        few = FEW_BY_NAME if by_name else FEW_IN_LABEL_FOLDER
        few = FEW if name.lower().endswith("mask") else few
        believed = least == 0 and (values.size <= few or order(array) >= ORDERED_BY_NAME)
        return "LABEL_MAP" if believed else ""
    if not 1 < values.size <= FEW or least != 0:
        return ""
    if values.size == 2 or (counts[0] == counts.max() and order(array) >= ORDERED):
        return "LABEL_MAP"
    return "FEW_VALUES"


def judge_image(array: np.ndarray, place: str) -> Verdict:
    """Return what the values of an image and the name of its file make it.

    Without a name that says so, only an image of two values is a mask. With one, few values or few colors
    are, and two values that compression or smoothing has blurred.
    """
    if array.size == 0 or array.min() < 0:
        return ""
    if not looks_like_labels(place):
        return "LABEL_MAP" if array.ndim == 2 and array.min() == 0 and np.unique(array).size == 2 else ""
    if array.ndim == 3:
        colors = np.unique(array.reshape(-1, array.shape[-1]), axis=0)
        is_label = len(colors) <= FEW and bool((colors == 0).all(axis=1).any())
    else:
        few = array.min() == 0 and np.unique(array).size <= FEW_IN_LABEL_FOLDER
        is_label = bool(few) or is_blurred_mask(array)
    if is_label:
        return "LABEL_MAP"
    probable = any(map(has_probability_word, (stem(place), PurePosixPath(place).parent.name)))
    return "PROBABILITY_MAP" if probable else ""


def is_blurred_mask(array: np.ndarray) -> bool:
    """Return whether nearly all pixels are close to 0 or to the maximum, as after JPEG or smoothing."""
    shares = array / max(float(array.max()), 1.0)
    near = (shares <= CLEAR_RANGE) | (shares >= 1 - CLEAR_RANGE)
    return bool(near.mean() >= CLEAR_SHARE and (shares <= CLEAR_RANGE).any())


def are_whole(array: np.ndarray) -> bool:
    """Return whether all values are whole numbers."""
    return array.dtype.kind in "iub" or bool((array == np.rint(array)).all())


def order(array: np.ndarray) -> float:
    """Return the share of neighboring voxels above 0 that have the same value; 1 where there are none."""
    same = pairs = 0
    for axis in range(array.ndim):
        first = array.take(range(array.shape[axis] - 1), axis)
        second = array.take(range(1, array.shape[axis]), axis)
        both = (first > 0) & (second > 0)
        pairs += int(np.count_nonzero(both))
        same += int(np.count_nonzero(both & (first == second)))
    return same / pairs if pairs else 1.0


def labels_of_volume(array: np.ndarray) -> np.ndarray:
    """Return the labels of a volume, uint8 where they fit, else uint16.

    Raises:
        Rejected: MASK_MISMATCH when a value is negative or no whole number, LABEL_NUMBERS when one is over
            65,535.
    """
    if array.ndim != 3 or array.min() < 0 or not are_whole(array):
        raise quarantined("MASK_MISMATCH")
    if array.max() > np.iinfo(np.uint16).max:
        raise quarantined("LABEL_NUMBERS")
    return array.astype(np.min_scalar_type(int(array.max())))


def labels_of_image(array: np.ndarray) -> np.ndarray:
    """Return the labels of an image, (row, column), from its gray values or colors.

    Of gray values that are two, or two but blurred, the upper half is 1; of colors, all that is not black is.
    Other gray values are the labels themselves.
    """
    if array.ndim == 3:
        return np.asarray(array.any(axis=-1), np.uint8)
    distinct = np.unique(array).size
    if distinct <= 2 or (distinct > FEW and is_blurred_mask(array)):
        return (2.0 * array >= max(float(array.max()), 1.0)).astype(np.uint8)
    return labels_of_volume(array[..., None])[..., 0]
