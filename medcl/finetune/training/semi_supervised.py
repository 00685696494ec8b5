"""Semi-supervised objectives: the loss of the labeled scans, and a term of the unlabeled ones.

The unlabeled pool is the store's training split. A scan's plain view (whole, not augmented) gives the
teacher's prediction; the student must agree with it on the augmented view, drawn by the study's policy.
"""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from medcl.finetune.classifier import Classifier, predict
from medcl.finetune.training.supervised import Objective, TrainingInputs, infinite_batches
from medcl.views import ViewBatch

UNLABELED = 2
"""Unlabeled scans for each labeled one in a full batch; FixMatch uses 7, at 3.5 times the cost."""


class _WithUnlabeled(Objective):
    """An objective that also draws from the unlabeled pool.

    The last state is kept: the pool steadies training where a handful of validation scans could not choose
    between states.
    """

    keeps_last = True

    def __init__(self, classifier: Classifier, inputs: TrainingInputs) -> None:
        super().__init__(classifier, inputs)
        store, batch_size = inputs.task.store, UNLABELED * inputs.config.batch_size
        batches = partial(
            infinite_batches, store, store.rows("train"), inputs.images, batch_size, inputs.seed
        )
        self.plain_batches, self.augmented_batches = batches(draw="whole"), batches(draw="bag")
        self.steps, self.step = inputs.config.steps, 0

    def on_step_end(self) -> None:
        """Count the step."""
        self.step += 1

    def ramp(self) -> float:
        """Return the weight of the unlabeled term: from 0 to 1 over the first third of the steps."""
        return min(1.0, 3 * self.step / self.steps)


class FixMatch(_WithUnlabeled):
    """Pseudo-labels where the network is sure of a scan's plain view (Sohn et al. 2020, eq. 3 and 4)."""

    CONFIDENCE = 0.95

    def loss(self, batch: ViewBatch) -> Tensor:
        """Return the loss of a batch of labeled scans and the next one of unlabeled scans."""
        plain, augmented = next(self.plain_batches), next(self.augmented_batches)
        probability = _probabilities(self.classifier, plain)
        confident = torch.maximum(probability, 1 - probability) >= self.CONFIDENCE
        self.classifier.train()
        losses = F.binary_cross_entropy_with_logits(
            self.classifier(augmented.data), (probability > 0.5).float(), reduction="none"
        )
        return super().loss(batch) + (losses * confident).mean()


class MeanTeacher(_WithUnlabeled):
    """Agreement with a running average of the network's own weights (Tarvainen & Valpola 2017, eq. 1, 2)."""

    DECAY = 0.99

    def __init__(self, classifier: Classifier, inputs: TrainingInputs) -> None:
        super().__init__(classifier, inputs)
        self.teacher = copy.deepcopy(classifier).requires_grad_(False)

    def loss(self, batch: ViewBatch) -> Tensor:
        """Return the loss of a batch of labeled scans and the next one of unlabeled scans."""
        plain, augmented = next(self.plain_batches), next(self.augmented_batches)
        target = _probabilities(self.teacher, plain)
        loss = super().loss(batch)
        return loss + self.ramp() * F.mse_loss(self.classifier(augmented.data).sigmoid(), target)

    @torch.no_grad()
    def on_step_end(self) -> None:
        """Count the step and update the teacher's weights."""
        super().on_step_end()
        decay = min(self.DECAY, 1 - 1 / (self.step + 1))
        for mean, new in zip(
            self.teacher.state_dict().values(), self.classifier.state_dict().values(), strict=True
        ):
            if mean.is_floating_point():
                mean.lerp_(new, 1 - decay)
            else:
                mean.copy_(new)

    @property
    def selected(self) -> Classifier:
        """The teacher."""
        return self.teacher


class Distillation(_WithUnlabeled):
    """A fixed teacher's probabilities for every training scan (Chen et al. 2020b, SimCLRv2, eq. 2 and 3).

    The probabilities of a strongly regularized probe stay close to one half. The teacher's logits are
    therefore divided by a temperature that gives them a standard deviation of 2 over the pool, which keeps
    their order.

    Args:
        classifier: The student.
        inputs: What it is trained on.
        teacher: A fitted classifier.
    """

    TARGET_STD = 2.0

    def __init__(self, classifier: Classifier, inputs: TrainingInputs, teacher: Classifier) -> None:
        super().__init__(classifier, inputs)
        store = inputs.task.store
        pool = store.rows("train")
        probability = predict(teacher, store, pool, inputs.images).clip(1e-6, 1 - 1e-6)
        logits = np.log(probability / (1 - probability))
        self.targets = torch.zeros(len(store))
        self.targets[pool] = torch.tensor(
            logits * self.TARGET_STD / (logits.std() or 1.0), dtype=torch.float32
        ).sigmoid()

    def loss(self, batch: ViewBatch) -> Tensor:
        """Return the loss of a batch of labeled scans and the next one of unlabeled scans."""
        augmented = next(self.augmented_batches)
        agreement = F.binary_cross_entropy_with_logits(
            self.classifier(augmented.data), self.targets[augmented.rows]
        )
        return super().loss(batch) + agreement


@torch.no_grad()
def _probabilities(classifier: Classifier, batch: ViewBatch) -> Tensor:
    """Return the probabilities (B,) of a batch in evaluation mode."""
    classifier.eval()
    probability: Tensor = classifier(batch.data).sigmoid()
    return probability
