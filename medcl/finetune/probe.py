"""The linear probe: logistic regression on frozen features, as a scikit-learn estimator."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from medcl.finetune.budgets import Labeled
from medcl.finetune.task import Task

STRONGEST, WEAKEST = 1e-4, 1.0
"""Values of C between which a search tries, most regularized first."""


class LinearProbe(ClassifierMixin, BaseEstimator):
    """Logistic regression on features centered and scaled by one number, both taken from unlabeled scans.

    With a handful of labels their own means and deviations are too noisy to standardize with; those of the
    unlabeled pool cost no label. A single scale keeps the encoder's own weighting of its dimensions.

    Attributes:
        C: inverse strength of the L2 penalty.
    """

    def __init__(self, C: float = 1e-2) -> None:
        self.C = C

    def fit_pool(self, features: np.ndarray) -> LinearProbe:
        """Learn center and scale from unlabeled features (n, F)."""
        self.center_ = features.mean(axis=0)
        self.scale_ = float(features.std(axis=0).mean()) or 1.0
        return self

    def fit(self, features: np.ndarray, truth: np.ndarray) -> LinearProbe:
        """Fit on labeled features (n, F) and 0/1 truth; classes count the same whatever their size."""
        if not hasattr(self, "center_"):
            self.fit_pool(features)
        self.model_ = LogisticRegression(C=self.C, class_weight="balanced", max_iter=1000)
        self.model_.fit(self._scaled(features), truth)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Return probabilities (n, 2)."""
        probabilities: np.ndarray = self.model_.predict_proba(self._scaled(features))
        return probabilities

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return 0/1 at probability one half."""
        decided: np.ndarray = self.model_.predict(self._scaled(features))
        return decided

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return the log odds (n,) of the positive class, float64."""
        logits: np.ndarray = self.model_.decision_function(self._scaled(features))
        return logits.astype(float)

    def divide(self, temperature: float) -> None:
        """Divide all logits from now on by `temperature`."""
        self.model_.coef_ /= temperature
        self.model_.intercept_ /= temperature

    def as_linear(self) -> tuple[np.ndarray, float]:
        """Return weight (F,) and bias of the same decision on features as the encoder gives them."""
        weight = self.model_.coef_[0] / self.scale_
        return weight, float(self.model_.intercept_[0] - weight @ self.center_)

    def _scaled(self, features: np.ndarray) -> np.ndarray:
        return (features - self.center_) / self.scale_


def fit_probe(features: np.ndarray, task: Task, labeled: Labeled, candidates: int = 5) -> LinearProbe:
    """Fit a probe, its strength chosen by AUROC on the validation scans.

    A handful of validation scans cannot tell strengths apart: the most regularized one within a standard
    error of the best is taken (Breiman et al. 1984, section 3.4.3).

    Args:
        features: (scans of the store, F).
        task: whose truth is learned; its store's training scans are the unlabeled pool.
        labeled: the rows whose labels may be used.
        candidates: strengths that are compared on the validation scans.
    """
    pool, train, val = features[task.store.rows("train")], labeled.train, labeled.val
    strengths = np.geomspace(STRONGEST, WEAKEST, candidates) if candidates > 1 else (LinearProbe().C,)
    probes = [
        LinearProbe(strength).fit_pool(pool).fit(features[train], task.truth[train]) for strength in strengths
    ]
    scores = [auroc(task.truth[val], probe.predict_proba(features[val])[:, 1]) for probe in probes]
    enough = max(scores) - auroc_error(max(scores), task.truth[val])
    return next(probe for probe, score in zip(probes, scores, strict=True) if score >= enough)


def auroc_error(value: float, truth: np.ndarray) -> float:
    """Return the standard error of an AUROC (Hanley & McNeil 1982); 0 where there is one class."""
    positives, negatives = int(truth.sum()), int((1 - truth).sum())
    if not positives or not negatives:
        return 0.0
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    variance = value * (1 - value) + (positives - 1) * (q1 - value**2) + (negatives - 1) * (q2 - value**2)
    return float(np.sqrt(max(variance, 0.0) / (positives * negatives)))


def auroc(truth: np.ndarray, probability: np.ndarray) -> float:
    """Return the AUROC, or one half where there is only one class to rank."""
    return float(roc_auc_score(truth, probability)) if len(np.unique(truth)) > 1 else 0.5
