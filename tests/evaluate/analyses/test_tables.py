"""Tables of the analyses that need the whole study."""

from __future__ import annotations

import numpy as np

from medcl.evaluate import Evaluation, evaluate
from medcl.testing.simulated_study import study
from tests.evaluate.analyses.samples import CURVES


def test_prevalence_moves_precision(result: Evaluation) -> None:
    table = result.analyses["at_prevalence"].set_index(["arm", "budget"])
    plain = result.arms[result.arms["metric"] == "precision"].set_index(["arm", "budget"])
    row = table.loc[("simclr-probe", "5/class")]
    assert row["precision"] < plain.at[("simclr-probe", "5/class"), "value"], (
        "fewer are ill than in the test set"
    )
    assert row["precision_low"] < row["precision"] < row["precision_high"]


def test_sites_are_subgroups_of_themselves() -> None:
    table = study(CURVES, patients=120)
    table["site"] = np.where(table["patient"].str[-1].isin(list("02468")), "north", "south")
    groups = evaluate(table, draws=50).analyses["subgroups"]
    assert set(groups["group"]) == {"north", "south"}
    assert set(groups["budget"]) == {"5/class", "20/class", "100/class"}
