"""The arms of a study: each turns labeled scans into probabilities for all scans of the task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from medcl.errors import UsageError
from medcl.finetune.budgets import Labeled
from medcl.finetune.classifier import Classifier
from medcl.finetune.features import Images, extract_features
from medcl.finetune.knn import centered
from medcl.finetune.label_spreading import ScanGraph
from medcl.finetune.pooling import Pooling
from medcl.finetune.task import Task
from medcl.finetune.training import TrainingConfig
from medcl.pretrain.networks.encoders import Encoder, EncoderConfig, build_encoder
from medcl.store import Store

Table = Callable[[Store, Images], np.ndarray]
Weights = int | Literal["outside"] | None
"""Whose an encoder's weights are: random by seed, another library's, or (None) the pretraining's."""


class ArmContext:
    """What all arms of a study share.

    Attributes:
        task: scans and truth.
        images: how scans are shown.
        training: of the arms that train a network.
        pretrained: the encoder under test.
        network: its architecture, for the arms that start from random weights.
        outside: the same architecture with another library's weights, where there are any.
    """

    def __init__(
        self,
        task: Task,
        images: Images,
        training: TrainingConfig,
        pretrained: Encoder,
        network: EncoderConfig,
        outside: Encoder | None = None,
    ) -> None:
        self.task, self.images, self.training = task, images, training
        self.pretrained, self.network, self.outside = pretrained, network, outside
        self._features: dict[tuple[Weights, Pooling], np.ndarray] = {}
        self._tables: dict[Table, np.ndarray] = {}

    def encoder(self, weights: Weights = None) -> Encoder:
        """Return the encoder with the weights asked for.

        Raises:
            UsageError: another library's, and there are none.
        """
        if weights is None:
            return self.pretrained
        if weights != "outside":
            return build_encoder(self.network, weights)
        if self.outside is None:
            raise UsageError("arms of outside weights need a file of them: set 'external_weights'")
        return self.outside

    def features(self, weights: Weights = None, pooling: Pooling = "max") -> np.ndarray:
        """Return features (scans of the store, F) of the encoder with the weights asked for.

        Those of random weights are kept until the next are asked for, since every budget asks for the same.
        """
        asked = (weights, pooling)
        if asked not in self._features:
            kept = {key: kept for key, kept in self._features.items() if not isinstance(key[0], int)}
            found = extract_features(self.encoder(weights), self.task.store, self.images, pooling=pooling)
            self._features = {**kept, asked: found}
        return self._features[asked]

    @cached_property
    def graph(self) -> ScanGraph:
        """The scans joined by likeness under the pretrained encoder."""
        return ScanGraph(centered(self.features(), self.task), self.task.store.rows("train"))

    def table(self, describe: Table) -> np.ndarray:
        """Return columns (scans of the store, F) that need no network."""
        if describe not in self._tables:
            self._tables[describe] = describe(self.task.store, self.images)
        return self._tables[describe]


@dataclass(frozen=True)
class ArmResult:
    """What an arm came to.

    Attributes:
        classifier: the fitted network; None where there is none.
        probability: (n,) of the positive class, of the rows asked for, calibrated.
        chosen: on validation.
        candidates: candidates that were compared there.
        parameters: how many were there to fit, for arms without a network.
    """

    classifier: Classifier | None
    probability: np.ndarray
    chosen: dict[str, Any]
    candidates: int
    parameters: int = 0


Arm = Callable[[ArmContext, Labeled, int, np.ndarray], ArmResult]
