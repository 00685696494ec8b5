"""The arms of a study: each turns labelled scans into probabilities for all scans of the task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
from scipy.special import expit

from medcl.errors import UsageError
from medcl.finetune.budgets import Labelled
from medcl.finetune.calibration import fit_temperature
from medcl.finetune.classifier import Classifier, predict, predict_logits
from medcl.finetune.features import Images, extract_features
from medcl.finetune.neighbours import centred, fit_neighbours, numbers_to_try
from medcl.finetune.pooling import Pooling
from medcl.finetune.probe import LinearProbe, fit_probe
from medcl.finetune.semi import Distillation, FixMatch, MeanTeacher
from medcl.finetune.spreading import ScanGraph, spread_labels
from medcl.finetune.tables import background, metadata, size_and_mean, texture
from medcl.finetune.task import Task
from medcl.finetune.training import Objective, TrainingConfig, train_classifier
from medcl.pretrain.encoders import Encoder, EncoderConfig, build_encoder
from medcl.store import Store

Table = Callable[[Store, Images], np.ndarray]
Weights = int | Literal["outside"] | None
"""Whose an encoder's weights are: random by seed, another library's, or (None) the pretraining's."""


class Bench:
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
            raise UsageError("arms of outside weights need a file of them: set 'outside_weights'")
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
        return ScanGraph(centred(self.features(), self.task), self.task.store.rows("train"))

    def table(self, describe: Table) -> np.ndarray:
        """Return columns (scans of the store, F) that need no network."""
        if describe not in self._tables:
            self._tables[describe] = describe(self.task.store, self.images)
        return self._tables[describe]


@dataclass(frozen=True)
class Outcome:
    """What an arm came to.

    Attributes:
        classifier: the fitted network; None where there is none.
        probability: (n,) of the positive class, of the rows asked for, calibrated.
        chosen: on validation.
        trials: candidates that were compared there.
        parameters: how many were there to fit, for arms without a network.
    """

    classifier: Classifier | None
    probability: np.ndarray
    chosen: dict[str, Any]
    trials: int
    parameters: int = 0


Arm = Callable[[Bench, Labelled, int, np.ndarray], Outcome]


def probe(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Linear probe on the pretrained encoder."""
    return _probe(bench, None, labelled, rows)


def knn(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Vote of the nearest labelled scans under the pretrained encoder; votes are not calibrated."""
    features, trials = centred(bench.features(), bench.task), bench.training.trials
    vote = fit_neighbours(features, bench.task, labelled, trials)
    compared = len(numbers_to_try(len(labelled.train), trials))
    return Outcome(None, vote.predict_proba(features[rows])[:, 1], {"k": vote.n_neighbors}, compared)


def spread(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Labels that spread over all training scans by likeness under the pretrained encoder."""
    task, trials = bench.task, bench.training.trials
    logits, alpha = spread_labels(bench.graph, task, labelled, trials)
    temperature = fit_temperature(task.truth[labelled.val], logits[labelled.val])
    chosen = {"alpha": alpha, "temperature": temperature}
    return Outcome(None, expit(logits[rows] / temperature), chosen, trials)


def random_probe(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Linear probe on a frozen encoder with random weights: the control that costs nothing."""
    return _probe(bench, seed, labelled, rows)


def finetune(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Train the whole network from the linear probe on the pretrained encoder (Kumar et al. 2022)."""
    return _from_probe(bench, labelled, seed, rows)


def outside_probe(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Linear probe on the encoder with another library's weights."""
    return _probe(bench, "outside", labelled, rows)


def outside_finetune(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Fine-tune another library's weights as the pretrained ones are: transfer learning as people know it."""
    return _from_probe(bench, labelled, seed, rows, weights="outside")


def fixmatch(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Fine-tune with pseudo-labels of the unlabelled scans."""
    return _from_probe(bench, labelled, seed, rows, FixMatch)


def mean_teacher(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Fine-tune in agreement with the network's own running average on the unlabelled scans."""
    return _from_probe(bench, labelled, seed, rows, MeanTeacher)


def distil(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Train a student on what the fine-tuned network says of the unlabelled scans."""
    start, config = _probed(bench, labelled), bench.training
    left = config.trials - config.probe_trials - len(config.learning_rates)
    teacher, told = train_classifier(start, bench.task, labelled, bench.images, config, seed, trials=left)
    taught = partial(Distillation, teacher=teacher)
    return _network(bench, start, labelled, seed, rows, taught, config.probe_trials + int(told["trials"]))


def supervised(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Train the same network from random weights: the baseline."""
    return _network(bench, bench.encoder(seed), labelled, seed, rows)


def shuffled_labels(bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Linear probe on the pretrained encoder, taught shuffled labels: chance, or there is a leak."""
    shuffled, generator = bench.task.truth.copy(), np.random.default_rng(seed)
    for part in (labelled.train, labelled.val):
        shuffled[part] = generator.permutation(shuffled[part])
    task, trials = replace(bench.task, truth=shuffled), bench.training.trials
    fitted, chosen = _logistic(bench.features(), task, labelled, trials)
    return Outcome(None, expit(fitted.logits(bench.features()[rows])), chosen, trials)


def _from_table(describe: Table, bench: Bench, labelled: Labelled, seed: int, rows: np.ndarray) -> Outcome:
    """Logistic regression, chosen as the linear probe is, on columns that need no network."""
    columns, trials = bench.table(describe), bench.training.trials
    fitted, chosen = _logistic(columns, bench.task, labelled, trials)
    return Outcome(None, expit(fitted.logits(columns[rows])), chosen, trials, columns.shape[1] + 1)


ARMS: dict[str, Arm] = {
    "probe": probe,
    "knn": knn,
    "spread": spread,
    "finetune": finetune,
    "supervised": supervised,
    "outside-probe": outside_probe,
    "outside-finetune": outside_finetune,
    "random-probe": random_probe,
    "fixmatch": fixmatch,
    "mean-teacher": mean_teacher,
    "distil": distil,
    "classical": partial(_from_table, texture),
    "shuffled-labels": shuffled_labels,
    "metadata-only": partial(_from_table, metadata),
    "background-only": partial(_from_table, background),
    "size-and-mean": partial(_from_table, size_and_mean),
}

OF_THE_METHOD = ("probe", "knn", "spread", "finetune", "fixmatch", "mean-teacher", "distil")
"""Arms that start from the pretrained encoder: the method's name goes before theirs."""


def arm_names(method: str) -> dict[str, Arm]:
    """Return the arms under the names they have in predictions: `simclr-probe`, ..., `supervised`."""
    return {(f"{method}-{name}" if name in OF_THE_METHOD else name): arm for name, arm in ARMS.items()}


def _probed(bench: Bench, labelled: Labelled, weights: Weights = None) -> Classifier:
    pooling, trials = bench.training.pooling, bench.training.probe_trials
    fitted = fit_probe(bench.features(weights, pooling), bench.task, labelled, trials)
    return Classifier.from_probe(bench.encoder(weights), fitted, pooling)


def _probe(bench: Bench, weights: Weights, labelled: Labelled, rows: np.ndarray) -> Outcome:
    features, trials = bench.features(weights), bench.training.trials
    fitted, chosen = _logistic(features, bench.task, labelled, trials)
    classifier = Classifier.from_probe(bench.encoder(weights), fitted)
    return Outcome(classifier, expit(fitted.logits(features[rows])), chosen, trials)


def _logistic(
    features: np.ndarray, task: Task, labelled: Labelled, trials: int
) -> tuple[LinearProbe, dict[str, float]]:
    """Fit logistic regression and its temperature; return it and what was chosen."""
    fitted = fit_probe(features, task, labelled, trials)
    temperature = fit_temperature(task.truth[labelled.val], fitted.logits(features[labelled.val]))
    fitted.divide(temperature)
    return fitted, {"C": fitted.C, "temperature": temperature}


def _network(
    bench: Bench,
    start: Encoder | Classifier,
    labelled: Labelled,
    seed: int,
    rows: np.ndarray,
    objective: Callable[..., Objective] = Objective,
    spent: int = 0,
) -> Outcome:
    """Train with the trials that are left after `spent`, and calibrate."""
    task, val, left = bench.task, labelled.val, bench.training.trials - spent
    classifier, chosen = train_classifier(
        start, task, labelled, bench.images, bench.training, seed, objective, left
    )
    spent += int(chosen.pop("trials"))
    logits = predict_logits(classifier, task.store, val, bench.images)
    chosen["temperature"] = fit_temperature(task.truth[val], logits)
    classifier.temperature.fill_(chosen["temperature"])
    return Outcome(classifier, predict(classifier, task.store, rows, bench.images), chosen, spent)


def _from_probe(
    bench: Bench,
    labelled: Labelled,
    seed: int,
    rows: np.ndarray,
    objective: type[Objective] = Objective,
    weights: Weights = None,
) -> Outcome:
    start, spent = _probed(bench, labelled, weights), bench.training.probe_trials
    return _network(bench, start, labelled, seed, rows, objective, spent)
