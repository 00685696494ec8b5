"""Labels that spread from the labeled scans to those like them, over the whole unlabeled pool."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix, diags, identity
from scipy.sparse.linalg import cg
from scipy.special import logit
from sklearn.neighbors import NearestNeighbors

from medcl.finetune.budgets import Labeled
from medcl.finetune.probe import auroc, auroc_error
from medcl.finetune.task import Task

NEIGHBORS, POWER = 50, 3
"""Of the graph, as Iscen et al. 2019 chose them."""
FARTHEST, NEAREST = 0.99, 0.1
"""Values of alpha between which a search tries, those that carry labels farthest first."""
SUREST = 1e-6
"""Shares of a class are kept this far from 0 and 1."""


class ScanGraph:
    """Label spreading (Zhou et al. 2004) over the nearest neighbors of the training scans, labeled or not.

    Scans of the pool are joined to those nearest by the third power of their cosine, and joined twice where
    both are nearest to each other (Iscen et al. 2019). Any scan takes the weighted mean of its neighbors in
    the pool. The search takes a cosine for each scan of the store and of the pool.

    Args:
        features: (scans of the store, F).
        pool: rows of the training scans, two or more.
    """

    def __init__(self, features: np.ndarray, pool: np.ndarray) -> None:
        self.pool = pool
        search = NearestNeighbors(n_neighbors=min(NEIGHBORS, len(pool) - 1), metric="cosine")
        search.fit(features[pool])
        nearest = _affinity(search, None)
        joined = nearest + nearest.T
        self.root = np.sqrt(np.asarray(joined.sum(axis=1)).ravel())
        even = diags(1 / np.maximum(self.root, SUREST))
        self.steps = even @ joined @ even
        self.towards = _affinity(search, features)

    def spread(self, truth: np.ndarray, alpha: float) -> np.ndarray:
        """Return the log odds (scans of the store,) of the positive class.

        (I - alpha S)^-1 Y is solved for each class (Zhou et al. 2004, section 2). Classes start with the same
        mass, whatever their size; where no label reaches, the odds are even.

        Args:
            truth: (scans of the store,) 0 or 1, and -1 where no label may be used; other scans than the
                pool's are not looked at. Both classes must be there.
            alpha: share that a scan takes from its neighbors in each round, against its own label.
        """
        system = identity(len(self.pool)) - alpha * self.steps
        mass = np.stack([self._solve(system, truth[self.pool] == side) for side in (0, 1)])
        total = mass.sum(axis=0)
        share = np.divide(mass[1], total, out=np.full(len(total), 0.5), where=total > 0)
        weight = np.asarray(self.towards.sum(axis=1)).ravel()
        mean = np.divide(self.towards @ share, weight, out=np.full(len(weight), 0.5), where=weight > 0)
        odds: np.ndarray = logit(mean.clip(SUREST, 1 - SUREST))
        return odds

    def _solve(self, system: csr_matrix, known: np.ndarray) -> np.ndarray:
        # Far from its labels a class has mass in proportion to `root`: divided by that, classes are equal.
        start = known / max(float(self.root[known].sum()), SUREST)
        return np.maximum(cg(system, start, rtol=1e-10)[0], 0)


def _affinity(search: NearestNeighbors, features: np.ndarray | None) -> csr_matrix:
    """Return the weight of each scan's nearest of the pool; of the pool's own scans, when none are given."""
    graph = search.kneighbors_graph(features, mode="distance")
    graph.data = np.clip(1 - graph.data, 0, 1) ** POWER
    return graph


def spread_labels(
    graph: ScanGraph, task: Task, labeled: Labeled, candidates: int = 5
) -> tuple[np.ndarray, float]:
    """Spread the labels that may be used, alpha chosen by AUROC on the validation scans.

    As with a probe's strength, a handful of validation scans cannot tell values apart: the one that carries
    labels farthest within a standard error of the best is taken.

    Args:
        graph: of the store's scans, its training scans as the pool.
        task: whose truth is spread.
        labeled: the rows whose labels may be used.
        candidates: values of alpha that are compared on the validation scans.

    Returns:
        The log odds (scans of the store,) of the positive class, and alpha.
    """
    val = labeled.val
    truth = np.full(len(task.truth), -1)
    truth[labeled.train] = task.truth[labeled.train]
    alphas = 1 - np.geomspace(1 - FARTHEST, 1 - NEAREST, candidates)
    spread = [graph.spread(truth, alpha) for alpha in alphas]
    scores = [auroc(task.truth[val], odds[val]) for odds in spread]
    enough = max(scores) - auroc_error(max(scores), task.truth[val])
    chosen = next(n for n, score in enumerate(scores) if score >= enough)
    return spread[chosen], float(alphas[chosen])
