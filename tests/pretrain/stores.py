"""Small stores, and the settings of short runs on them, which the tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from PIL import Image

from medcl.archive import scan_archive
from medcl.pretrain import EncoderConfig, PretrainConfig, ViewsConfig
from medcl.pretrain.optimizers import OptimizerConfig
from medcl.store import prepare

ENCODER = EncoderConfig(name="resnet10", width=8, stem="compact")


def store_of_images(folder: Path, count: int = 96) -> Path:
    """Random 16 px images in the training split; half of those in validation are brighter on one side."""
    generator = np.random.default_rng(0)
    held = generator.integers(0, 100, (24, 16, 16))
    held[1::2, :, 8:] += 155
    np.savez(
        folder / "set.npz",
        train_images=generator.integers(0, 255, (count, 16, 16), np.uint8),
        train_labels=np.zeros((count, 1), int),
        val_images=held.astype(np.uint8),
        val_labels=(np.arange(24) % 2)[:, None],
    )
    prepare(scan_archive([folder / "set.npz"], folder / "catalog"), folder / "store")
    return folder / "store"


def store_of_patients(folder: Path, patients: int = 40) -> Path:
    """Two images of each patient, named by a label table."""
    generator = np.random.default_rng(1)
    (folder / "scans").mkdir()
    rows = []
    for number in range(2 * patients):
        name = f"{number}.png"
        Image.fromarray(generator.integers(0, 255, (16, 16), np.uint8)).save(folder / "scans" / name)
        rows.append({"file": name, "patient": f"patient {number // 2}"})
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    catalog = scan_archive([folder / "scans"], folder / "catalog")
    prepare(catalog, folder / "store", folder / "labels.csv")
    return folder / "store"


def store_of_volumes(folder: Path, count: int = 20) -> Path:
    """Volumes of 16 x 16 x 12 voxels, 1 x 1 x 2 mm."""
    generator = np.random.default_rng(2)
    (folder / "scans").mkdir()
    for number in range(count):
        voxels = generator.integers(0, 1000, (16, 16, 12), np.int16)
        nib.save(nib.Nifti1Image(voxels, np.diag([1, 1, 2, 1])), folder / "scans" / f"{number}.nii.gz")
    prepare(scan_archive([folder / "scans"], folder / "catalog"), folder / "store")
    return folder / "store"


def settings(store: Path, **changes: object) -> PretrainConfig:
    """Settings of a run of seconds."""
    return PretrainConfig(
        **{
            "store": store,
            "views": ViewsConfig(policy="unknown", size_px=16),
            "encoder": ENCODER,
            "optimizer": OptimizerConfig(warmup_epochs=0.5),
            "epochs": 2,
            "batch_size": 32,
            "threads": 1,
            **changes,
        }
    )
