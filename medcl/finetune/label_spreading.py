"""Label spreading: labels spread from the labeled scans to similar ones, over the whole unlabeled pool."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix, diags, identity
from scipy.sparse.linalg import cg
from scipy.special import logit
from sklearn.neighbors import NearestNeighbors

from medcl.finetune.budgets import LabeledScans
from medcl.finetune.selection import auroc, select_within_error
from medcl.finetune.task import Task

NEIGHBORS, POWER = 50, 3
"""Neighbors of a scan in the graph, and power of their cosine, as in Iscen et al. 2019."""
LARGEST_ALPHA, SMALLEST_ALPHA = 0.99, 0.1
"""Range of alpha that is searched, those that carry labels farthest first."""
MIN_SHARE = 1e-6
"""Shares of a class are kept this far from 0 and 1."""


class NeighborGraph:
    """Label spreading (Zhou et al. 2004) over the nearest neighbors of the training scans, labeled or not.

    Scans of the pool are joined to their nearest ones with the third power of the cosine as weight, twice
    where both are nearest to each other (Iscen et al. 2019). Any scan takes the weighted mean of its
    neighbors in the pool. Neighbors are searched exhaustively: time grows as scans times pool.

    Args:
        features: (scans of the store, F).
        pool: Rows of the training scans, two or more.
    """

    def __init__(self, features: np.ndarray, pool: np.ndarray) -> None:
        self.pool = pool
        search = NearestNeighbors(n_neighbors=min(NEIGHBORS, len(pool) - 1), metric="cosine")
        search.fit(features[pool])
        nearest = _affinity(search, None)
        weights = nearest + nearest.T
        self.root_degree = np.sqrt(np.asarray(weights.sum(axis=1)).ravel())
        normalizer = diags(1 / np.maximum(self.root_degree, MIN_SHARE))
        self.similarity = normalizer @ weights @ normalizer
        self.to_pool = _affinity(search, features)

    def spread(self, truth: np.ndarray, alpha: float) -> np.ndarray:
        """Return the log odds (scans of the store,) of the positive class.

        (I - alpha S)^-1 Y is solved for each class (Zhou et al. 2004, section 2). Classes start with the same
        mass, whatever their size; where no label reaches, the odds are even.

        Args:
            truth: (scans of the store,) 0 or 1, and -1 where no label may be used; only rows of the pool are
                read, where both classes must be present.
            alpha: Share that a scan takes from its neighbors in each round, against its own label.
        """
        system = identity(len(self.pool)) - alpha * self.similarity
        mass = np.stack([self._solve(system, truth[self.pool] == label) for label in (0, 1)])
        total = mass.sum(axis=0)
        share = np.divide(mass[1], total, out=np.full(len(total), 0.5), where=total > 0)
        weight = np.asarray(self.to_pool.sum(axis=1)).ravel()
        mean = np.divide(self.to_pool @ share, weight, out=np.full(len(weight), 0.5), where=weight > 0)
        log_odds: np.ndarray = logit(mean.clip(MIN_SHARE, 1 - MIN_SHARE))
        return log_odds

    def _solve(self, system: csr_matrix, labeled: np.ndarray) -> np.ndarray:
        # Far from its labels the mass of a class is in proportion to `root_degree`: divided by its sum over
        # the labeled scans, classes weigh the same.
        start = labeled / max(float(self.root_degree[labeled].sum()), MIN_SHARE)
        mass: np.ndarray = np.maximum(cg(system, start, rtol=1e-10)[0], 0)
        return mass


def _affinity(search: NearestNeighbors, features: np.ndarray | None) -> csr_matrix:
    """Return the weights of each scan's nearest neighbors; of the fitted scans when none are given."""
    graph = search.kneighbors_graph(features, mode="distance")
    graph.data = np.clip(1 - graph.data, 0, 1) ** POWER
    return graph


def spread_labels(
    graph: NeighborGraph, task: Task, labeled: LabeledScans, candidates: int = 5
) -> tuple[np.ndarray, float]:
    """Spread the labels that may be used.

    Alpha is the largest within one standard error of the best validation AUROC.

    Args:
        graph: Graph of the store's scans, its training scans as the pool.
        task: Task to learn.
        labeled: Rows whose labels may be used.
        candidates: Values of alpha to compare on the validation scans.

    Returns:
        The log odds (scans of the store,) of the positive class, and alpha.
    """
    val = labeled.val
    truth = np.full(len(task.truth), -1)
    truth[labeled.train] = task.truth[labeled.train]
    alphas = 1 - np.geomspace(1 - LARGEST_ALPHA, 1 - SMALLEST_ALPHA, candidates)
    log_odds = [graph.spread(truth, alpha) for alpha in alphas]
    scores = [auroc(task.truth[val], odds[val]) for odds in log_odds]
    odds, alpha = select_within_error(list(zip(log_odds, alphas, strict=True)), scores, task.truth[val])
    return odds, float(alpha)
