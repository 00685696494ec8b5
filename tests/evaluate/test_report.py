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
from medcl.evaluate import write_report
from medcl.evaluate.report import number, write_csv
from medcl.evaluate.simulation import study

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
    assert len(sources) == 4
    assert all(source and source.startswith("data:image/svg+xml;base64,") for source in sources)


def test_figures_and_tables_are_written(written: Path) -> None:
    for name in ("label_efficiency", "roc", "reliability", "confusion"):
        assert (written / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (written / "figures" / f"{name}.svg").read_text()
    arms = pd.read_csv(written / "tables" / "arms.csv")
    assert set(arms["metric"]) >= {"precision", "recall", "f1", "auroc", "average_precision"}
    assert not list(written.rglob("*.tmp"))


def test_writing_twice_gives_the_same_page(tmp_path: Path) -> None:
    folder = _write(tmp_path / "study")
    write_report(folder, draws=100)
    first = (folder / "report.html").read_bytes()
    write_report(folder, draws=100)
    assert (folder / "report.html").read_bytes() == first


ATTACK = "<script>alert(1)</script>"


def test_text_from_the_study_is_escaped(tmp_path: Path) -> None:
    facts = FACTS | {"title": ATTACK, "notes": [ATTACK], "positive": f'"{ATTACK}', "device": ATTACK}
    facts |= {"arms": {"supervised": ATTACK}, "provenance": {ATTACK: ATTACK}, "protocol": None}
    arms = {"=cmd" + ATTACK: ARMS["simclr-probe"], "supervised": ARMS["supervised"]}
    write_report(_write(tmp_path / "study", facts, study(arms, patients=60)), draws=50)
    text = (tmp_path / "study" / "report.html").read_text()
    assert "<script" not in text.lower()
    assert "&lt;script&gt;" in text
    assert "'=cmd" in (tmp_path / "study" / "tables" / "arms.csv").read_text()


def test_banners(tmp_path: Path) -> None:
    folder = _write(
        tmp_path / "study", FACTS | {"synthetic": True, "transductive": True}, study(ARMS, patients=60)
    )
    write_report(folder, draws=50)
    text = (folder / "report.html").read_text()
    banner = text.index("Synthetic data.")
    assert banner < text.index("Transductive study") < text.index("<h1>")


def test_caveats_stand_before_the_table(tmp_path: Path) -> None:
    table = study(ARMS, patients=60)
    folder = _write(tmp_path / "study", FACTS, table[(table["seed"] < 2) & (table["split"] != "val")])
    result = write_report(folder, draws=50)
    text = (folder / "report.html").read_text()
    assert len(result.caveats) >= 2
    assert text.index("no validation split") < text.index("Results on the test set")


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
    write_csv(pd.DataFrame({"arm": ["=1+1", "-x", "plain"], "value": [-1.0, 2.0, 3.0]}), tmp_path / "t.csv")
    assert re.findall(r"^(.*),", (tmp_path / "t.csv").read_text(), re.M) == ["arm", "'=1+1", "'-x", "plain"]
