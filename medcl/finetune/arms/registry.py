"""Registry of arms: what a study, its record and its report use of each arm, in one place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from medcl.errors import UsageError
from medcl.finetune import handcrafted
from medcl.finetune.arms import controls, networks, probes
from medcl.finetune.arms.base import RunArm
from medcl.names import SUPERVISED

Needs = Literal["nothing", "pretrained encoder", "external weights"]


@dataclass(frozen=True)
class ArmSpec:
    """An arm of a study.

    Attributes:
        name: Name in configuration and predictions; `{method}` is replaced by the pretraining method.
        run: Fits the arm and predicts.
        description: What the arm is, for the report; `{network}` and `{method}` are filled in.
        control: Whether it is a control: it asks whether the label can be had without the disease, and no
            claim is made for it.
        implication: For a control, what it means when its AUROC is well above chance.
        needs: What it starts from.
        maps_tissue: Whether it ends in a network that can be moved over a scan (`medcl tissue`).
    """

    name: str
    run: RunArm
    description: str
    control: bool = False
    implication: str = (
        "the label can be predicted without signs of disease, so arms may have learned this shortcut."
    )
    needs: Needs = "nothing"
    maps_tissue: bool = False

    def named(self, method: str) -> str:
        """Return the name in a study of the pretraining method `method`, such as `simclr-probe`."""
        return self.name.format(method=method)

    def described(self, method: str, network: str) -> str:
        """Return the description in a study of that method and network."""
        return self.description.format(method=method, network=network)


ARMS: list[ArmSpec] = [
    ArmSpec(
        name="{method}-probe",
        run=probes.probe,
        description="logistic regression on frozen features of the pretrained {network}",
        needs="pretrained encoder",
        maps_tissue=True,
    ),
    ArmSpec(
        name="{method}-knn",
        run=probes.knn,
        description="vote of the nearest labeled scans by features of the pretrained {network}",
        needs="pretrained encoder",
    ),
    ArmSpec(
        name="{method}-spread",
        run=probes.spread,
        description="labels spread over all training scans by features of the pretrained {network}",
        needs="pretrained encoder",
    ),
    ArmSpec(
        name="{method}-finetune",
        run=networks.finetune,
        description="the pretrained {network} with its probe as head, all trained on the labels",
        needs="pretrained encoder",
        maps_tissue=True,
    ),
    ArmSpec(
        name=SUPERVISED,
        run=networks.supervised,
        description="the same {network} from random weights, trained on the labels (the baseline)",
        maps_tissue=True,
    ),
    ArmSpec(
        name="external-probe",
        run=probes.external_probe,
        description="logistic regression on features of a {network} with external weights",
        needs="external weights",
    ),
    ArmSpec(
        name="external-finetune",
        run=networks.external_finetune,
        description="a {network} with external weights and its probe as head, all trained on the labels",
        needs="external weights",
    ),
    ArmSpec(
        name="{method}-fixmatch",
        run=networks.fixmatch,
        description="the pretrained {network}, fine-tuned with pseudo-labels of unlabeled scans",
        needs="pretrained encoder",
    ),
    ArmSpec(
        name="{method}-mean-teacher",
        run=networks.mean_teacher,
        description="the pretrained {network}, fine-tuned to agree with its own running mean on unlabeled "
        "scans",
        needs="pretrained encoder",
    ),
    ArmSpec(
        name="{method}-distillation",
        run=networks.distillation,
        description="a student of the fine-tuned network on labeled and unlabeled training scans",
        needs="pretrained encoder",
    ),
    ArmSpec(
        name="classical",
        run=partial(controls.probe_without_network, handcrafted.texture),
        description="logistic regression on intensity and texture",
    ),
    ArmSpec(
        name="random-probe",
        run=probes.random_probe,
        description="logistic regression on features of a {network} with random weights (control)",
        control=True,
        implication="much of the task needs no learned features, so judge every arm against this one.",
        maps_tissue=True,
    ),
    ArmSpec(
        name="shuffled-labels",
        run=controls.shuffled_labels,
        description="the probe fitted to shuffled labels (control)",
        control=True,
        implication="the true labels leak into training, and no result here can be trusted.",
        needs="pretrained encoder",
    ),
    ArmSpec(
        name="metadata-only",
        run=partial(controls.probe_without_network, handcrafted.metadata),
        description="logistic regression on scanner, site, matrix and spacing (control)",
        control=True,
    ),
    ArmSpec(
        name="background-only",
        run=partial(controls.probe_without_network, handcrafted.background),
        description="logistic regression on the rim of the image (control)",
        control=True,
    ),
    ArmSpec(
        name="size-and-mean",
        run=partial(controls.probe_without_network, handcrafted.size_and_mean),
        description="logistic regression on the scan's size and mean value (control)",
        control=True,
    ),
]
"""Every arm, in the order in which messages list them. To add one, append its `ArmSpec`."""


def arms_by_name(method: str) -> dict[str, ArmSpec]:
    """Return the arms under the names that they have in a study of the pretraining method `method`."""
    return {arm.named(method): arm for arm in ARMS}


def find_arms(names: Iterable[str], method: str) -> dict[str, ArmSpec]:
    """Return the arms of these names.

    Raises:
        UsageError: An arm does not exist.
    """
    known = arms_by_name(method)
    for name in names:
        if name not in known:
            raise UsageError(f"arm '{name}' does not exist; there are: {', '.join(known)}")
    return {name: known[name] for name in names}
