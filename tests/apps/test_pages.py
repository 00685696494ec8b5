"""Each page through Streamlit's own test runner: what it shows, how it answers, what it says of faults."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from medcl.files import write_json
from medcl.review.launch import app_file
from medcl.review.scan_figures import SCAN_FIGURES
from tests.review import fake_study

SECONDS = 90


def _results(folder: str, store: str | None) -> None:
    from pathlib import Path

    from apps.review import results
    from medcl.review.study import load_study

    results.show_results(load_study(Path(folder)), lambda: None)


def _cases(folder: str, store: str | None) -> None:
    from pathlib import Path

    from apps.review import cases
    from medcl.review.study import load_store, load_study

    cases.show_cases(load_study(Path(folder)), *load_store(None if store is None else Path(store)))


def _run(page: object, folder: Path, store: Path | None = None) -> AppTest:
    args = (str(folder), None if store is None else str(store))
    return AppTest.from_function(page, args=args, default_timeout=SECONDS).run()  # type: ignore[arg-type]


def _entry(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> AppTest:
    monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
    return AppTest.from_file(str(app_file()), default_timeout=SECONDS).run()


def _html(app: AppTest) -> str:
    return "\n".join(block.proto.body for block in app.get("html"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_study.write_study(tmp_path_factory.mktemp("study"))


def test_results_answer_first_and_table_against_the_baseline(study: Path) -> None:
    app = _run(_results, study)
    assert not app.exception
    shown = _html(app)
    assert shown.index("Contrastive pretraining (simclr-probe)") < shown.index("Difference in AUROC")
    assert shown.count('class="interval"') == 3 * 4 + 2
    assert not app.button[0].disabled or not app.button[1].disabled


def test_tables_of_scans_are_shown_as_figures(study: Path, tmp_path: Path) -> None:
    title = SCAN_FIGURES[0].title
    assert title not in _html(_run(_results, study))
    folder = fake_study.write_study(tmp_path / "s")
    fake_study.write_embeddings(folder)
    app = _run(_results, folder)
    assert not app.exception
    assert title in _html(app)


def test_counts_follow_the_threshold(study: Path) -> None:
    app = _run(_results, study)
    for value, empty in (
        (0.0, ("false negative", "true negative")),
        (1.0, ("true positive", "false positive")),
    ):
        app.slider[0].set_value(value).run()
        labels = {button.label: button for button in app.button}
        for words in empty:
            button = next(b for label, b in labels.items() if words in label)
            assert button.label.startswith("0 ")
            assert button.disabled


def test_a_new_arm_begins_at_its_own_threshold(study: Path) -> None:
    app = _run(_results, study)
    app.slider[0].set_value(0.9).run()
    app.selectbox(key="pick arm").select("supervised").run()
    validation = re.search(r"\((\d\.\d+)\)", next(b.label for b in app.button if "Reset" in b.label))
    assert validation
    assert app.slider[0].value == pytest.approx(float(validation[1]), abs=0.001)


def test_cases_list_follows_the_outcome(study: Path) -> None:
    app = _run(_cases, study)
    assert not app.exception
    everything = len(app.dataframe[0].value)
    app.selectbox(key="pick outcome").select("FN").run()
    shown = app.dataframe[0].value
    assert set(shown["outcome"]) == {"FN"}
    assert 0 < len(shown) < everything
    assert "started without a store" in _html(app)
    assert "Truth: <b>abnormal</b>" in _html(app)


def test_many_cases_are_paged(tmp_path: Path) -> None:
    arms = {"simclr-probe": 1.5, "supervised": 1.0}
    table = fake_study.predictions(scans=400, seeds=1, arms=arms)
    app = _run(_cases, fake_study.write_study(tmp_path, table))
    first = app.dataframe[0].value
    assert len(first) == 100
    app.number_input[0].set_value(4).run()
    assert len(app.dataframe[0].value) == 320 - 300
    assert not set(first["case"]) & set(app.dataframe[0].value["case"])


def test_values_from_files_are_shown_and_never_interpreted(tmp_path: Path) -> None:
    attack = "<img src=x onerror=alert(1)>**bold**"
    folder = fake_study.write_study(
        tmp_path, title=attack, notes=[attack], positive=attack, arms={"supervised": {"description": attack}}
    )
    for page in (_results, _cases):
        app = _run(page, folder)
        assert not app.exception
        assert "<img src=x" not in _html(app)
    assert not any(attack in str(block.value) for block in app.markdown)


def test_entry_shows_the_banners(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = _entry(monkeypatch, "--study", str(study))
    assert not app.exception
    assert "Synthetic data" in _html(app)
    assert "Research use only" in _html(app)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("absent", "no such folder"),
        ("empty", "study.json: no such file"),
        ("no predictions", "predictions.parquet: no such file"),
        ("broken predictions", "not a parquet table"),
        ("wrong predictions", "are outside 0..1"),
        ("broken record", "not the record of a study"),
    ],
)
def test_a_bad_study_is_one_line(
    fault: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "study"
    if fault != "absent":
        folder.mkdir()
    if fault not in ("absent", "empty"):
        write_json(fake_study.record(), folder / "study.json")
    if fault == "broken predictions":
        (folder / "predictions.parquet").write_bytes(b"no table")
    if fault == "wrong predictions":
        table = fake_study.predictions()
        fake_study.write_study(folder, table.assign(probability=table["probability"] * 3))
    if fault == "broken record":
        fake_study.write_study(folder)
        (folder / "study.json").write_text("[1")
    app = _entry(monkeypatch, "--study", str(folder))
    assert not app.exception
    assert message in _html(app)
    assert "Traceback" not in _html(app)


def test_no_study_and_a_wrong_store_say_so(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "medcl review STUDY" in _html(_entry(monkeypatch))
    assert "no store" in _html(_run(_cases, study, tmp_path / "nothing"))


def test_the_study_is_left_as_it_was(study: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*")}
    _run(_results, study)
    _run(_cases, study)
    assert {path: path.stat().st_mtime_ns for path in study.rglob("*")} == before
