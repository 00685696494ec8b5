"""Intervals and tests for few patients; a small study whose better arm is known."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from medcl.errors import UsageError
from medcl.evaluate.tissue.evaluate import evaluate_tissue, sign_flip_p, student_interval
from medcl.evaluate.tissue.voxels import HEALTHY
from tests.evaluate.tissue.samples import write_study


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
    probability, truth = (
        nib.load(tmp_path / name).get_fdata()
        for name in (f"{row['arm']}-s-a-val.nii.gz", "truth/s-a-val.nii.gz")
    )
    here = truth > 0
    scores = {
        level: f1_score(truth[here] == 2, probability[here] >= level - 1e-9)
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
