"""Near-duplicates of test scans among those that training or choices could see."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.fft import dctn
from torch.nn import functional as F

from medcl.finetune.features import Images, whole_views
from medcl.store import Store
from medcl.views.sampling.scan_geometry import ScanSource

COSINE = 0.95
"""A pair's features, less their mean, point at least this much the same way."""

BITS_APART = 0.15
"""And no more than this share of the bits of their hashes differ."""

EDGE, LOWEST = 32, 8
"""A slice is averaged to this many pixels an edge; the hash is of this many lowest frequencies an axis."""

BLOCK = 64
"""Test scans that are compared at once."""


def near_duplicates(store: Store, images: Images, features: np.ndarray) -> pd.DataFrame:
    """Find test scans that look like a training or validation scan, whatever their labels.

    Both the pretrained encoder and the hash must agree: the encoder alone takes different patients for one
    another where they differ little, the hash alone where scans are aligned. Nothing is removed.

    Args:
        store: the scans; exact copies were set aside when it was prepared.
        images: how scans are shown; hashes are of plain slices.
        features: (scans of the store, F) of the pretrained encoder.

    Returns:
        scan (of the test set), other, other_split, cosine, bits_apart (share); nearest pairs first.
    """
    test, seen = store.rows("test"), np.concatenate([store.rows("train"), store.rows("val")])
    centered = features - features[store.rows("train")].mean(axis=0)
    unit = centered / np.maximum(np.linalg.norm(centered, axis=1, keepdims=True), 1e-12)
    hashes = perceptual_hashes(store, images.plain())
    parts = []
    for start in range(0, len(test), BLOCK):
        block = test[start : start + BLOCK]
        cosine = unit[block] @ unit[seen].T
        at, of = np.nonzero(cosine >= COSINE)
        apart = (hashes[block[at]] != hashes[seen[of]]).mean(axis=1)
        alike = apart <= BITS_APART
        pair = {"row": block[at], "other_row": seen[of], "cosine": cosine[at, of], "bits_apart": apart}
        parts.append(pd.DataFrame(pair)[alike])
    found = pd.concat(parts, ignore_index=True).sort_values(["bits_apart", "cosine"], ascending=[True, False])
    scans, splits = store.scans["scan"].to_numpy(), store.scans["split"].to_numpy()
    return pd.DataFrame(
        {
            "scan": scans[found["row"]],
            "other": scans[found["other_row"]],
            "other_split": splits[found["other_row"]],
            "cosine": found["cosine"].to_numpy(),
            "bits_apart": found["bits_apart"].to_numpy(),
        }
    )


def perceptual_hashes(store: ScanSource, images: Images) -> np.ndarray:
    """Return bits (scans, 63 a slice): which low frequencies of whole, unaugmented slices exceed the median.

    The constant is left out, so that brightness and contrast do not matter (Zauner 2010, section 3.2.1).
    """
    hashes = []
    for batch in whole_views(store, range(len(store.scans)), images):
        small = F.adaptive_avg_pool2d(batch.data.mean(dim=2), EDGE).numpy()
        waves = dctn(small, axes=(-2, -1))[..., :LOWEST, :LOWEST].reshape(*small.shape[:2], -1)[..., 1:]
        bits = waves > np.median(waves, axis=-1, keepdims=True)
        hashes.append(bits.reshape(len(bits), -1))
    return np.concatenate(hashes)
