"""The arms of a study: each turns labelled scans into probabilities for all scans of the task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from medcl.finetune.budgets import Labelled
from medcl.finetune.features import Images, extract_features
from medcl.finetune.probe import fit_probe
from medcl.finetune.task import Task
from medcl.finetune.training import Classifier, TrainingConfig, predict, train_classifier
from medcl.pretrain.encoders import Encoder, EncoderConfig, build_encoder


class Bench:
    """What all arms of a study share.

    Attributes:
        task: scans and truth.
        images: how scans are shown.
        training: of the arms that train a network.
        pretrained: the encoder under test.
        network: its architecture, for the arms that start from random weights.
    """

    def __init__(
        self,
        task: Task,
        images: Images,
        training: TrainingConfig,
        pretrained: Encoder,
        network: EncoderConfig,
    ) -> None:
        self.task, self.images, self.training = task, images, training
        self.pretrained, self.network = pretrained, network
        self._features: dict[int | None, np.ndarray] = {}

    def encoder(self, seed: int | None = None) -> Encoder:
        """Return the pretrained encoder, or one with random weights by seed."""
        return self.pretrained if seed is None else build_encoder(self.network, seed)

    def features(self, seed: int | None = None) -> np.ndarray:
        """Return features (scans of the store, F) of the pretrained encoder, or of a random one by seed.

        The last of each is kept, since every budget asks for the same.
        """
        if seed not in self._features:
            self._features = {key: kept for key, kept in self._features.items() if key is None}
            self._features[seed] = extract_features(self.encoder(seed), self.task.store, self.images)
        return self._features[seed]


@dataclass(frozen=True)
class Outcome:
    """The fitted classifier, its probabilities (n,) of the rows asked for, and its choices on validation."""

    classifier: Classifier
    probability: np.ndarray
    chosen: dict[str, Any]


Arm = Callable[[Bench, Labelled, int, np.ndarray], Outcome]


def probe(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Linear probe on the pretrained encoder."""
    return _probe(bench, None, labelled, rows)


def random_probe(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Linear probe on a frozen encoder with random weights: the control that costs nothing."""
    return _probe(bench, seed, labelled, rows)


def finetune(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Train the whole network from the pretrained encoder."""
    return _network(bench, bench.encoder(), labelled, seed, rows)


def supervised(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Train the same network from random weights: the baseline."""
    return _network(bench, bench.encoder(seed), labelled, seed, rows)


ARMS: dict[str, Arm] = {
    "probe": probe,
    "finetune": finetune,
    "supervised": supervised,
    "random-probe": random_probe,
}


def arm_names(method: str) -> dict[str, Arm]:
    """Return the arms under the names they have in predictions: `simclr-probe`, ..., `supervised`."""
    own = ("probe", "finetune")
    return {(f"{method}-{name}" if name in own else name): arm for name, arm in ARMS.items()}


def _probe(bench: Bench, encoder_seed: int | None, labelled: Labelled, rows: np.ndarray) -> Outcome:
    features = bench.features(encoder_seed)
    fitted = fit_probe(features, bench.task, labelled)
    classifier = Classifier.from_probe(bench.encoder(encoder_seed), fitted)
    return Outcome(classifier, fitted.predict_proba(features[rows])[:, 1], {"C": fitted.C})


def _network(bench: Bench, encoder: Encoder, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    classifier, chosen = train_classifier(encoder, bench.task, labelled, bench.images, bench.training, seed)
    return Outcome(classifier, predict(classifier, bench.task.store, rows, bench.images), chosen)
