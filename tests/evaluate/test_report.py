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
from medcl.evaluate import evaluate, write_report
from medcl.evaluate.cards import data_card, model_card
from medcl.evaluate.checklists import CHECKLISTS, fill
from medcl.evaluate.facts import Facts
from medcl.evaluate.page import render
from medcl.evaluate.report import write_csv
from medcl.evaluate.simulation import study
from medcl.evaluate.wording import interval, number, p_value, signed

ARMS = {"simclr-probe": {"5/class": 0.92, "all": 0.95}, "supervised": {"5/class": 0.78, "all": 0.95}}
FACTS: dict[str, Any] = {
    "title": "Nodules with <few> labels",
    "positive": "nodule",
    "negative": "clear",
    "labels": {"all": 400},
    "notes": ["8 exact duplicates were removed."],
    "protocol": {"primary": "simclr-probe", "budgets": ["5/class"]},
}


def _write(folder: Path, facts: dict[str, Any] = FACTS, table: pd.DataFrame | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "study.json").write_text(json.dumps(facts))
    table = study(ARMS, patients=120, seeds=5) if table is None else table
    table.to_parquet(folder / "predictions.parquet")
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = _write(tmp_path_factory.mktemp("study"))
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


ATTACK = "<script>alert(1)</script>"
DRAWN = dict.fromkeys(("label_efficiency", "roc", "reliability", "confusion", "decision_curve"), "<svg/>")


def _page(facts: dict[str, Any], table: pd.DataFrame) -> str:
    """Return the page without drawing its figures."""
    read = Facts.model_validate(facts)
    primary = read.protocol.as_primary() if read.protocol else None
    result = evaluate(table, primary=primary, draws=50, labels=read.labels)
    checklists = {name: fill(name, read, result) for name in CHECKLISTS}
    return render(result, read, table, None, DRAWN, checklists)


def test_text_from_the_study_is_escaped() -> None:
    facts = FACTS | {"title": ATTACK, "notes": [ATTACK], "positive": f'"{ATTACK}', "device": ATTACK}
    facts |= {"arms": {"supervised": ATTACK}, "provenance": {ATTACK: ATTACK}, "protocol": None}
    arms = {"=cmd" + ATTACK: ARMS["simclr-probe"], "supervised": ARMS["supervised"]}
    text = _page(facts, study(arms, patients=60))
    assert "<script" not in text.lower()
    assert "&lt;script&gt;" in text


def test_cards_escape_too() -> None:
    read = Facts.model_validate(FACTS | {"title": f"# {ATTACK} [x](y)", "notes": ["a\n# b"]})
    result = evaluate(study(ARMS, patients=60), draws=50)
    for card in (model_card(read, result), data_card(read, result)):
        assert "\\<script\\>" in card
        assert "\n# b" not in card
        assert "None" not in card


def test_banners() -> None:
    text = _page(FACTS | {"synthetic": True, "transductive": True}, study(ARMS, patients=60))
    assert text.index("Synthetic data.") < text.index("Transductive study") < text.index("<h1>")
    assert "Synthetic data." not in _page(FACTS, study(ARMS, patients=60))


def test_caveats_stand_before_the_table() -> None:
    table = study(ARMS, patients=60)
    text = _page(FACTS, table[(table["seed"] < 2) & (table["split"] != "val")])
    assert text.index("no validation split") < text.index("Results on the test set")
    assert text.index("fewer than 5 seeds") < text.index("Results on the test set")


def test_a_confounded_control_warns_in_the_first_paragraph() -> None:
    arms = ARMS | {"background-only": {"5/class": 0.85, "all": 0.9}, "shuffled-labels": {"all": 0.5}}
    text = _page(FACTS, study(arms, patients=100, seeds=3))
    first = text[text.index('<p class="answer">') : text.index("</p>", text.index('<p class="answer">'))]
    assert "Warning: Control background-only" in first
    assert "shortcut" in first
    assert "shuffled-labels" not in first


def test_the_protocol_is_kept_or_not() -> None:
    table = study(ARMS, patients=60)
    assert "The protocol was kept." in _page(FACTS | {"kept": []}, table)
    assert "Departure: fewer steps." in _page(FACTS | {"kept": ["fewer steps."]}, table)
    fewer = table[(table["arm"] != "supervised") | (table["seed"] != 4)]
    assert "Departure: supervised with 5 labels a class has 4 seeds" in _page(FACTS | {"kept": []}, fewer)
    assert "everything here is exploratory" in _page(FACTS | {"protocol": None}, table)


def test_checklists_are_filled_where_the_run_can() -> None:
    read = Facts.model_validate(FACTS)
    result = evaluate(study(ARMS, patients=60), draws=50)
    for name, items in (("TRIPOD+AI", 52), ("CLAIM 2024", 44)):
        table = fill(name, read, result)
        assert len(table) == items
        assert table["id"].is_unique
        by_id = table.set_index("id")
        assert {"filled", "open"} == set(table["status"])
        assert not by_id["answer"].str.contains(r"\{\{|None (?:scans|patients)", regex=True).any()
    assert by_id.at["44", "status"] == "open", "nobody told who paid"
    assert "60 patients" in by_id.at["35", "answer"]


def test_faulty_studies_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        write_report(tmp_path / "nowhere")
    folder = _write(tmp_path / "study", {"synthetic": "perhaps"})
    with pytest.raises(UsageError, match="synthetic"):
        write_report(folder)
    (folder / "study.json").write_text("{")
    with pytest.raises(UsageError, match="not the facts of a study"):
        write_report(folder)
    (folder / "study.json").unlink()
    with pytest.raises(UsageError, match=r"study\.json: no such file"):
        write_report(folder)
    table = study(ARMS, patients=60)
    _write(folder, FACTS, table.assign(probability=table["probability"] * 2))
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
