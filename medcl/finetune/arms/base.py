"""Interface of every arm: labeled scans in, probabilities for all scans of the task out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from medcl.errors import UsageError
from medcl.finetune.budgets import LabeledScans
from medcl.finetune.classifier import Classifier
from medcl.finetune.features import Images, extract_features
from medcl.finetune.knn import centered
from medcl.finetune.label_spreading import NeighborGraph
from medcl.finetune.pooling import Pooling
from medcl.finetune.task import Task
from medcl.finetune.training import TrainingConfig
from medcl.pretrain import Encoder, EncoderConfig, build_encoder
from medcl.store import Store

Weights = Literal["pretrained", "external"] | int
"""Which weights an encoder has: those under test, those of an external file, or random ones by seed."""

FeatureFunction = Callable[[Store, Images], np.ndarray]
"""Returns features (scans of the store, F) that need no network."""


class ArmContext:
    """Data, configuration and encoders shared by all arms of a study.

    Args:
        task: Scans and truth.
        images: Presentation of scans to the network.
        training: Configuration of arms that train a network.
        pretrained: The encoder under test.
        network: Its architecture, for arms that start from random weights.
        external: The same architecture with weights of an external file, where there are any.
    """

    def __init__(
        self,
        task: Task,
        images: Images,
        training: TrainingConfig,
        pretrained: Encoder,
        network: EncoderConfig,
        external: Encoder | None = None,
    ) -> None:
        self.task, self.images, self.training = task, images, training
        self.pretrained, self.network, self.external = pretrained, network, external
        self._features: dict[tuple[Weights, Pooling], np.ndarray] = {}
        self._without_network: dict[FeatureFunction, np.ndarray] = {}

    def encoder(self, weights: Weights = "pretrained") -> Encoder:
        """Return the encoder with the given weights.

        Raises:
            UsageError: External weights are requested and none are configured.
        """
        if isinstance(weights, int):
            return build_encoder(self.network, weights)
        if weights == "pretrained":
            return self.pretrained
        if self.external is None:
            raise UsageError("arms with external weights need a file of them: set 'external_weights'")
        return self.external

    def features(self, weights: Weights = "pretrained", pooling: Pooling = "max") -> np.ndarray:
        """Return features (scans of the store, F) of the encoder with the given weights.

        They are cached; of random weights only the latest, since all budgets of a seed share them.
        """
        key = (weights, pooling)
        if key not in self._features:
            cached = {k: v for k, v in self._features.items() if not isinstance(k[0], int)}
            features = extract_features(self.encoder(weights), self.task.store, self.images, pooling=pooling)
            self._features = {**cached, key: features}
        return self._features[key]

    @cached_property
    def graph(self) -> NeighborGraph:
        """The scans joined by similarity under the pretrained encoder."""
        return NeighborGraph(centered(self.features(), self.task), self.task.store.rows("train"))

    def features_without_network(self, compute: FeatureFunction) -> np.ndarray:
        """Return features (scans of the store, F) that need no network; they are cached."""
        if compute not in self._without_network:
            self._without_network[compute] = compute(self.task.store, self.images)
        return self._without_network[compute]


@dataclass(frozen=True)
class ArmResult:
    """Result of one arm.

    Attributes:
        classifier: The fitted network; None where there is none.
        probability: (n,) of the positive class for the requested rows, calibrated.
        selected: What was selected on validation, by name.
        candidates: How many candidates were compared there.
        parameters: Fitted parameters of arms without a network.
    """

    classifier: Classifier | None
    probability: np.ndarray
    selected: dict[str, Any]
    candidates: int
    parameters: int = 0


RunArm = Callable[[ArmContext, LabeledScans, int, np.ndarray], ArmResult]
"""Fits an arm on the labeled scans with a random seed and predicts rows (n,) of the store."""
