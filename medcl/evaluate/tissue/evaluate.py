"""Evidence from maps alone: voxels, Dice at the validation threshold, and lesions found."""

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

METRICS = {"auroc": "voxel AUROC", "average_precision": "voxel AP", "dice": "Dice", "froc": "FROC"}


@dataclass(frozen=True)
class TissueEvaluation:
    """What the maps of a study come to.

    Attributes:
        patients: a row an arm, budget and test patient: the metrics, the threshold, voxels and lesions.
        froc: a row an arm, budget and allowed number of false positives: the sensitivity over all patients.
        summary: a row an arm, budget and metric: mean over patients with interval, least and most.
        differences: the same of each arm minus the baseline, paired by patient, with wins and p; and of the
            `pairs` of arms that the record name.
        record: what the study says of itself.
    """

    patients: pd.DataFrame
    froc: pd.DataFrame
    summary: pd.DataFrame
    differences: pd.DataFrame
    record: TissueRecord


def evaluate_tissue(study: Path) -> TissueEvaluation:
    """Evaluate the maps that `study`/maps.parquet lists (arm, budget, patient, split, scan, file) against
    `study`/truth/SCAN.nii.gz; study.json says `baseline`, `edge_mm`, `least_mm` of the smallest lesion, and
    perhaps `pairs` of an arm and what else it is held against.

    Raises:
        UsageError: a file is missing, or a patient has one class of voxels only.
    """
    record = read_record(study / "study.json", TissueRecord)
    maps = pd.read_parquet(study / "maps.parquet")
    truth_of = lru_cache(maxsize=16)(partial(_truth, study))
    rows: list[dict[str, Any]] = []
    found: dict[tuple[str, int, str], Detections] = {}
    for (arm, budget, patient), group in maps.groupby(["arm", "budget", "patient"], sort=False):
        voxels: dict[str, Voxels] = {}
        key = arm, budget, patient
        for made in group.to_dict("records"):
            truth = truth_of(made["scan"])
            levels = _levels(study / made["file"], truth)
            counted = Voxels.of(levels, truth.values)
            voxels[made["split"]] = voxels[made["split"]] + counted if made["split"] in voxels else counted
            if made["split"] == "test":
                seen = _detections(levels, truth, record)
                found[key] = found[key] + seen if key in found else seen
        rows.append({"arm": arm, "budget": budget, "patient": patient} | _measured(voxels, found[key]))
    patients = pd.DataFrame(rows)
    return TissueEvaluation(
        patients=patients,
        froc=_froc(found),
        summary=_summary(patients),
        differences=_differences(patients, _pairs(patients, record)),
        record=record,
    )


@dataclass(frozen=True)
class _Truth:
    """What a scan is evaluated on: values (I, J, K) cut to `box`, the tissue; millimeters of a voxel."""

    values: np.ndarray
    shape: tuple[int, ...]
    box: tuple[slice, ...]
    spacing: np.ndarray


def _truth(study: Path, scan: str) -> _Truth:
    image = _opened(study / "truth" / f"{scan}.nii.gz")
    values = np.asarray(image.dataobj.get_unscaled())
    if not all((values == value).any() for value in (HEALTHY, ABNORMAL)):
        raise UsageError(f"scan {scan}: all its tissue is of one class; voxels cannot be told apart there")
    box = ndimage.find_objects((values != OUTSIDE).astype(np.uint8))[0]
    return _Truth(values[box], values.shape, box, np.array(image.header.get_zooms()[:3], float))


def _levels(path: Path, truth: _Truth) -> np.ndarray:
    """Return a map, cut to the tissue."""
    levels = np.asarray(_opened(path).dataobj.get_unscaled())
    if levels.shape != truth.shape or levels.dtype != np.uint16:
        raise UsageError(f"{path}: not a map of its scan")
    return levels[truth.box]


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"{path}: missing; run 'medcl tissue' again")
    return nibabel.load(path)


def _detections(levels: np.ndarray, truth: _Truth, record: TissueRecord) -> Detections:
    apart = np.maximum(np.rint(record.edge_mm / truth.spacing), 1).astype(int)
    least = np.pi / 6 * record.least_mm**3 / np.prod(truth.spacing)
    return Detections.of(levels, truth.values, apart.tolist(), least)


def _measured(voxels: Mapping[str, Voxels], seen: Detections) -> dict[str, float | int]:
    chosen = voxels["val"].dice()
    threshold = int(np.flatnonzero(chosen == chosen.max())[-1])
    test = voxels["test"]
    return {
        "auroc": test.auroc(),
        "average_precision": test.average_precision(),
        "dice": float(test.dice()[threshold]),
        "froc": seen.score(),
        "threshold": threshold / (LEVELS - 1),
        "best_dice": float(test.dice().max()),
        "validation_dice": float(chosen.max()),
        "prevalence": test.prevalence,
        "voxels": int(test.healthy.sum() + test.abnormal.sum()),
        "lesions": int(seen.hit.size),
    }


def _froc(found: Mapping[tuple[str, int, str], Detections]) -> pd.DataFrame:
    pooled: dict[tuple[str, int], Detections] = {}
    for (arm, budget, _), seen in found.items():
        key = arm, budget
        pooled[key] = pooled[key] + seen if key in pooled else seen
    rows = [
        {
            "arm": arm,
            "budget": budget,
            "false_positives": allowed,
            "sensitivity": seen.sensitivity(allowed),
            "lesions": seen.hit.size,
        }
        for (arm, budget), seen in pooled.items()
        for allowed in ALLOWED
    ]
    return pd.DataFrame(rows)


def _summary(patients: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (arm, budget), group in patients.groupby(["arm", "budget"], sort=False):
        for metric in METRICS:
            values = group[metric].to_numpy()
            mean, low, high = student_interval(values)
            rows.append(
                {"arm": arm, "budget": budget, "metric": metric, "mean": mean}
                | {"low": max(low, 0.0), "high": min(high, 1.0), "patients": len(values)}
                | {"least": values.min(), "most": values.max()}
            )
    return pd.DataFrame(rows)


def _pairs(patients: pd.DataFrame, record: TissueRecord) -> list[tuple[str, str]]:
    """Return each arm with the baseline, then the further pairs."""
    baseline = record.primary.baseline
    others = [(arm, baseline) for arm in dict.fromkeys(patients["arm"]) if arm != baseline]
    return others + [(arm, other) for arm, other in record.pairs]


def _differences(patients: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    rows = []
    for metric in METRICS:
        table = patients.pivot(index=["budget", "patient"], columns="arm", values=metric)
        for arm, baseline in pairs:
            for budget, gained in (table[arm] - table[baseline]).groupby(level="budget"):
                values = gained.to_numpy()
                mean, low, high = student_interval(values)
                rows.append(
                    {"arm": arm, "baseline": baseline, "budget": budget, "metric": metric}
                    | {"mean": mean, "low": low, "high": high}
                    | {"better": int((values > 0).sum()), "patients": len(values)}
                    | {"p": sign_flip_p(values)}
                )
    return pd.DataFrame(rows)


def student_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean of a few patients and its interval by Student's t; unknown ends for a single one."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return mean, float("nan"), float("nan")
    reach = float(stats.t.ppf((1 + level) / 2, count - 1) * np.std(values, ddof=1) / np.sqrt(count))
    return mean, mean - reach, mean + reach


def sign_flip_p(values: np.ndarray) -> float:
    """Return the exact two-sided p-value that paired differences (n,) have no preferred sign.

    All 2^n signs are tried, so it is never below 2 / 2^n: .031 for six patients.
    """
    signs = 1 - 2 * ((np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1)
    return float(np.mean(np.abs(signs @ values) >= abs(values.sum()) * (1 - 1e-12)))
