"""The vote of a scan's nearest labeled neighbors in feature space."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from medcl.finetune.budgets import Labeled
from medcl.finetune.probe import auroc, auroc_error
from medcl.finetune.task import Task


def fit_neighbors(
    features: np.ndarray, task: Task, labeled: Labeled, candidates: int = 5
) -> KNeighborsClassifier:
    """Fit a vote by cosine distance, nearer neighbors counting more; their number is chosen on validation.

    As with a probe's strength, a handful of validation scans cannot tell numbers apart: the largest within a
    standard error of the best AUROC is taken.

    Args:
        features: (scans of the store, F); see `centered`.
        task: whose truth votes.
        labeled: the rows whose labels may be used.
        candidates: numbers that are compared, from one neighbor to all; fewer where there are fewer scans.
    """
    train, val = labeled.train, labeled.val
    votes = [
        KNeighborsClassifier(number, metric="cosine", weights="distance").fit(
            features[train], task.truth[train]
        )
        for number in numbers_to_try(len(train), candidates)
    ]
    scores = [auroc(task.truth[val], vote.predict_proba(features[val])[:, 1]) for vote in votes]
    enough = max(scores) - auroc_error(max(scores), task.truth[val])
    return next(vote for vote, score in zip(votes, scores, strict=True) if score >= enough)


def numbers_to_try(labeled: int, candidates: int) -> list[int]:
    """Return at most `candidates` numbers of neighbors, from all labeled scans down to one."""
    return sorted({round(number) for number in np.geomspace(1, labeled, candidates)}, reverse=True)


def centered(features: np.ndarray, task: Task) -> np.ndarray:
    """Return features (scans of the store, F) less their mean over the training scans, labeled or not.

    What comes out of a rectifier is never negative, so that all cosines would be near one.
    """
    shifted: np.ndarray = features - features[task.store.rows("train")].mean(axis=0)
    return shifted
