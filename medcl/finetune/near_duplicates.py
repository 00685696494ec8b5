"""Near-duplicates of test scans among the training and validation scans."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.fft import dctn
from torch.nn import functional as F

from medcl.finetune.features import Images, whole_views
from medcl.store import Store
from medcl.views import ScanSource

COSINE = 0.95
"""Least cosine of the centered features of a pair."""

BITS_APART = 0.15
"""Largest share of differing bits between the hashes of a pair."""

EDGE, LOWEST = 32, 8
"""A slice is averaged to 32 x 32 pixels; its hash is of the 8 lowest frequencies of each axis."""

BLOCK = 64
"""Test scans that are compared at once."""


def near_duplicates(store: Store, images: Images, features: np.ndarray) -> pd.DataFrame:
    """Find test scans that look like a training or validation scan, whatever their labels.

    Both the pretrained encoder and the hash must agree: the encoder alone confuses different patients that
    differ little, the hash alone those whose scans are aligned. Nothing is removed.

    Args:
        store: The scans, without exact copies, which were set aside when the store was prepared.
        images: How scans are shown; hashes are of plain slices.
        features: (scans of the store, F) of the pretrained encoder.

    Returns:
        Table of pairs, nearest first: `scan` (of the test set), `other`, `other_split`, `cosine`,
        `bits_apart` (share of the hash).
    """
    test, others = store.rows("test"), np.concatenate([store.rows("train"), store.rows("val")])
    centered = features - features[store.rows("train")].mean(axis=0)
    unit = centered / np.maximum(np.linalg.norm(centered, axis=1, keepdims=True), 1e-12)
    hashes = perceptual_hashes(store, images.plain())
    parts = []
    for start in range(0, len(test), BLOCK):
        block = test[start : start + BLOCK]
        cosine = unit[block] @ unit[others].T
        i, j = np.nonzero(cosine >= COSINE)
        bits_apart = (hashes[block[i]] != hashes[others[j]]).mean(axis=1)
        columns = {"row": block[i], "other_row": others[j], "cosine": cosine[i, j], "bits_apart": bits_apart}
        parts.append(pd.DataFrame(columns)[bits_apart <= BITS_APART])
    pairs = pd.concat(parts, ignore_index=True).sort_values(["bits_apart", "cosine"], ascending=[True, False])
    scans, splits = store.scans["scan"].to_numpy(), store.scans["split"].to_numpy()
    return pd.DataFrame(
        {
            "scan": scans[pairs["row"]],
            "other": scans[pairs["other_row"]],
            "other_split": splits[pairs["other_row"]],
            "cosine": pairs["cosine"].to_numpy(),
            "bits_apart": pairs["bits_apart"].to_numpy(),
        }
    )


def perceptual_hashes(store: ScanSource, images: Images) -> np.ndarray:
    """Return hashes (scans, 63 bits per slice) of whole, unaugmented slices.

    A bit says whether a low frequency of the cosine transform exceeds the median. The constant is left out,
    so that brightness and contrast do not matter (Zauner 2010, section 3.2.1).
    """
    hashes = []
    for batch in whole_views(store, range(len(store.scans)), images):
        small = F.adaptive_avg_pool2d(batch.data.mean(dim=2), EDGE).numpy()
        frequencies = dctn(small, axes=(-2, -1))[..., :LOWEST, :LOWEST].reshape(*small.shape[:2], -1)[..., 1:]
        bits = frequencies > np.median(frequencies, axis=-1, keepdims=True)
        hashes.append(bits.reshape(len(bits), -1))
    return np.concatenate(hashes)
