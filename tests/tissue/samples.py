"""Four patients with a bright ball in a noisy head, and the settings of a study of seconds on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from medcl.tissue import TissueConfig

SHAPE, SPACING = (36, 32, 20), (1.5, 1.5, 3.0)
BALLS = ((12, 14, 8), (22, 18, 10), (14, 20, 12), (24, 12, 9))


def head(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a scan whose background is 0, and the mask of its ball."""
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1) * SPACING
    middle = (np.array(SHAPE) - 1) / 2 * SPACING
    inside = (((index - middle) / (middle * 0.95)) ** 2).sum(axis=-1) < 1
    ball = np.linalg.norm(index - np.array(BALLS[number]) * SPACING, axis=-1) < 8
    noise = np.random.default_rng(number).normal(100, 15, SHAPE)
    return np.where(inside, noise + 80 * ball, 0).astype(np.float32), (ball & inside).astype(np.uint8)


def write_archive(folder: Path, masks: bool = True) -> Path:
    """Write the scans, their masks and a table that names them; return the table."""
    rows = []
    for number in range(len(BALLS)):
        place = folder / "archive" / f"p{number}"
        place.mkdir(parents=True)
        for name, array in zip(("flair", "seg"), head(number), strict=True):
            nib.save(nib.Nifti1Image(array, np.diag([*SPACING, 1.0])), place / f"{name}.nii.gz")
        row = {"file": f"p{number}/flair.nii.gz", "patient": f"p{number}", "modality": "MR"}
        rows.append(row | ({"mask": f"p{number}/seg.nii.gz"} if masks else {}))
    pd.DataFrame(rows).to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def settings(store: Path, **changes: Any) -> TissueConfig:
    """Settings of a study of seconds."""
    encoder = {"name": "resnet10", "width": 8, "stem": "compact"}
    values: dict[str, Any] = {
        "title": "Bright balls",
        "question": "Is a ball found?",
        "store": store,
        "patches": {"edge_mm": 9, "each": 16, "unlabeled": 16, "stride_mm": 6},
        "views": {"policy": "mr", "size_px": 8},
        "pretrain": {
            "encoder": encoder,
            "epochs": 1,
            "batch_size": 24,
            "monitor": None,
            "threads": 1,
            "precision": "32-true",
        },
        "training": {"steps": 6, "batch_size": 8, "learning_rates": [3e-3], "candidates": 2},
        "arms": ["simclr-probe", "supervised"],
        "budgets": [1, 2],
        "primary": {"arm": "simclr-probe", "budget": 2},
    }
    return TissueConfig(**(values | changes))
