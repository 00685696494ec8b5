"""The linear probe: logistic regression on frozen features, as a scikit-learn estimator."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Values of C that are tried, most regularised first."""


class LinearProbe(ClassifierMixin, BaseEstimator):
    """Logistic regression on features centred and scaled by one number, both taken from unlabelled scans.

    With a handful of labels their own means and deviations are too noisy to standardise with; those of the
    unlabelled pool cost no label. A single scale keeps the encoder's own weighting of its dimensions.

    Attributes:
        C: inverse strength of the L2 penalty.
    """

    def __init__(self, C: float = 1e-2) -> None:
        self.C = C

    def fit_pool(self, features: np.ndarray) -> LinearProbe:
        """Learn centre and scale from unlabelled features (n, F)."""
        self.centre_ = features.mean(axis=0)
        self.scale_ = float(features.std(axis=0).mean()) or 1.0
        return self

    def fit(self, features: np.ndarray, truth: np.ndarray) -> LinearProbe:
        """Fit on labelled features (n, F) and 0/1 truth; classes count the same whatever their size."""
        if not hasattr(self, "centre_"):
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

    def _scaled(self, features: np.ndarray) -> np.ndarray:
        return (features - self.centre_) / self.scale_


def fit_probe(
    pool: np.ndarray, train: np.ndarray, truth: np.ndarray, val: np.ndarray, val_truth: np.ndarray
) -> LinearProbe:
    """Fit a probe, its strength chosen by AUROC on the validation scans (ties: the more regularised).

    Args:
        pool: features (n, F) of unlabelled training scans.
        train, truth: labelled features and 0/1 classes.
        val, val_truth: validation features and classes.
    """
    probes = [LinearProbe(strength).fit_pool(pool).fit(train, truth) for strength in STRENGTHS]
    if len(np.unique(val_truth)) < 2:
        return probes[len(probes) // 2]
    scores = [roc_auc_score(val_truth, probe.predict_proba(val)[:, 1]) for probe in probes]
    return probes[int(np.argmax(np.round(scores, 6)))]
