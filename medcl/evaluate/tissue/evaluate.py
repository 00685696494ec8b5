"""Evidence from maps alone: voxels, Dice at the validation threshold, detected lesions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from scipy import ndimage, stats

from medcl.errors import UsageError
from medcl.evaluate.study_record import TissueRecord, read_record
from medcl.evaluate.tissue.lesions import ALLOWED, Detections
from medcl.evaluate.tissue.voxels import ABNORMAL, HEALTHY, LEVELS, OUTSIDE, Voxels

MAP_METRICS = {"auroc": "voxel AUROC", "average_precision": "voxel AP", "dice": "Dice", "froc": "FROC"}
"""Labels of the metrics of maps, by name; for each, higher is better."""


@dataclass(frozen=True)
class TissueEvaluation:
    """Evidence from the maps of a study.

    Attributes:
        patients: One row per arm, budget and test patient: metrics, threshold, number of voxels and lesions.
        froc: One row per arm, budget and number of false positives per scan: sensitivity over all patients.
        summary: One row per arm, budget and metric: mean over patients with interval, minimum and maximum.
        differences: The same of each arm minus the baseline, paired by patient, with the number of patients
            in whom the arm is better and p; and of the further `pairs` of arms in the record.
        record: Record of the study.
    """

    patients: pd.DataFrame
    froc: pd.DataFrame
    summary: pd.DataFrame
    differences: pd.DataFrame
    record: TissueRecord


def evaluate_tissue(study: Path) -> TissueEvaluation:
    """Evaluate the maps of a tissue study.

    Reads maps.parquet (arm, budget, patient, split, scan, file), the maps, truth/SCAN.nii.gz of each scan and
    study.json (see `TissueRecord`).

    Args:
        study: Folder of the study.

    Raises:
        UsageError: A file is missing, or the tissue of a scan is of one class only.
    """
    record = read_record(study / "study.json", TissueRecord)
    maps = pd.read_parquet(study / "maps.parquet")
    read_truth = lru_cache(maxsize=16)(partial(_read_truth, study))
    rows: list[dict[str, Any]] = []
    detections: dict[tuple[str, int, str], Detections] = {}
    for (arm, budget, patient), group in maps.groupby(["arm", "budget", "patient"], sort=False):
        voxels: dict[str, Voxels] = {}
        key = arm, budget, patient
        for row in group.to_dict("records"):
            truth, split = read_truth(row["scan"]), row["split"]
            levels = _read_map(study / row["file"], truth)
            of_scan = Voxels.of(levels, truth.values)
            voxels[split] = voxels[split] + of_scan if split in voxels else of_scan
            if split == "test":
                detected = _detections(levels, truth, record)
                detections[key] = detections[key] + detected if key in detections else detected
        rows.append({"arm": arm, "budget": budget, "patient": patient} | _metrics(voxels, detections[key]))
    patients = pd.DataFrame(rows)
    return TissueEvaluation(
        patients=patients,
        froc=_froc(detections),
        summary=_summary(patients),
        differences=_differences(patients, _pairs(patients, record)),
        record=record,
    )


@dataclass(frozen=True)
class _Truth:
    """Truth of a scan: its values (I, J, K) within `box`, the tissue; shape of the scan; spacing in mm."""

    values: np.ndarray
    shape: tuple[int, ...]
    box: tuple[slice, ...]
    spacing: np.ndarray


def _read_truth(study: Path, scan: str) -> _Truth:
    image = _load(study / "truth" / f"{scan}.nii.gz")
    values = np.asarray(image.dataobj.get_unscaled())
    if not all((values == value).any() for value in (HEALTHY, ABNORMAL)):
        raise UsageError(f"scan {scan}: all its tissue is of one class; evaluate scans with both classes")
    box = ndimage.find_objects((values != OUTSIDE).astype(np.uint8))[0]
    return _Truth(values[box], values.shape, box, np.array(image.header.get_zooms()[:3], float))


def _read_map(path: Path, truth: _Truth) -> np.ndarray:
    """Return the levels of a map within the tissue."""
    levels = np.asarray(_load(path).dataobj.get_unscaled())
    if levels.shape != truth.shape or levels.dtype != np.uint16:
        raise UsageError(f"{path}: not a map of its scan; run 'medcl tissue' again")
    return levels[truth.box]


def _load(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"{path}: missing; run 'medcl tissue' again")
    return nibabel.load(path)


def _detections(levels: np.ndarray, truth: _Truth, record: TissueRecord) -> Detections:
    distance = np.maximum(np.rint(record.edge_mm / truth.spacing), 1).astype(int)
    min_voxels = np.pi / 6 * record.least_mm**3 / np.prod(truth.spacing)
    return Detections.of(levels, truth.values, distance.tolist(), min_voxels)


def _metrics(voxels: Mapping[str, Voxels], detections: Detections) -> dict[str, float | int]:
    validation = voxels["val"].dice()
    threshold = int(np.flatnonzero(validation == validation.max())[-1])
    test = voxels["test"]
    return {
        "auroc": test.auroc(),
        "average_precision": test.average_precision(),
        "dice": float(test.dice()[threshold]),
        "froc": detections.score(),
        "threshold": threshold / (LEVELS - 1),
        "best_dice": float(test.dice().max()),
        "validation_dice": float(validation.max()),
        "prevalence": test.prevalence,
        "voxels": int(test.healthy.sum() + test.abnormal.sum()),
        "lesions": int(detections.lesion_peaks.size),
    }


def _froc(detections: Mapping[tuple[str, int, str], Detections]) -> pd.DataFrame:
    pooled: dict[tuple[str, int], Detections] = {}
    for (arm, budget, _), of_patient in detections.items():
        key = arm, budget
        pooled[key] = pooled[key] + of_patient if key in pooled else of_patient
    rows = [
        {
            "arm": arm,
            "budget": budget,
            "false_positives": allowed,
            "sensitivity": of_arm.sensitivity(allowed),
            "lesions": of_arm.lesion_peaks.size,
        }
        for (arm, budget), of_arm in pooled.items()
        for allowed in ALLOWED
    ]
    return pd.DataFrame(rows)


def _summary(patients: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (arm, budget), group in patients.groupby(["arm", "budget"], sort=False):
        for metric in MAP_METRICS:
            values = group[metric].to_numpy()
            mean, low, high = student_interval(values)
            rows.append(
                {"arm": arm, "budget": budget, "metric": metric, "mean": mean}
                | {"low": max(low, 0.0), "high": min(high, 1.0), "patients": len(values)}
                | {"min": values.min(), "max": values.max()}
            )
    return pd.DataFrame(rows)


def _pairs(patients: pd.DataFrame, record: TissueRecord) -> list[tuple[str, str]]:
    """Return each arm with the baseline, then the further pairs of the record."""
    baseline = record.primary.baseline
    others = [(arm, baseline) for arm in dict.fromkeys(patients["arm"]) if arm != baseline]
    return others + [(arm, other) for arm, other in record.pairs]


def _differences(patients: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    rows = []
    for metric in MAP_METRICS:
        table = patients.pivot(index=["budget", "patient"], columns="arm", values=metric)
        for arm, baseline in pairs:
            for budget, difference in (table[arm] - table[baseline]).groupby(level="budget"):
                values = difference.to_numpy()
                mean, low, high = student_interval(values)
                rows.append(
                    {"arm": arm, "baseline": baseline, "budget": budget, "metric": metric}
                    | {"mean": mean, "low": low, "high": high}
                    | {"better": int((values > 0).sum()), "patients": len(values)}
                    | {"p": sign_flip_p(values)}
                )
    return pd.DataFrame(rows)


def student_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean of a few patients and the ends of its interval by Student's t, NaN for one patient."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return mean, float("nan"), float("nan")
    half_width = float(stats.t.ppf((1 + level) / 2, count - 1) * np.std(values, ddof=1) / np.sqrt(count))
    return mean, mean - half_width, mean + half_width


def sign_flip_p(values: np.ndarray) -> float:
    """Return the exact two-sided p-value of the sign-flip test of paired differences (n,).

    All 2^n signs are tried, so that p is at least 2 / 2^n: .031 for six patients.
    """
    signs = 1 - 2 * ((np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1)
    return float(np.mean(np.abs(signs @ values) >= abs(values.sum()) * (1 - 1e-12)))
