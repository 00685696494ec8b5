"""Small volumes whose class is a bright box, and a context on them, which the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import torch

from medcl.archive import scan_archive
from medcl.finetune import ArmContext, Images, ModelConfig, Task, TrainingConfig, arms_by_name, make_task
from medcl.pretrain import EncoderConfig, ViewsConfig, build_encoder
from medcl.store import prepare
from medcl.views import load_policy

VIEWS = ViewsConfig(policy="unknown", size_px=16, slices=4)
PLAIN = EncoderConfig(name="resnet10", width=8, stem="compact")
SETTINGS = TrainingConfig(steps=4, batch_size=16, learning_rates=(3e-3,), candidates=2)
DEFAULT = TrainingConfig()
TRAINING = TrainingConfig(steps=40, batch_size=32, learning_rates=(3e-3,), candidates=10)

ENCODERS = {
    "2.5-D": PLAIN.model_copy(update={"in_channels": 3}),
    "3-D": PLAIN.model_copy(update={"spatial_dims": 3}),
    "slices in sequence": PLAIN.model_copy(update={"spatial_dims": 3, "sequence": "gru"}),
}


def volume(generator: np.random.Generator, positive: bool) -> nib.Nifti1Image:
    voxels = generator.normal(200, 20, (16, 16, 12))
    if positive:
        i, j, k = generator.integers(2, (10, 10, 8))
        voxels[i : i + 5, j : j + 5, k : k + 3] += 200
    return nib.Nifti1Image(voxels.astype(np.int16), np.diag([1, 1, 2, 1]))


def task_of_volumes(folder: Path, count: int = 80) -> Task:
    torch.set_num_threads(1)
    generator, rows = np.random.default_rng(0), []
    (folder / "scans").mkdir()
    for number in range(count):
        nib.save(volume(generator, bool(number % 2)), folder / "scans" / f"{number}.nii.gz")
        rows.append({"file": f"{number}.nii.gz", "patient": f"p{number}", "label": str(number % 2)})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    catalog = scan_archive([folder / "scans"], folder / "catalog")
    return make_task(prepare(catalog, folder / "store", folder / "labels.csv"), "0", "1")


def context_of(task: Task, encoder: EncoderConfig, **changes: object) -> ArmContext:
    settings = SETTINGS.model_copy(update=changes)
    return ArmContext(task, Images.of(VIEWS, encoder), settings, build_encoder(encoder, 0).eval(), encoder)


def config_of(context: ArmContext, arm: str) -> ModelConfig:
    return ModelConfig(
        encoder=context.network,
        pooling=context.training.pooling,
        views=VIEWS,
        names=context.task.names,
        threshold=0.5,
        units=("a.u.",),
        modalities=("unknown",),
        arm=arm,
        budget="all",
        seed=0,
    )


ARMS = arms_by_name("simclr")


def image_context(task: Task, training: TrainingConfig = DEFAULT) -> ArmContext:
    """Return a context on 2-D images of 32 pixels, with a random encoder in place of a pretrained one."""
    return ArmContext(
        task, Images(load_policy("cxr"), 32, 1), training, build_encoder(PLAIN, 0).eval(), PLAIN
    )
