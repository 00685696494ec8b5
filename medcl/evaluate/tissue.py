"""Evidence from maps alone: voxels, Dice at the validation threshold, and lesions found against false alarms.

Voxels are counted by probability level, so that every metric is exact and a scan is read once. A lesion is a
connected component of the mask; a detection is a peak of the map (CAMELYON16's definition: a region of any
size that touches a lesion would find it too, and one that covers the whole scan would find them all).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from scipy import ndimage, stats

from medcl.errors import UsageError
from medcl.files import read_json

LEVELS = 65536
"""Maps hold probabilities in 16 bits."""

OUTSIDE, HEALTHY, ABNORMAL = 0, 1, 2
"""Values of a truth file: not evaluated, tissue without and within the mask."""

ALLOWED = (0.25, 0.5, 1, 2, 4, 8)
"""False positives a scan at which lesions found are averaged, as in CAMELYON16."""

METRICS = {"auroc": "voxel AUROC", "average_precision": "voxel AP", "dice": "Dice", "froc": "FROC"}


@dataclass(frozen=True)
class Voxels:
    """How many voxels have each level of probability, (LEVELS,) each."""

    healthy: np.ndarray
    abnormal: np.ndarray

    @classmethod
    def of(cls, levels: np.ndarray, truth: np.ndarray) -> Voxels:
        """Count the voxels of a map (whole numbers below LEVELS) by its truth."""
        sides = (np.bincount(levels[truth == value], minlength=LEVELS) for value in (HEALTHY, ABNORMAL))
        return cls(*sides)

    def __add__(self, other: Voxels) -> Voxels:
        return Voxels(self.healthy + other.healthy, self.abnormal + other.abnormal)

    @property
    def prevalence(self) -> float:
        """Share of abnormal voxels: what average precision is by chance."""
        return float(self.abnormal.sum() / (self.abnormal.sum() + self.healthy.sum()))

    def auroc(self) -> float:
        """Return the area under the ROC curve, ties counted half."""
        below = np.cumsum(self.healthy) - self.healthy / 2
        return float(self.abnormal @ below / (self.abnormal.sum() * self.healthy.sum()))

    def average_precision(self) -> float:
        """Return the mean precision over the abnormal voxels, as scikit-learn's `average_precision_score`."""
        hits, calls = self._called()
        there = self.abnormal[::-1] > 0
        gained = self.abnormal[::-1][there] / self.abnormal.sum()
        return float(gained @ (hits[there] / calls[there]))

    def dice(self) -> np.ndarray:
        """Return the Dice coefficient (LEVELS,) of the voxels at each level or above."""
        hits, calls = self._called()
        found: np.ndarray = (2 * hits / (calls + self.abnormal.sum()))[::-1]
        return found

    def _called(self) -> tuple[np.ndarray, np.ndarray]:
        """Return abnormal and all voxels at each level or above, from the highest level down."""
        hits = np.cumsum(self.abnormal[::-1])
        return hits, hits + np.cumsum(self.healthy[::-1])


@dataclass(frozen=True)
class Detections:
    """Peaks of maps against lesions.

    Attributes:
        false: levels of the peaks that lie in no lesion.
        hit: for each lesion the highest level of a peak in it, 0 for none.
        scans: how many there are.
    """

    false: np.ndarray
    hit: np.ndarray
    scans: int

    @classmethod
    def of(
        cls, levels: np.ndarray, truth: np.ndarray, apart: Sequence[int], least_voxels: float
    ) -> Detections:
        """Compare the peaks of a map with the components of its truth.

        Args:
            levels, truth: (I, J, K).
            apart: voxels along each axis within which only the highest is a peak.
            least_voxels: smaller components are specks: nobody is asked to find them, nor punished for it.
        """
        lesions, count = ndimage.label(truth == ABNORMAL, np.ones((3, 3, 3)))
        large = np.bincount(lesions.ravel(), minlength=count + 1)[1:] >= least_voxels
        peaks = (levels > 0) & (levels == ndimage.maximum_filter(levels, size=tuple(apart)))
        plateaus, number = ndimage.label(peaks, np.ones((3, 3, 3)))
        at = ndimage.maximum_position(levels, plateaus, np.arange(1, number + 1))
        at = np.array(at, int).reshape(-1, 3)
        height, where = levels[tuple(at.T)], lesions[tuple(at.T)]
        hit = np.zeros(count + 1, int)
        np.maximum.at(hit, where, height)
        return cls(height[where == 0], hit[1:][large], 1)

    def __add__(self, other: Detections) -> Detections:
        return Detections(
            np.concatenate([self.false, other.false]),
            np.concatenate([self.hit, other.hit]),
            self.scans + other.scans,
        )

    def sensitivity(self, allowed: float) -> float:
        """Return the share of lesions found at the lowest threshold with at most `allowed` false positives a
        scan; NaN without lesions."""
        if not self.hit.size:
            return float("nan")
        highest = np.sort(self.false)[::-1]
        count = int(allowed * self.scans)
        above = highest[count] if count < highest.size else 0
        return float(np.mean(self.hit > above))

    def score(self) -> float:
        """Return the sensitivity, averaged over `ALLOWED`."""
        return float(np.mean([self.sensitivity(allowed) for allowed in ALLOWED]))


@dataclass(frozen=True)
class TissueEvaluation:
    """What the maps of a study come to.

    Attributes:
        patients: a row an arm, budget and test patient: the metrics, the threshold, voxels and lesions.
        froc: a row an arm, budget and allowed number of false positives: the sensitivity over all patients.
        summary: a row an arm, budget and metric: mean over patients with interval, least and most.
        differences: the same of each arm minus the baseline, paired by patient, with wins and p.
        facts: what the study says of itself.
    """

    patients: pd.DataFrame
    froc: pd.DataFrame
    summary: pd.DataFrame
    differences: pd.DataFrame
    facts: Mapping[str, Any]


def evaluate_tissue(study: Path) -> TissueEvaluation:
    """Evaluate the maps that `study`/maps.parquet lists (arm, budget, patient, split, scan, file) against
    `study`/truth/SCAN.nii.gz; study.json says `baseline`, `edge_mm` and `least_mm` of the smallest lesion.

    Raises:
        UsageError: a file is missing, or a patient has one class of voxels only.
    """
    facts = read_json(study / "study.json")
    maps = pd.read_parquet(study / "maps.parquet")
    rows: list[dict[str, Any]] = []
    found: dict[tuple[str, int, str], Detections] = {}
    for (arm, budget, patient), group in maps.groupby(["arm", "budget", "patient"], sort=False):
        voxels: dict[str, Voxels] = {}
        key = arm, budget, patient
        for made in group.to_dict("records"):
            levels, truth, spacing = _read(study, made["file"], made["scan"])
            counted = Voxels.of(levels, truth)
            voxels[made["split"]] = voxels[made["split"]] + counted if made["split"] in voxels else counted
            if made["split"] == "test":
                seen = _detections(levels, truth, spacing, facts)
                found[key] = found[key] + seen if key in found else seen
        rows.append({"arm": arm, "budget": budget, "patient": patient} | _measured(voxels, found[key]))
    patients = pd.DataFrame(rows)
    return TissueEvaluation(
        patients=patients,
        froc=_froc(found),
        summary=_summary(patients),
        differences=_differences(patients, facts["baseline"]),
        facts=facts,
    )


def _read(study: Path, file: str, scan: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return levels and truth of one map, cut to the tissue, and the millimetres of a voxel."""
    for path in (study / file, study / "truth" / f"{scan}.nii.gz"):
        if not path.is_file():
            raise UsageError(f"{path}: missing; run 'medcl tissue' again")
    image, truth_image = nibabel.load(study / file), nibabel.load(study / "truth" / f"{scan}.nii.gz")
    levels, truth = (np.asarray(one.dataobj.get_unscaled()) for one in (image, truth_image))
    if levels.shape != truth.shape or levels.dtype != np.uint16:
        raise UsageError(f"{study / file}: not a map of scan {scan}")
    if not all((truth == value).any() for value in (HEALTHY, ABNORMAL)):
        raise UsageError(f"scan {scan}: all its tissue is of one class; voxels cannot be told apart there")
    box = ndimage.find_objects((truth != OUTSIDE).astype(np.uint8))[0]
    return levels[box], truth[box], np.array(image.header.get_zooms()[:3], float)


def _detections(
    levels: np.ndarray, truth: np.ndarray, spacing: np.ndarray, facts: Mapping[str, Any]
) -> Detections:
    apart = np.maximum(np.rint(facts["edge_mm"] / spacing), 1).astype(int)
    least = np.pi / 6 * facts["least_mm"] ** 3 / np.prod(spacing)
    return Detections.of(levels, truth, apart.tolist(), least)


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


def _differences(patients: pd.DataFrame, baseline: str) -> pd.DataFrame:
    rows = []
    for metric in METRICS:
        table = patients.pivot(index=["budget", "patient"], columns="arm", values=metric)
        for arm in [name for name in dict.fromkeys(patients["arm"]) if name != baseline]:
            for budget, gained in (table[arm] - table[baseline]).groupby(level="budget"):
                values = gained.to_numpy()
                mean, low, high = student_interval(values)
                rows.append(
                    {"arm": arm, "budget": budget, "metric": metric, "mean": mean, "low": low, "high": high}
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
