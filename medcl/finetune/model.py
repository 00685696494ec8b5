"""A fitted model on disk: a classifier with all that is needed to apply it to other scans."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from medcl.config import Config, validate
from medcl.errors import UsageError
from medcl.files import atomic, read_json, write_json
from medcl.finetune.classifier import Classifier
from medcl.finetune.features import Images
from medcl.finetune.pooling import Pooling
from medcl.pretrain import Encoder, EncoderConfig, ViewsConfig
from medcl.store import StoreForm


class ModelConfig(Config):
    """Configuration of a classifier, written to `model.json`.

    Attributes:
        encoder: Configuration of the network.
        pooling: How slices of a volume are pooled.
        views: How scans are shown to the network.
        names: Names of the negative and the positive class.
        threshold: Probability from which a scan is called positive, set on validation scans.
        units: Units of the training scans; scans in other units cannot be predicted.
        modalities: Modalities of the training scans; scans of others cannot be predicted.
        arm: Arm of the study that the classifier comes from.
        budget: Label budget of that arm.
        seed: Random seed of that arm.
        store_form: Form in which the training scans were stored; other scans are brought into it.
    """

    encoder: EncoderConfig
    pooling: Pooling = "max"
    views: ViewsConfig
    names: tuple[str, str]
    threshold: float
    units: tuple[str, ...]
    modalities: tuple[str, ...]
    arm: str
    budget: str
    seed: int
    store_form: StoreForm = StoreForm()


@dataclass(frozen=True)
class Model:
    """A fitted classifier, in evaluation mode, and its configuration."""

    classifier: Classifier
    config: ModelConfig

    @property
    def images(self) -> Images:
        """Presentation of scans to the classifier."""
        return Images.of(self.config.views, self.config.encoder)

    @property
    def digest(self) -> str:
        """SHA-256 of weights and configuration, in hexadecimal."""
        content = hashlib.sha256(self.config.model_dump_json().encode())
        for name, value in sorted(self.classifier.state_dict().items()):
            content.update(name.encode())
            content.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return content.hexdigest()

    def save(self, folder: Path) -> None:
        """Write `classifier.safetensors` and `model.json` into the new `folder`, both or neither."""
        weights = {name: value.contiguous() for name, value in self.classifier.state_dict().items()}
        with atomic(folder) as temporary:
            temporary.mkdir()
            save_file(weights, temporary / "classifier.safetensors")
            write_json(self.config.model_dump(mode="json"), temporary / "model.json")

    @classmethod
    def load(cls, folder: Path) -> Model:
        """Load a model from its folder, or from the study that holds one.

        Raises:
            UsageError: There is no model in the folder.
        """
        source = folder / "model" if (folder / "model").is_dir() else folder
        if not (source / "model.json").is_file():
            raise UsageError(f"{folder}: no fitted model there; name a study that 'medcl study' finished")
        config = validate(read_json(source / "model.json"), ModelConfig, str(source / "model.json"))
        classifier = Classifier(Encoder(config.encoder), config.pooling)
        classifier.load_state_dict(load_file(source / "classifier.safetensors"))
        return cls(classifier.eval(), config)
