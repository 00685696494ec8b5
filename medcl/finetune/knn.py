"""k-nearest neighbors in feature space."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from medcl.finetune.budgets import LabeledScans
from medcl.finetune.selection import auroc, select_within_error
from medcl.finetune.task import Task


def fit_neighbors(
    features: np.ndarray, task: Task, labeled: LabeledScans, candidates: int = 5
) -> KNeighborsClassifier:
    """Fit k-nearest neighbors by cosine distance, nearer neighbors counting more.

    Their number is the largest within one standard error of the best validation AUROC.

    Args:
        features: (scans of the store, F); see `centered`.
        task: Task to learn.
        labeled: Rows whose labels may be used.
        candidates: Numbers of neighbors to compare, from one to all; fewer where there are fewer scans.
    """
    train, val = labeled.train, labeled.val
    classifiers = [
        KNeighborsClassifier(number, metric="cosine", weights="distance").fit(
            features[train], task.truth[train]
        )
        for number in neighbor_counts(len(train), candidates)
    ]
    scores = [auroc(task.truth[val], knn.predict_proba(features[val])[:, 1]) for knn in classifiers]
    return select_within_error(classifiers, scores, task.truth[val])


def neighbor_counts(labeled: int, candidates: int) -> list[int]:
    """Return at most `candidates` numbers of neighbors, from all labeled scans down to one."""
    return sorted({round(number) for number in np.geomspace(1, labeled, candidates)}, reverse=True)


def centered(features: np.ndarray, task: Task) -> np.ndarray:
    """Return features (scans of the store, F) less their mean over the training scans, labeled or not.

    The output of a rectifier is never negative, so that all cosines would be near one.
    """
    shifted: np.ndarray = features - features[task.store.rows("train")].mean(axis=0)
    return shifted
