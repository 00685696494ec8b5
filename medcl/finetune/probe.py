"""The linear probe: logistic regression on frozen features, as a scikit-learn estimator."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from medcl.finetune.budgets import LabeledScans
from medcl.finetune.selection import auroc, select_within_error
from medcl.finetune.task import Task

SMALLEST_C, LARGEST_C = 1e-4, 1.0
"""Range of C that is searched, most regularized first."""


class LinearProbe(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Logistic regression on features centered and scaled by one number, both taken from unlabeled scans.

    The means and deviations of a handful of labeled scans are too noisy to standardize by; those of the
    unlabeled pool cost no label. A single scale keeps the encoder's own weighting of its dimensions.

    Attributes:
        C: Inverse strength of the L2 penalty.
    """

    def __init__(self, C: float = 1e-2) -> None:  # noqa: N803  # scikit-learn's name
        self.C = C

    def fit_pool(self, features: np.ndarray) -> LinearProbe:
        """Learn center and scale from unlabeled features (n, F)."""
        self.center_ = features.mean(axis=0)
        self.scale_ = float(features.std(axis=0).mean()) or 1.0
        return self

    def fit(self, features: np.ndarray, truth: np.ndarray) -> LinearProbe:
        """Fit on labeled features (n, F) and 0/1 truth (n,); both classes count the same."""
        if not hasattr(self, "center_"):
            self.fit_pool(features)
        self.model_ = LogisticRegression(C=self.C, class_weight="balanced", max_iter=1000)
        self.model_.fit(self._scale(features), truth)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Return probabilities (n, 2)."""
        probability: np.ndarray = self.model_.predict_proba(self._scale(features))
        return probability

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return classes (n,), 0/1, at probability one half."""
        classes: np.ndarray = self.model_.predict(self._scale(features))
        return classes

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return the log odds (n,) of the positive class, float64."""
        logits: np.ndarray = self.model_.decision_function(self._scale(features))
        return logits.astype(float)

    def divide(self, temperature: float) -> None:
        """Divide all logits from now on by `temperature`."""
        self.model_.coef_ /= temperature
        self.model_.intercept_ /= temperature

    def as_linear(self) -> tuple[np.ndarray, float]:
        """Return weight (F,) and bias of the same function of unscaled features."""
        weight = self.model_.coef_[0] / self.scale_
        return weight, float(self.model_.intercept_[0] - weight @ self.center_)

    def _scale(self, features: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = (features - self.center_) / self.scale_
        return scaled


def fit_probe(features: np.ndarray, task: Task, labeled: LabeledScans, candidates: int = 5) -> LinearProbe:
    """Fit a probe whose C is the smallest within one standard error of the best validation AUROC.

    Args:
        features: (scans of the store, F).
        task: Task to learn; the training scans of its store are the unlabeled pool.
        labeled: Rows whose labels may be used.
        candidates: Values of C to compare on the validation scans.
    """
    pool, train, val = features[task.store.rows("train")], labeled.train, labeled.val
    values = np.geomspace(SMALLEST_C, LARGEST_C, candidates) if candidates > 1 else (LinearProbe().C,)
    probes = [LinearProbe(C).fit_pool(pool).fit(features[train], task.truth[train]) for C in values]
    scores = [auroc(task.truth[val], probe.predict_proba(features[val])[:, 1]) for probe in probes]
    return select_within_error(probes, scores, task.truth[val])
