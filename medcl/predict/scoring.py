"""Scores of scans in batches, which depend on the scans of a part and their order alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import torch
from scipy.special import expit

from medcl.finetune import Classifier
from medcl.predict.reading import ScanViews

VIEWS_PER_BATCH = 256


@torch.inference_mode()
def score(classifier: Classifier, scans: Iterable[ScanViews]) -> dict[str, float]:
    """Return the probability of the positive class of each scan that has views.

    Scans whose views have one shape share batches of about `VIEWS_PER_BATCH` views, in their order, so that
    no more than a batch per shape is in memory.

    Args:
        classifier: Network, in evaluation mode.
        scans: Scans of one part.
    """
    probability: dict[str, float] = {}
    waiting: dict[tuple[int, ...], list[tuple[str, np.ndarray]]] = defaultdict(list)
    for scan in scans:
        if scan.views is None:
            continue
        batch = waiting[scan.views.shape]
        batch.append((scan.scan, scan.views))
        if (len(batch) + 1) * len(scan.views) > VIEWS_PER_BATCH:
            probability |= _score_batch(classifier, batch)
            batch.clear()
    for batch in waiting.values():
        probability |= _score_batch(classifier, batch)
    return probability


def _score_batch(classifier: Classifier, batch: list[tuple[str, np.ndarray]]) -> dict[str, float]:
    if not batch:
        return {}
    views = torch.from_numpy(np.stack([views for _, views in batch]))
    probability = expit(classifier(views).double().numpy())
    return dict(zip([scan for scan, _ in batch], probability.tolist(), strict=True))
