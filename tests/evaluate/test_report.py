"""The page: one file, the answer first, nothing fetched, nothing run, every text escaped."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from medcl.errors import UsageError
from medcl.evaluate import ArmRecord, Evaluation, Primary, evaluate, write_report
from medcl.evaluate.formatting import interval, number, p_value, signed
from medcl.evaluate.report.cards import data_card, model_card
from medcl.evaluate.report.checklists import CHECKLISTS, fill
from medcl.evaluate.report.export import write_csv
from medcl.evaluate.report.page import _costs, render
from medcl.evaluate.study_record import StudyRecord
from medcl.testing.simulated_study import study

ARMS = {"simclr-probe": {"5/class": 0.92, "all": 0.95}, "supervised": {"5/class": 0.78, "all": 0.95}}
RECORD: dict[str, Any] = {
    "title": "Nodules with <few> labels",
    "positive": "nodule",
    "negative": "clear",
    "labels": {"all": 400},
    "notes": ["8 exact duplicates were removed."],
    "protocol": {"primary": "simclr-probe", "budgets": ["5/class"]},
}


def _write(folder: Path, record: dict[str, Any], table: pd.DataFrame) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "study.json").write_text(json.dumps(record))
    table.to_parquet(folder / "predictions.parquet")
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = _write(tmp_path_factory.mktemp("study"), RECORD, study(ARMS, patients=120, seeds=5))
    costs = pd.DataFrame({"arm": ["supervised"], "budget": ["all"], "seed": [0], "seconds": [90.0]})
    costs.assign(parameters=1234).to_parquet(folder / "costs.parquet")
    write_report(folder, draws=200)
    return folder


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_answer_is_the_first_sentence(written: Path) -> None:
    page = _Page((written / "report.html").read_text())
    text = " ".join(" ".join(page.words).split())
    answer = "Contrastive pretraining (simclr-probe) beat the supervised baseline in test AUROC with 5 labels"
    assert answer in text
    assert text.index(answer) < text.index("Results on the test set")
    assert "specificity 0.95 on validation" in text
    for word in (
        "8 exact duplicates were removed.",
        "What was not done",
        "1,234",
        "95 % BCa",
        "120 patients",
    ):
        assert word in text


def test_the_page_is_self_contained(written: Path) -> None:
    page = _Page((written / "report.html").read_text())
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object")]
    sources = [
        attributes[name] for _, attributes in page.tags for name in ("src", "href") if name in attributes
    ]
    assert len(sources) == 5
    assert all(source and source.startswith("data:image/svg+xml;base64,") for source in sources)


def test_figures_and_tables_are_written(written: Path) -> None:
    for name in ("label_efficiency", "roc", "reliability", "confusion"):
        assert (written / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (written / "figures" / f"{name}.svg").read_text()
    arms = pd.read_csv(written / "tables" / "arms.csv")
    assert set(arms["metric"]) >= {"precision", "recall", "f1", "auroc", "average_precision"}
    assert "open" in set(pd.read_csv(written / "tables" / "tripod_ai.csv")["status"])
    assert "## Intended use" in (written / "model_card.md").read_text()
    assert "nodule (positive)" in (written / "data_card.md").read_text()
    assert not list(written.rglob("*.tmp"))


def test_writing_twice_gives_the_same_page(written: Path) -> None:
    first = (written / "report.html").read_bytes()
    write_report(written, draws=200)
    assert (written / "report.html").read_bytes() == first


def test_costs_are_told_where_every_cell_recorded_them() -> None:
    costs = pd.DataFrame({"arm": ["a", "a", "b"], "seconds": [60.0, 120.0, 6.0], "candidates": [10, 12, 1]})
    costs = costs.assign(peak_mib=[1500.4, 900.0, None], energy_wh=[0.5, 0.25, 0.01])
    first, second = _costs(costs)
    assert list(first.values()) == ["a", "2", "12", "90.0", "3.0", "1,500", "0.75", "not recorded"]
    assert second["Peak memory (MiB)"] == "not recorded"
    assert second["Energy in all (Wh, estimate)"] == "0.01"
    assert _costs(None) == []


ATTACK = "<script>alert(1)</script>"
DRAWN = dict.fromkeys(("label_efficiency", "roc", "reliability", "confusion", "decision_curve"), "<svg/>")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return study(ARMS, patients=60)


@pytest.fixture(scope="module")
def result(table: pd.DataFrame) -> Evaluation:
    return evaluate(
        table, primary=Primary("simclr-probe", budgets=("5/class",)), draws=40, labels={"all": 400}
    )


def _page(record: dict[str, Any], table: pd.DataFrame, result: Evaluation) -> str:
    """Return the page without drawing its figures."""
    read = StudyRecord.model_validate(record)
    checklists = {name: fill(name, read, result) for name in CHECKLISTS}
    return render(result, read, table, None, DRAWN, checklists)


def test_text_from_the_study_is_escaped() -> None:
    record = RECORD | {"title": ATTACK, "notes": [ATTACK], "positive": f'"{ATTACK}', "device": ATTACK}
    record |= {"arms": {"supervised": {"description": ATTACK}}, "provenance": {ATTACK: ATTACK}}
    arms = {"=cmd" + ATTACK: {"all": 0.9}, "supervised": {"all": 0.8}}
    attacked = study(arms, patients=40, seeds=1)
    text = _page(record, attacked, evaluate(attacked, draws=30))
    assert "<script" not in text.lower()
    assert "&lt;script&gt;" in text


def test_cards_escape_too(result: Evaluation) -> None:
    read = StudyRecord.model_validate(RECORD | {"title": f"# {ATTACK} [x](y)", "notes": ["a\n# b"]})
    for card in (model_card(read, result), data_card(read, result)):
        assert "\\<script\\>" in card
        assert "\n# b" not in card
        assert "None" not in card


def test_banners(table: pd.DataFrame, result: Evaluation) -> None:
    text = _page(RECORD | {"synthetic": True, "transductive": True}, table, result)
    assert text.index("Synthetic data.") < text.index("Transductive study") < text.index("<h1>")
    assert "Synthetic data." not in _page(RECORD, table, result)


def test_caveats_stand_before_the_table(table: pd.DataFrame) -> None:
    weak = table[(table["seed"] < 2) & (table["split"] != "val")]
    text = _page(RECORD, weak, evaluate(weak, draws=30))
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
    text = _page(RECORD, confounded, evaluate(confounded, draws=100, arm_records=controls))
    first = text[text.index('<p class="answer">') : text.index("</p>", text.index('<p class="answer">'))]
    assert "Warning: Control background-only" in first
    assert "shortcut" in first
    assert "shuffled-labels" not in first


def test_the_protocol_is_kept_or_not(table: pd.DataFrame, result: Evaluation) -> None:
    assert "The protocol was kept." in _page(RECORD | {"departures": []}, table, result)
    assert "Departure: fewer steps." in _page(RECORD | {"departures": ["fewer steps."]}, table, result)
    fewer = table[(table["arm"] != "supervised") | (table["seed"] != 4)]
    lacking = evaluate(fewer, primary=result.primary, draws=30)
    assert "supervised with 5 labels a class has 4 seeds" in _page(
        RECORD | {"departures": []}, fewer, lacking
    )
    unstated = evaluate(fewer, draws=30)
    assert "everything here is exploratory" in _page(RECORD | {"protocol": None}, fewer, unstated)


def test_checklists_are_filled_where_the_run_can(result: Evaluation) -> None:
    read = StudyRecord.model_validate(RECORD)
    for name, items in (("TRIPOD+AI", 52), ("CLAIM 2024", 44)):
        filled = fill(name, read, result).set_index("id")
        assert len(filled) == items
        assert filled.index.is_unique
        assert {"filled", "open"} == set(filled["status"])
        assert not filled["answer"].str.contains(r"\{\{|None (?:scans|patients)", regex=True).any()
    assert filled.at["44", "status"] == "open", "nobody told who paid"
    assert "60 patients" in filled.at["35", "answer"]


def test_faulty_studies_are_refused_and_nothing_is_written(tmp_path: Path, table: pd.DataFrame) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        write_report(tmp_path / "nowhere")
    folder = _write(tmp_path / "study", {"synthetic": "perhaps"}, table)
    with pytest.raises(UsageError, match="synthetic"):
        write_report(folder)
    (folder / "study.json").write_text("{")
    with pytest.raises(UsageError, match="not the record of a study"):
        write_report(folder)
    (folder / "study.json").unlink()
    with pytest.raises(UsageError, match=r"study\.json: no such file"):
        write_report(folder)
    _write(folder, RECORD, table.assign(probability=table["probability"] * 2))
    with pytest.raises(UsageError, match=r"outside 0\.\.1"):
        write_report(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["predictions.parquet", "study.json"]


def test_numbers_and_cells(tmp_path: Path) -> None:
    assert number(-0.0004) == "0.000"
    assert number(-0.25) == "−0.250"
    assert (number(float("nan")), number(float("inf"))) == ("–", "∞")
    assert (signed(0.25), signed(-0.25), signed(0.0001)) == ("+0.250", "−0.250", "0.000")
    assert interval(-0.1, 0.2, 1) == "−0.1 to 0.2"
    assert (p_value(0.0004), p_value(0.0316)) == ("p < 0.001", "p = 0.032")
    write_csv(pd.DataFrame({"arm": ["=1+1", "-x", "plain"], "value": [-1.0, 2.0, 3.0]}), tmp_path / "t.csv")
    assert re.findall(r"^(.*),", (tmp_path / "t.csv").read_text(), re.M) == ["arm", "'=1+1", "'-x", "plain"]
