"""What the page says: escaped text, banners, caveats, warnings, protocol, costs."""

from __future__ import annotations

from typing import Any

import pandas as pd

from medcl.evaluate import ArmRecord, Evaluation, evaluate
from medcl.evaluate.report.checklists import CHECKLISTS, fill
from medcl.evaluate.report.page import _costs, render
from medcl.evaluate.study_record import StudyRecord
from medcl.testing.simulated_study import study
from tests.evaluate.report.samples import ATTACK, RECORD

DRAWN = dict.fromkeys(("label_efficiency", "roc", "reliability", "confusion", "decision_curve"), "<svg/>")


def page_of(record: dict[str, Any], table: pd.DataFrame, result: Evaluation) -> str:
    """Return the page without drawing its figures."""
    typed = StudyRecord.model_validate(record)
    checklists = {name: fill(name, typed, result) for name in CHECKLISTS}
    return render(result, typed, table, None, DRAWN, checklists)


def test_text_from_the_study_is_escaped() -> None:
    record = RECORD | {"title": ATTACK, "notes": [ATTACK], "positive": f'"{ATTACK}', "device": ATTACK}
    record |= {"arms": {"supervised": {"description": ATTACK}}, "provenance": {ATTACK: ATTACK}}
    arms = {"=cmd" + ATTACK: {"all": 0.9}, "supervised": {"all": 0.8}}
    hostile = study(arms, patients=40, seeds=1)
    text = page_of(record, hostile, evaluate(hostile, draws=30))
    assert "<script" not in text.lower()
    assert "&lt;script&gt;" in text


def test_banners(table: pd.DataFrame, result: Evaluation) -> None:
    text = page_of(RECORD | {"synthetic": True, "transductive": True}, table, result)
    assert text.index("Synthetic data.") < text.index("Transductive study") < text.index("<h1>")
    assert "Synthetic data." not in page_of(RECORD, table, result)


def test_caveats_stand_before_the_table(table: pd.DataFrame) -> None:
    weak = table[(table["seed"] < 2) & (table["split"] != "val")]
    text = page_of(RECORD, weak, evaluate(weak, draws=30))
    assert text.index("no validation split") < text.index("Results on the test set")
    assert text.index("fewer than 5 seeds") < text.index("Results on the test set")


def test_a_confounded_control_warns_in_the_first_paragraph() -> None:
    arms = {"simclr-probe": {"all": 0.9}, "supervised": {"all": 0.8}}
    arms |= {"background-only": {"all": 0.85}, "shuffled-labels": {"all": 0.5}}
    confounded = study(arms, patients=100, seeds=3)
    controls = {
        "background-only": ArmRecord(control=True, implication="arms may have learned this shortcut."),
        "shuffled-labels": ArmRecord(control=True),
    }
    text = page_of(RECORD, confounded, evaluate(confounded, draws=100, arm_records=controls))
    first = text[text.index('<p class="answer">') : text.index("</p>", text.index('<p class="answer">'))]
    assert "Warning: Control background-only" in first
    assert "shortcut" in first
    assert "shuffled-labels" not in first


def test_the_protocol_is_kept_or_not(table: pd.DataFrame, result: Evaluation) -> None:
    assert "The protocol was kept." in page_of(RECORD | {"departures": []}, table, result)
    assert "Departure: fewer steps." in page_of(RECORD | {"departures": ["fewer steps."]}, table, result)
    fewer = table[(table["arm"] != "supervised") | (table["seed"] != 4)]
    unequal = evaluate(fewer, primary=result.primary, draws=30)
    assert "supervised with 5 labels per class has 4 seeds" in page_of(
        RECORD | {"departures": []}, fewer, unequal
    )
    unstated = evaluate(fewer, draws=30)
    assert "everything here is exploratory" in page_of(RECORD | {"primary": None}, fewer, unstated)


def test_costs_are_shown_where_every_cell_recorded_them() -> None:
    costs = pd.DataFrame({"arm": ["a", "a", "b"], "seconds": [60.0, 120.0, 6.0], "candidates": [10, 12, 1]})
    costs = costs.assign(peak_mib=[1500.4, 900.0, None], energy_wh=[0.5, 0.25, 0.01])
    first, second = _costs(costs)
    assert list(first.values()) == ["a", "2", "12", "90.0", "3.0", "1,500", "0.75", "not recorded"]
    assert second["Peak memory (MiB)"] == "not recorded"
    assert second["Energy in total (Wh, estimate)"] == "0.01"
    assert _costs(None) == []
