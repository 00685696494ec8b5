"""The vote of a scan's nearest labelled neighbours in feature space."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from medcl.finetune.budgets import Labelled
from medcl.finetune.probe import auroc, auroc_error
from medcl.finetune.task import Task


def fit_neighbours(
    features: np.ndarray, task: Task, labelled: Labelled, trials: int = 5
) -> KNeighborsClassifier:
    """Fit a vote by cosine distance, nearer neighbours counting more; their number is chosen on validation.

    As with a probe's strength, a handful of validation scans cannot tell numbers apart: the largest within a
    standard error of the best AUROC is taken.

    Args:
        features: (scans of the store, F); see `centred`.
        task: whose truth votes.
        labelled: the rows whose labels may be used.
        trials: numbers that are compared, from one neighbour to all; fewer where there are fewer scans.
    """
    train, val = labelled.train, labelled.val
    votes = [
        KNeighborsClassifier(number, metric="cosine", weights="distance").fit(
            features[train], task.truth[train]
        )
        for number in numbers_to_try(len(train), trials)
    ]
    scores = [auroc(task.truth[val], vote.predict_proba(features[val])[:, 1]) for vote in votes]
    enough = max(scores) - auroc_error(max(scores), task.truth[val])
    return next(vote for vote, score in zip(votes, scores, strict=True) if score >= enough)


def numbers_to_try(labelled: int, trials: int) -> list[int]:
    """Return at most `trials` numbers of neighbours, from all labelled scans down to one."""
    return sorted({round(number) for number in np.geomspace(1, labelled, trials)}, reverse=True)


def centred(features: np.ndarray, task: Task) -> np.ndarray:
    """Return features (scans of the store, F) less their mean over the training scans, labelled or not.

    What comes out of a rectifier is never negative, so that all cosines would be near one.
    """
    shifted: np.ndarray = features - features[task.store.rows("train")].mean(axis=0)
    return shifted
