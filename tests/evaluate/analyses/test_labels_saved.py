"""Labels needed, by hand and for a study with a known truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.evaluate import Evaluation
from medcl.evaluate.analyses.labels_saved import labels_needed


def test_labels_needed_between_budgets() -> None:
    labels = np.array([10.0, 40.0, 200.0])
    curve = np.array([[0.7], [0.8], [0.9]])
    for target, expected in ((0.6, 10), (0.7, 10), (0.75, 20), (0.8, 40), (0.9, 200), (0.91, np.inf)):
        assert labels_needed(labels, curve, np.array([target]))[0] == pytest.approx(expected), target


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_more_is_never_reached_with_fewer_labels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, curve = np.array([10.0, 40, 200, 4000]), rng.random((4, 50))
    low, high = np.sort(rng.random((2, 50)), axis=0)
    assert (labels_needed(labels, curve, low) <= labels_needed(labels, curve, high)).all()


def test_labels_saved_of_the_study(result: Evaluation) -> None:
    """The baseline's truth reaches .90 between 20 and 100 per class, and never .97."""
    saved = result.analyses["labels_saved"].set_index("budget")
    assert 40 < saved.at["5/class", "needed"] < 200
    assert (
        saved.at["5/class", "needed_low"]
        <= saved.at["5/class", "needed"]
        <= saved.at["5/class", "needed_high"]
    )
    assert saved.at["5/class", "times"] == pytest.approx(saved.at["5/class", "needed"] / 10)
    assert np.isinf(saved.at["100/class", "needed"])
    assert (saved["most"] == 200).all()
