"""A small tissue study whose better arm is known."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from medcl.evaluate import TissuePrimary, TissueRecord, write_record
from medcl.evaluate.tissue.voxels import ABNORMAL, HEALTHY, LEVELS


def write_study(folder: Path, gain: float) -> None:
    """Two arms on three patients; the second knows the truth better by `gain`."""
    generator = np.random.default_rng(0)
    rows = []
    for patient, split in itertools.product("abc", ("val", "test")):
        scan = f"s-{patient}-{split}"
        truth = np.full((24, 24, 6), HEALTHY, np.uint8)
        truth[4:12, 4:12, 1:5], truth[:, -1] = ABNORMAL, 0
        (folder / "truth").mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(truth, np.eye(4)), folder / "truth" / f"{scan}.nii.gz")
        for arm, signal in (("supervised", 0.2), ("better", 0.2 + gain)):
            probability = np.clip(
                generator.normal(0.3, 0.15, truth.shape) + signal * (truth == ABNORMAL), 0, 1
            )
            image = nib.Nifti1Image(np.rint(probability * (LEVELS - 1)).astype(np.uint16), np.eye(4))
            image.header.set_slope_inter(1 / (LEVELS - 1), 0)
            nib.save(image, folder / f"{arm}-{scan}.nii.gz")
            rows.append({"arm": arm, "budget": 1, "patient": patient, "split": split, "scan": scan})
            rows[-1]["file"] = f"{arm}-{scan}.nii.gz"
    pd.DataFrame(rows).to_parquet(folder / "maps.parquet")
    primary = TissuePrimary(arm="better", budget=1)
    write_record(TissueRecord(primary=primary, edge_mm=5.0, least_mm=3.0), folder / "study.json")
