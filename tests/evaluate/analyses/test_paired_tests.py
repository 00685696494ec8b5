"""Tests of single seeds need independent scans, and find a real difference."""

from __future__ import annotations

from medcl.evaluate.analyses.paired_tests import paired_tests
from medcl.evaluate.analyses.resampling import resample
from medcl.evaluate.arms import on_clean_images
from medcl.evaluate.predictions import make_panel
from medcl.testing.simulated_study import study


def test_tests_need_one_scan_per_patient() -> None:
    arms = {"a": {"5/class": 0.9, "all": 0.95}, "supervised": {"5/class": 0.7, "all": 0.95}}
    for scans, rows in ((1, 6), (2, 0)):
        table = on_clean_images(study(arms, seeds=3, patients=150, scans_per_patient=scans))
        resampled = resample(table, make_panel(table), 50, 0)
        tests = paired_tests(resampled, "a", "supervised", ["5/class", "all"])
        assert len(tests) == rows
        assert (tests["delong_p_adjusted"] >= tests["delong_p"]).all()
    few = paired_tests(
        resample(t := study(arms, seeds=3, patients=150), make_panel(t), 50, 0),
        "a",
        "supervised",
        ["5/class"],
    )
    assert (few["delong_p"] < 0.05).all()
    assert (few["arm_only"] > few["baseline_only"]).all()
