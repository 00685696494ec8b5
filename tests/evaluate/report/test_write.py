"""The report as written: one file, the answer first, nothing loaded, nothing run."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from medcl.errors import UsageError
from medcl.evaluate import write_report
from tests.evaluate.report.samples import RECORD, write_study


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_answer_is_the_first_sentence(written: Path) -> None:
    page = Page((written / "report.html").read_text())
    text = " ".join(" ".join(page.texts).split())
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
    page = Page((written / "report.html").read_text())
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
    write_report(written, draws=100)
    assert (written / "report.html").read_bytes() == first


def test_faulty_studies_are_refused_and_nothing_is_written(tmp_path: Path, table: pd.DataFrame) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        write_report(tmp_path / "nowhere")
    folder = write_study(tmp_path / "study", {"synthetic": "perhaps"}, table)
    with pytest.raises(UsageError, match="synthetic"):
        write_report(folder)
    (folder / "study.json").write_text("{")
    with pytest.raises(UsageError, match="not the record of a study"):
        write_report(folder)
    (folder / "study.json").unlink()
    with pytest.raises(UsageError, match=r"study\.json: no such file"):
        write_report(folder)
    write_study(folder, RECORD, table.assign(probability=table["probability"] * 2))
    with pytest.raises(UsageError, match=r"outside 0\.\.1"):
        write_report(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["predictions.parquet", "study.json"]
