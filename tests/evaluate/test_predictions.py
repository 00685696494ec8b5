"""What a predictions table may not be, and what must be said of one that is weak."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medcl.errors import UsageError
from medcl.evaluate import check_predictions, read_predictions
from medcl.evaluate.predictions import make_panel
from medcl.testing.simulated_study import study

SMALL = {"simclr-probe": {"5/class": 0.9}, "supervised": {"5/class": 0.8}}


@pytest.fixture
def table() -> pd.DataFrame:
    return study(SMALL, seeds=5, patients=40)


def test_a_sound_table_has_no_caveat(table: pd.DataFrame) -> None:
    assert check_predictions(table) == []


def _first_test_row(table: pd.DataFrame) -> int:
    return int(table.index[table["split"] == "test"][0])


FAULTS: list[tuple[str, Callable[[pd.DataFrame], pd.DataFrame]]] = [
    ("column 'patient' is missing", lambda t: t.drop(columns="patient")),
    ("no rows", lambda t: t.iloc[:0]),
    ("'arm' must hold non-empty strings", lambda t: t.assign(arm=3)),
    ("'scan' must hold non-empty strings", lambda t: t.assign(scan=t["scan"].where(t.index != 3))),
    ("'seed' must hold integers", lambda t: t.assign(seed=t["seed"] + 0.5)),
    ("'truth' must hold numbers", lambda t: t.assign(truth="yes")),
    ("split 'dev' is unknown", lambda t: t.assign(split=t["split"].replace("val", "dev"))),
    ("truth is 0 or 1", lambda t: t.assign(truth=t["truth"] * 2)),
    ("are NaN or infinite", lambda t: t.assign(probability=t["probability"].where(t.index != 5))),
    ("outside 0..1", lambda t: t.assign(probability=t["probability"] * 3)),
    ("is listed twice", lambda t: pd.concat([t, t.iloc[[0]]], ignore_index=True)),
    ("is in two splits", lambda t: pd.concat([t, t.iloc[[0]].assign(split="val")], ignore_index=True)),
    (
        "is in two splits of cell",
        lambda t: pd.concat([t, t.iloc[[0]].assign(split="train", scan="s-new")], ignore_index=True),
    ),
    ("more than one truth", lambda t: t.assign(truth=t["truth"].where(t.index != 0, 1 - t["truth"]))),
    ("has no test scan", lambda t: t[(t["split"] == "val") | (t["seed"] != 2)]),
    ("contains one class only", lambda t: t[(t["split"] == "val") | (t["truth"] == 1)]),
    (
        "have no test scan in common",
        lambda t: t.assign(scan=t["scan"] + t["arm"], patient=t["patient"] + t["arm"]),
    ),
]


@pytest.mark.parametrize(("message", "spoil"), FAULTS, ids=[message for message, _ in FAULTS])
def test_faults_are_named_in_one_line(
    table: pd.DataFrame, message: str, spoil: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    with pytest.raises(UsageError, match=message.replace(".", r"\.")) as caught:
        check_predictions(spoil(table))
    assert "\n" not in str(caught.value)
    assert "; " in str(caught.value), "says what to do"


CAVEATS: list[tuple[str, Callable[[pd.DataFrame], pd.DataFrame]]] = [
    ("no validation split", lambda t: t[t["split"] != "val"]),
    ("validation split of one class", lambda t: t[(t["split"] != "val") | (t["truth"] == 1)]),
    ("fewer than 5 seeds", lambda t: t[t["seed"] < 3]),
    ("tested on different scans", lambda t: t.drop(_first_test_row(t))),
    ("patients in its smaller class", lambda t: t[(t["split"] == "val") | (t["patient"] < "p-t0012")]),
]


@pytest.mark.parametrize(("message", "spoil"), CAVEATS, ids=[message for message, _ in CAVEATS])
def test_weaknesses_are_caveats(
    table: pd.DataFrame, message: str, spoil: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    assert any(message in caveat for caveat in check_predictions(spoil(table)))


def test_a_corrupted_arm_needs_no_validation(table: pd.DataFrame) -> None:
    noisy = table[(table["arm"] == "simclr-probe") & (table["split"] == "test") & (table["seed"] == 0)]
    both = pd.concat([table, noisy.assign(arm="simclr-probe@noise-3")], ignore_index=True)
    assert check_predictions(both) == []


def test_panel_lays_out_what_the_table_says(table: pd.DataFrame) -> None:
    panel = make_panel(table.sample(frac=1, random_state=0))
    row = panel.rows("supervised", "5/class")[3]
    assert panel.cells.loc[row].tolist() == ["supervised", "5/class", 3]
    assert panel.rows("supervised", "all") == {}
    cell = table[(table["arm"] == "supervised") & (table["seed"] == 3) & (table["split"] == "test")]
    cell = cell.set_index("scan").loc[panel.scan]
    np.testing.assert_array_equal(panel.probability[row], cell["probability"])
    np.testing.assert_array_equal(panel.truth, cell["truth"] == 1)
    assert panel.patients == 40


def test_reading(tmp_path: Path, table: pd.DataFrame) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_predictions(tmp_path / "predictions.parquet")
    (tmp_path / "broken.parquet").write_text("no table")
    with pytest.raises(UsageError, match="not a parquet table"):
        read_predictions(tmp_path / "broken.parquet")
    table.to_parquet(tmp_path / "sound.parquet")
    assert check_predictions(read_predictions(tmp_path / "sound.parquet")) == []
