"""Every file of `examples`, and the README's script, run as they are on a few synthetic patients."""

from __future__ import annotations

import ast
import runpy
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from medcl.demo.cohort import write_cohort
from tests.docs.pages import ROOT, blocks

EXAMPLES = ROOT / "examples"
OUT = Path("examples-output")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `demo-output` as `make demo` leaves it, but of 40 patients and few training steps."""
    folder = tmp_path_factory.mktemp("examples")
    write_cohort(folder / "demo-output" / "cohort", 40)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        runpy.run_path(str(EXAMPLES / "pretrain_and_study.py"))
        (OUT / "study").rename("demo-output/study")
        yield folder


@pytest.fixture(autouse=True)
def _in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def run(name: str) -> None:
    runpy.run_path(str(EXAMPLES / f"{name}.py"))


def test_every_example_is_listed_and_run_here() -> None:
    names = {path.name for path in EXAMPLES.glob("*.py")}
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    here = Path(__file__).read_text(encoding="utf-8")
    assert names == {name for name in names if f"]({name})" in listed and name.removesuffix(".py") in here}


def test_an_archive_becomes_a_catalog(capsys: pytest.CaptureFixture[str]) -> None:
    run("archive_to_catalog")
    assert "used" in capsys.readouterr().out
    assert len(pd.read_parquet(OUT / "catalog" / "catalog.parquet")) >= 40


def test_a_contact_sheet_is_drawn() -> None:
    run("contact_sheet")
    assert (OUT / "contact-sheet" / "views.png").stat().st_size > 10_000


def test_a_study_writes_its_report() -> None:
    report = Path("demo-output/study/report.html").read_text(encoding="utf-8")
    assert "Liver lesions on synthetic abdominal CT" in report
    arms = set(pd.read_parquet("demo-output/study/predictions.parquet")["arm"])
    assert arms == {"simclr-probe", "simclr-finetune", "supervised"}


def test_few_labels_are_scored(capsys: pytest.CaptureFixture[str]) -> None:
    run("few_labels")
    scores = ast.literal_eval(capsys.readouterr().out.strip().splitlines()[-1])
    assert 0 <= scores["auroc"] <= 1


def test_the_readme_s_script_fits_a_probe() -> None:
    (script,) = blocks(ROOT / "README.md", "python")
    assert sum(not line.startswith(("from", "import")) for line in script.splitlines() if line) == 5
    names: dict[str, object] = {}
    exec(compile(script, "README.md", "exec"), names)
    assert hasattr(names["probe"], "predict_proba")


def test_new_scans_are_predicted() -> None:
    run("predict_new_scans")
    table = pd.read_csv(OUT / "predictions.csv")
    assert len(table) == 40
    assert table["probability"].between(0, 1).all()


@pytest.mark.slow
def test_tissue_is_mapped() -> None:
    run("map_tissue")
    maps = pd.read_parquet(OUT / "tissue" / "study" / "maps.parquet")
    assert set(maps["arm"]) == {"simclr-probe", "supervised"}


def test_the_review_app_is_started_on_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("streamlit")
    pytest.importorskip("plotly")
    commands: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    run("review_study")
    (words,) = commands
    assert "--server.address=127.0.0.1" in words
    assert words[words.index("--study") + 1].endswith("demo-output/study")
