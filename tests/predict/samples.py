"""Small models and archives for tests of prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from medcl.finetune import Classifier, Model, ModelConfig
from medcl.pretrain import EncoderConfig, ViewsConfig, build_encoder
from tests.store.samples import write_images


def config(**changes: Any) -> ModelConfig:
    values: dict[str, Any] = {
        "encoder": EncoderConfig(name="resnet10", width=8, stem="compact"),
        "views": ViewsConfig(policy="unknown", size_px=16, slices=4),
        "names": ("healthy", "abnormal"),
        "threshold": 0.5,
        "units": ("a.u.", "display", "HU"),
        "modalities": ("unknown", "CT"),
        "arm": "supervised",
        "budget": "all",
        "seed": 3,
    }
    return ModelConfig(**values | changes)


def model(**changes: Any) -> Model:
    """Return a model with random weights, also of its head."""
    settings = config(**changes)
    classifier = Classifier(build_encoder(settings.encoder, 0).eval()).eval()
    with torch.no_grad():
        classifier.head.weight.normal_(0, 1, generator=torch.Generator().manual_seed(0))
    return Model(classifier, settings)


def write_model(folder: Path, **changes: Any) -> Path:
    model(**changes).save(folder)
    return folder


def write_archive(folder: Path, images: int = 3) -> Path:
    """Write images, one of them twice, a volume, and a text file."""
    write_images(folder, {"a": images})
    (folder / "copy.png").write_bytes((folder / "a" / "a0.png").read_bytes())
    voxels = np.random.default_rng(1).integers(0, 500, (9, 8, 7)).astype(np.int16)
    nib.Nifti1Image(voxels, np.eye(4)).to_filename(folder / "volume.nii")
    (folder / "notes.txt").write_text("not a scan")
    return folder
