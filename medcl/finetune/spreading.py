"""Labels that spread from the labelled scans to those like them, over the whole unlabelled pool."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from sklearn.neighbors import NearestNeighbors
from sklearn.semi_supervised import LabelSpreading

from medcl.finetune.budgets import Labelled
from medcl.finetune.probe import auroc, auroc_error
from medcl.finetune.task import Task

NEIGHBOURS, POWER = 50, 3
"""Of the graph, as in Iscen et al. 2019, section 4.1."""
FARTHEST, NEAREST = 0.99, 0.1
"""Values of alpha between which a search tries, those that carry labels farthest first."""


class SpreadLabels:
    """Label spreading (Zhou et al. 2004) over the nearest neighbours of the training scans, labelled or not.

    Two scans of the pool are joined where either is among the other's nearest, by their cosine to the third
    power (Iscen et al. 2019, eq. 9). A scan outside the pool takes the mean of its neighbours there.

    Args:
        pool: (n, F) features of the training scans; the search for neighbours takes n ** 2 cosines.
    """

    def __init__(self, pool: np.ndarray) -> None:
        self.pool = pool
        self.search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(pool) - 1), metric="cosine").fit(pool)
        nearest = self._affinity(None)
        self.graph = nearest.maximum(nearest.T)
        self.alpha = FARTHEST

    def fit(self, truth: np.ndarray, alpha: float) -> SpreadLabels:
        """Spread from the labelled scans of the pool.

        Args:
            truth: (n,) 0 or 1, and -1 where no label is known.
            alpha: share that a scan takes from its neighbours in each round, against its own label.
        """
        self.alpha = alpha
        self.model = LabelSpreading(kernel=self._kernel, alpha=alpha, max_iter=3000, tol=1e-6)
        self.model.fit(self.pool, truth)
        return self

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return the log odds (m,) of the positive class for features (m, F) outside the pool.

        No label reaches an island of the graph that holds none: even odds there.
        """
        mass = self._affinity(features) @ self.model.label_distributions_ + 1e-9
        odds: np.ndarray = np.log(mass[:, 1]) - np.log(mass[:, 0])
        return odds

    def _kernel(self, pool: np.ndarray, _: np.ndarray) -> csr_array:
        return self.graph

    def _affinity(self, features: np.ndarray | None) -> csr_array:
        graph = self.search.kneighbors_graph(features, mode="distance")
        graph.data = np.clip(1 - graph.data, 0, 1) ** POWER
        return graph


def spread_labels(features: np.ndarray, task: Task, labelled: Labelled, trials: int = 5) -> SpreadLabels:
    """Spread the labels that may be used, alpha chosen by AUROC on the validation scans.

    As with a probe's strength, a handful of validation scans cannot tell values apart: the one that carries
    labels farthest within a standard error of the best is taken.

    Args:
        features: (scans of the store, F); see `medcl.finetune.neighbours.centred`.
        task: whose truth is spread; its store's training scans are the pool.
        labelled: the rows whose labels may be used.
        trials: values of alpha that are compared on the validation scans.
    """
    rows, val = task.store.rows("train"), labelled.val
    truth = np.where(np.isin(rows, labelled.train), task.truth[rows], -1)
    spread = SpreadLabels(features[rows])
    alphas = 1 - np.geomspace(1 - FARTHEST, 1 - NEAREST, trials)
    scores = [auroc(task.truth[val], spread.fit(truth, alpha).logits(features[val])) for alpha in alphas]
    enough = max(scores) - auroc_error(max(scores), task.truth[val])
    return spread.fit(truth, next(a for a, score in zip(alphas, scores, strict=True) if score >= enough))
