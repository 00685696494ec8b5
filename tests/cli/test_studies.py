"""Training and evaluation on the command line: settings in, result or one line out."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medcl.config import shipped
from tests.cli.in_process import error_line, medcl

PRETRAIN = shipped("pretrain.yaml")
STUDY = shipped("studies/demo.yaml")
TISSUE = shipped("studies/brats6_tissue.yaml")


def summary(**changes: Any) -> dict[str, Any]:
    return {
        "steps": 12,
        "seconds": 3.4,
        "final_loss": 1.23456,
        "waiting_share": 0.051,
        "collapsed": None,
    } | changes


def test_pretrain_passes_overrides_on_and_prints_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def run(*args: Any) -> dict[str, Any]:
        calls.append(args)
        return summary()

    monkeypatch.setattr("medcl.pretrain.pretrain", run)
    ended = medcl("pretrain", PRETRAIN, "-o", tmp_path, "epochs=7", "store=s", "--resume")
    ((config, out, resume),) = calls
    assert (config.epochs, config.store, out, resume) == (7, Path("s"), tmp_path, True)
    assert ended.out == (
        f"12 steps in 3 s, loss 1.235, 5.1% of the time waiting for data; encoder in {tmp_path}\n"
    )


def test_pretrain_prints_a_collapse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medcl.pretrain.pretrain", lambda *_: summary(collapsed="epoch 1: collapsed"))
    lines = medcl("pretrain", PRETRAIN, "-o", tmp_path, "store=s").out.splitlines()
    assert lines[1:] == ["epoch 1: collapsed"]


def test_another_process_of_a_run_prints_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medcl.pretrain.pretrain", lambda *_: summary())
    monkeypatch.setattr("medcl.pretrain.distributed.rank", lambda: 1)
    assert medcl("pretrain", PRETRAIN, "-o", tmp_path, "store=s") == (0, "", "")


def test_a_plan_needs_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medcl.pretrain.cost.plan_run", lambda _, *args: f"plan of {args}")
    ended = medcl("pretrain", PRETRAIN, "store=s", "--plan", "--scans", 9, "--gpus", 2, "--wire", 5)
    assert ended == (0, "plan of (9, 2, 5.0)\n", "")


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["pretrain", PRETRAIN, "store=s"], "name a new folder for the run with -o"),
        (["pretrain", PRETRAIN, "-o", "out", "store=nowhere"], "nowhere: no store"),
        (["pretrain", "nowhere.yaml", "-o", "out"], "nowhere.yaml"),
        (["pretrain", PRETRAIN, "-o", "out", "epoch=3"], "unknown key 'epoch'; did you mean 'epochs'?"),
        (["study", STUDY, "-o", "out", "budget=[all]"], "unknown key 'budget'; did you mean 'budgets'?"),
        (["tissue", TISSUE, "-o", "out", "store=nowhere"], "nowhere: no store"),
        (["predict", "nowhere", "scans", "-o", "p.csv"], "nowhere"),
        (["predict", "run", "scans", "-o", "p.xlsx"], "p.xlsx: name a .parquet or a .csv file"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[object], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = medcl(*args)
    assert ended.code == 2
    assert line in error_line(ended)
    assert not list(tmp_path.iterdir())


def test_a_study_prints_its_answer_its_warnings_and_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_: object, out: Path, workers: int) -> SimpleNamespace:
        (out / "study.json").write_text(json.dumps({"warnings": ["no known patient"]}))
        return SimpleNamespace(answer=f"Yes, with {workers} processes.", caveats=("few patients",))

    monkeypatch.setattr("medcl.study.run_study", run)
    args = ("study", STUDY, "-o", tmp_path, "--workers", 2, "archive=[a]")
    report = tmp_path / "report.html"
    assert medcl(*args).out.splitlines() == [
        "Yes, with 2 processes.",
        "warning: no known patient",
        f"report: {report}",
    ]
    assert json.loads(medcl(*args, "--json").out) == {
        "answer": "Yes, with 2 processes.",
        "report": str(report),
        "caveats": ["no known patient", "few patients"],
    }


def test_a_tissue_study_prints_its_answer_and_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medcl.tissue.run_tissue", lambda config, _: config.title)
    monkeypatch.setattr("medcl.evaluate.tissue.answer", lambda title: f"answer to {title}")
    ended = medcl("tissue", TISSUE, "-o", tmp_path, "title=Lesions", "store=s")
    assert ended.out.splitlines() == ["answer to Lesions", f"report: {tmp_path / 'report.html'}"]


def test_predict_says_what_is_not_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def run(*args: Any) -> dict[str, Any]:
        calls.append(args)
        return {
            "scans": 3,
            "model": "supervised at all",
            "left_out": {"OTHER_MODALITY": 2},
            "files_not_used": {"NOT_AN_IMAGE": 1},
        }

    monkeypatch.setattr("medcl.predict.predict_archive", run)
    out = tmp_path / "p.csv"
    text = medcl("predict", "run", "a", "b", "-o", out, "--modality", "CT", "--workers", 2).out
    assert calls == [(Path("run"), [Path("a"), Path("b")], out, "CT", False, 2)]
    assert text.startswith(f"3 of 5 scans predicted with supervised at all: {out}\n")
    assert "2 OTHER_MODALITY: " in text
    assert "files that are no scan or cannot be read" in text
    assert "1 NOT_AN_IMAGE" in text
