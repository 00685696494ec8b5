"""Semi-supervised training: the labeled scans, and what the unlabeled ones can add.

The unlabeled pool is the store's training split. A scan's plain view (whole, not augmented) says what the
teacher thinks of it; its augmented view, under the study's policy, is where the student must agree.
"""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from medcl.finetune.classifier import Classifier, predict
from medcl.finetune.training import Objective, TrainingInputs, infinite_batches
from medcl.views import ViewBatch

UNLABELED = 2
"""Unlabeled scans for each labeled one in a full batch; FixMatch uses 7, at 3.5 times the cost."""


class _WithPool(Objective):
    """An objective that also draws from the unlabeled pool.

    The pool steadies training where a handful of validation scans could not choose between its states.
    """

    keeps_last = True

    def __init__(self, classifier: Classifier, lesson: TrainingInputs) -> None:
        super().__init__(classifier, lesson)
        store, size = lesson.task.store, UNLABELED * lesson.config.batch_size
        draw = partial(infinite_batches, store, store.rows("train"), lesson.images, size, lesson.seed)
        self.plain, self.varied = draw(draw="whole"), draw(draw="bag")
        self.steps, self.step = lesson.config.steps, 0

    def on_step_end(self) -> None:
        self.step += 1

    def ramp(self) -> float:
        """Weight of the unlabeled term: from 0 to 1 over the first third of the steps."""
        return min(1.0, 3 * self.step / self.steps)


class FixMatch(_WithPool):
    """Pseudo-labels where the network is sure of a scan's plain view (Sohn et al. 2020, eq. 3 and 4)."""

    CONFIDENCE = 0.95

    def loss(self, batch: ViewBatch) -> Tensor:
        plain, varied = next(self.plain), next(self.varied)
        probability = _say(self.classifier, plain)
        sure = torch.maximum(probability, 1 - probability) >= self.CONFIDENCE
        self.classifier.train()
        each = F.binary_cross_entropy_with_logits(
            self.classifier(varied.data), (probability > 0.5).float(), reduction="none"
        )
        return super().loss(batch) + (each * sure).mean()


class MeanTeacher(_WithPool):
    """Agreement with a running average of the network's own weights (Tarvainen & Valpola 2017, eq. 1, 2)."""

    DECAY = 0.99

    def __init__(self, classifier: Classifier, lesson: TrainingInputs) -> None:
        super().__init__(classifier, lesson)
        self.teacher = copy.deepcopy(classifier).requires_grad_(False)

    def loss(self, batch: ViewBatch) -> Tensor:
        plain, varied = next(self.plain), next(self.varied)
        target = _say(self.teacher, plain)
        return super().loss(batch) + self.ramp() * F.mse_loss(self.classifier(varied.data).sigmoid(), target)

    @torch.no_grad()
    def on_step_end(self) -> None:
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
    def kept(self) -> Classifier:
        return self.teacher


class Distillation(_WithPool):
    """A fixed teacher's probabilities for every training scan (Chen et al. 2020b, SimCLRv2, eq. 2 and 3).

    A probe that was regularized hard hardly dares to leave one half. The teacher's logits are therefore
    divided by a temperature that gives them a standard deviation of 2 over the pool, which keeps their order.

    Args:
        teacher: a fitted classifier; the others are as in `Objective`.
    """

    SPREAD = 2.0

    def __init__(self, classifier: Classifier, lesson: TrainingInputs, teacher: Classifier) -> None:
        super().__init__(classifier, lesson)
        store = lesson.task.store
        pool = store.rows("train")
        said = predict(teacher, store, pool, lesson.images).clip(1e-6, 1 - 1e-6)
        logits = np.log(said / (1 - said))
        self.soft = torch.zeros(len(store))
        self.soft[pool] = torch.tensor(
            logits * self.SPREAD / (logits.std() or 1.0), dtype=torch.float32
        ).sigmoid()

    def loss(self, batch: ViewBatch) -> Tensor:
        varied = next(self.varied)
        agreement = F.binary_cross_entropy_with_logits(self.classifier(varied.data), self.soft[varied.rows])
        return super().loss(batch) + agreement


@torch.no_grad()
def _say(classifier: Classifier, batch: ViewBatch) -> Tensor:
    """Return the probabilities of a batch in evaluation mode."""
    classifier.eval()
    probability: Tensor = classifier(batch.data).sigmoid()
    return probability
