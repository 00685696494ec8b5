"""Net benefit by hand and for a study with a known truth."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.evaluate import Evaluation
from medcl.evaluate.analyses.decision_curve import THRESHOLDS, net_benefit


def test_net_benefit_by_hand() -> None:
    truth = np.array([1, 1, 0, 0], dtype=bool)
    benefit = net_benefit(truth, np.array([0.9, 0.3, 0.6, 0.1]), np.ones((4, 1)))[:, 0]
    at = {round(float(threshold), 2): value for threshold, value in zip(THRESHOLDS, benefit, strict=True)}
    assert at[0.5] == pytest.approx(1 / 4 - 1 / 4)
    assert at[0.2] == pytest.approx(2 / 4 - 1 / 4 * 0.25)
    assert at[0.8] == pytest.approx(1 / 4)


def test_decision_curves_beat_the_defaults_where_the_model_is_good(result: Evaluation) -> None:
    curves = result.analyses["decision_curves"]
    good = curves[(curves["arm"] == "simclr-probe") & (curves["budget"] == "100/class")].set_index(
        "threshold"
    )
    assert good.at[0.5, "net_benefit"] > max(good.at[0.5, "treat_all"], 0) + 0.2
    assert good.at[0.5, "low"] < good.at[0.5, "net_benefit"] < good.at[0.5, "high"]
    assert good.at[0.05, "net_benefit"] == pytest.approx(good.at[0.05, "treat_all"], abs=0.02)
