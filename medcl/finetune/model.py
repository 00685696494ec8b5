"""A fitted model on disk: a classifier with everything that is needed to use it on other scans."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file

from medcl.config import Config, validate
from medcl.errors import UsageError
from medcl.files import atomic, read_json, write_json
from medcl.finetune.classifier import Classifier
from medcl.finetune.features import Images
from medcl.finetune.pooling import Pooling
from medcl.pretrain import Encoder, EncoderConfig, ViewsConfig


class ModelConfig(Config):
    """What a classifier is and how it is used; stands in `model.json`.

    Attributes:
        encoder: its network.
        pooling: of a volume's slices.
        views: how scans are shown to it.
        names: of the negative and the positive class.
        threshold: probability from which a scan counts as positive, chosen on validation scans.
        units, modalities: it was trained on; others mean something else.
        arm, budget, seed: the study cell it comes from.
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


@dataclass(frozen=True)
class Model:
    """A fitted classifier, in evaluation mode, and its configuration."""

    classifier: Classifier
    config: ModelConfig

    @property
    def images(self) -> Images:
        """How scans are shown to the classifier."""
        return Images.of(self.config.views, self.config.encoder)

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
            UsageError: there is none.
        """
        place = folder / "model" if (folder / "model").is_dir() else folder
        if not (place / "model.json").is_file():
            raise UsageError(f"{folder}: no fitted model there; name a study that 'medcl study' finished")
        config = validate(read_json(place / "model.json"), ModelConfig, str(place / "model.json"))
        classifier = Classifier(Encoder(config.encoder), config.pooling)
        classifier.load_state_dict(load_file(place / "classifier.safetensors"))
        return cls(classifier.eval(), config)
