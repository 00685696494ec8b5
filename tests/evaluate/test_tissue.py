"""Metrics of maps equal scikit-learn's, FROC counts by hand, and few patients are not taken for many."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from medcl.errors import UsageError
from medcl.evaluate import TissueProtocol, TissueRecord, write_record
from medcl.evaluate.tissue.evaluate import evaluate_tissue, sign_flip_p, student_interval
from medcl.evaluate.tissue.lesions import Detections
from medcl.evaluate.tissue.voxels import ABNORMAL, HEALTHY, LEVELS, Voxels


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 5, LEVELS]))
def test_voxel_metrics_equal_scikit_learn_s(seed: int, levels: int) -> None:
    generator = np.random.default_rng(seed)
    said = generator.integers(0, levels, 300)
    truth = np.where(generator.random(300) < 0.2, ABNORMAL, HEALTHY)
    truth[:2] = HEALTHY, ABNORMAL
    counted, positive = Voxels.of(said, truth), truth == ABNORMAL
    assert counted.auroc() == pytest.approx(roc_auc_score(positive, said), abs=1e-12)
    assert counted.average_precision() == pytest.approx(average_precision_score(positive, said), abs=1e-12)
    for level in (0, 1, levels // 2, levels - 1):
        expected = f1_score(positive, said >= level, zero_division=0.0)
        assert counted.dice()[level] == pytest.approx(expected, abs=1e-12)
    assert counted.prevalence == pytest.approx(positive.mean())


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Two lesions and a speck; peaks of 900 in the first, 500 and 300 beside them, none in the second."""
    truth = np.full((30, 30, 10), HEALTHY)
    truth[3:8, 3:8, 3:6] = truth[20:25, 20:25, 3:6] = ABNORMAL
    truth[15, 3, 3] = ABNORMAL
    levels = np.zeros(truth.shape, np.uint16)
    levels[5, 5, 4], levels[15, 15, 4], levels[27, 3, 4], levels[15, 3, 3] = 900, 500, 300, 950
    return levels, truth


def test_lesions_and_false_positives_are_counted_by_hand() -> None:
    seen = Detections.of(*scene(), apart=(5, 5, 5), least_voxels=10)
    assert sorted(seen.false) == [300, 500]
    assert sorted(seen.hit) == [0, 900]
    assert seen.sensitivity(0.25) == 0.5, "without any false positive the first lesion is found"
    assert seen.score() == 0.5
    both = seen + Detections(np.array([100]), np.array([200, 50]), 1)
    assert both.sensitivity(0.25) == 0.25
    assert both.sensitivity(0.5) == 0.25, "one false positive in two scans: all above 300"
    assert both.sensitivity(1) == 0.5, "two: all above 100"
    assert both.sensitivity(2) == 0.75, "the missed lesion stays missed"


def test_a_map_that_calls_everything_does_not_find_everything() -> None:
    levels, truth = scene()
    flat = np.full_like(levels, 700)
    assert Detections.of(flat, truth, (5, 5, 5), 10).score() <= 0.5


def test_a_plateau_is_one_detection() -> None:
    levels, truth = scene()
    levels[4:7, 4:7, 3:5] = 900
    seen = Detections.of(levels, truth, (3, 3, 3), 10)
    assert sorted(seen.hit) == [0, 900]
    assert sorted(seen.false) == [300, 500]


def test_the_interval_is_student_s_and_a_single_patient_has_none() -> None:
    values = np.array([0.7, 0.75, 0.8, 0.6, 0.9, 0.85])
    mean, low, high = student_interval(values)
    expected = stats.t.interval(0.95, 5, loc=values.mean(), scale=stats.sem(values))
    assert (mean, low, high) == pytest.approx((values.mean(), *expected))
    assert np.isnan(student_interval(values[:1])[1])


def test_the_sign_flip_test_tries_every_sign() -> None:
    values = np.array([0.3, 0.1, -0.05, 0.2])
    sums = [abs(np.dot(signs, values)) for signs in itertools.product((1, -1), repeat=4)]
    assert sign_flip_p(values) == np.mean([total >= abs(values.sum()) - 1e-12 for total in sums])
    assert sign_flip_p(np.ones(6)) == 2 / 64
    assert sign_flip_p(np.zeros(3)) == 1


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
            said = np.clip(generator.normal(0.3, 0.15, truth.shape) + signal * (truth == ABNORMAL), 0, 1)
            image = nib.Nifti1Image(np.rint(said * (LEVELS - 1)).astype(np.uint16), np.eye(4))
            image.header.set_slope_inter(1 / (LEVELS - 1), 0)
            nib.save(image, folder / f"{arm}-{scan}.nii.gz")
            rows.append({"arm": arm, "budget": 1, "patient": patient, "split": split, "scan": scan})
            rows[-1]["file"] = f"{arm}-{scan}.nii.gz"
    pd.DataFrame(rows).to_parquet(folder / "maps.parquet")
    primary = TissueProtocol(arm="better", budget=1)
    write_record(TissueRecord(primary=primary, edge_mm=5.0, least_mm=3.0), folder / "study.json")


def test_the_better_arm_is_better_in_every_patient(tmp_path: Path) -> None:
    write_study(tmp_path, 0.3)
    result = evaluate_tissue(tmp_path)
    assert len(result.patients) == 6
    assert (result.patients["lesions"] == 1).all()
    assert (result.patients["best_dice"] >= result.patients["dice"]).all()
    assert (result.differences["better"] <= 3).all()
    dice = result.differences.set_index("metric").loc["dice"]
    assert dice["better"] == 3
    assert dice["mean"] > 0.1
    assert dice["p"] == 0.25, "three patients cannot show more"
    assert set(result.froc["arm"]) == {"supervised", "better"}
    assert (result.summary["patients"] == 3).all()


def test_the_threshold_comes_from_the_validation_scan(tmp_path: Path) -> None:
    write_study(tmp_path, 0.3)
    row = evaluate_tissue(tmp_path).patients.iloc[0]
    said, truth = (
        nib.load(tmp_path / name).get_fdata()
        for name in (f"{row['arm']}-s-a-val.nii.gz", "truth/s-a-val.nii.gz")
    )
    here = truth > 0
    scores = {
        level: f1_score(truth[here] == 2, said[here] >= level - 1e-9)
        for level in (row["threshold"], row["threshold"] + 0.03, row["threshold"] - 0.03)
    }
    assert max(scores, key=lambda level: scores[level]) == row["threshold"]
    assert scores[row["threshold"]] == pytest.approx(row["validation_dice"], abs=1e-9)


def test_tissue_of_one_class_and_missing_maps_are_one_line(tmp_path: Path) -> None:
    write_study(tmp_path, 0.3)
    path = tmp_path / "truth" / "s-b-test.nii.gz"
    nib.save(nib.Nifti1Image(np.full((24, 24, 6), HEALTHY, np.uint8), np.eye(4)), path)
    with pytest.raises(UsageError, match="scan s-b-test: all its tissue is of one class"):
        evaluate_tissue(tmp_path)
    path.unlink()
    with pytest.raises(UsageError, match="missing; run 'medcl tissue' again"):
        evaluate_tissue(tmp_path)
