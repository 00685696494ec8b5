"""A study from files to report through the command line: it answers, resumes, predicts and refuses."""

from __future__ import annotations

import ast
import json
import re
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import Result
from PIL import Image
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from medcl.cli import app, main
from medcl.config import load, read_yaml
from medcl.evaluate import StudyRecord, read_record
from medcl.study import StudyConfig, run_study
from medcl.study.run import _with_energy
from tests.killable import kill, start, start_server

torch.set_num_threads(1)

STUDY = """
title: Bright patches
question: Does pretraining help to find them?
archive: [{archive}]
negative: {{name: plain, labels: ["0"]}}
positive: {{name: patch, labels: ["1"]}}
views: {{policy: cxr, size_px: 16}}
pretrain:
  encoder: {{name: resnet10, width: 8, stem: compact}}
  epochs: 2
  batch_size: 32
  threads: 1
training: {{steps: 8, batch_size: 16, learning_rates: [1.0e-3], candidates: 4}}
arms: [simclr-probe, simclr-finetune, supervised, random-probe]
budgets: [5/class, all]
seeds: [0, 1]
primary: {{arm: simclr-probe, baseline: supervised, metric: auroc, budgets: [5/class], margin: 0.02}}
prevalence: 0.1
"""


def medcl(*words: object) -> Result:
    """Run a command that must succeed, in this process."""
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done


def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> str:
    """Run a command in this process and return its one line of refusal."""
    monkeypatch.setattr(sys, "argv", ["medcl", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        main()
    output = capsys.readouterr().err
    errors = [line for line in output.splitlines() if line.startswith("medcl:")]
    assert (left.value.code, len(errors)) == (2, 1), output
    assert "Traceback" not in output
    return errors[0]


def write_set(path: Path, seed: int = 0) -> Path:
    generator = np.random.default_rng(seed)
    arrays = {}
    for split, count in (("train", 96), ("val", 40), ("test", 60)):
        images = generator.normal(90, 20, (count, 16, 16))
        truth = np.arange(count) % 2
        images[truth == 1, 4:10, 4:10] += 60
        arrays |= {f"{split}_images": images.clip(0, 255).astype(np.uint8), f"{split}_labels": truth[:, None]}
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    path = folder / "study.yaml"
    path.write_text(STUDY.format(archive=write_set(folder / "set.npz")))
    return path


@pytest.fixture(scope="module")
def study(config: Path) -> Path:
    assert "report:" in medcl("study", config, "-o", config.parent / "study").stdout
    return config.parent / "study"


@pytest.fixture(autouse=True)
def _figures_are_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave figures out of every report but that of `study`, as they are half of a study's time here."""
    monkeypatch.setattr("medcl.evaluate.report.write.save", lambda *_: "<svg/>")


def test_predictions_hold_every_cell_and_the_report_its_figures(study: Path) -> None:
    predictions = pd.read_parquet(study / "predictions.parquet")
    cells = predictions.groupby(["arm", "budget", "seed"]).size()
    assert len(cells) == 4 * 2 * 2
    assert (predictions["split"] == "test").sum() == 60 * 16
    page = (study / "report.html").read_text()
    assert "Bright patches" in page
    assert "196 of 196 scans have no known patient" in page
    assert "with 5 labels per class, margin 0.02." in page
    assert "At a prevalence of 10.0 %" in page
    assert not re.search(r'(src|href)="https?://', page)
    arms = pd.read_csv(study / "tables" / "arms.csv")
    row = arms[(arms["arm"] == "supervised") & (arms["budget"] == "all") & (arms["metric"] == "auroc")]
    test = predictions[(predictions["split"] == "test") & (predictions["budget"] == "all")]
    seeds = test[test["arm"] == "supervised"].groupby("seed")
    again = np.mean([roc_auc_score(part["truth"], part["probability"]) for _, part in seeds])
    assert row["value"].item() == pytest.approx(again, abs=1e-9)


def test_the_same_command_again_repeats_nothing(study: Path, config: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (study / "experiment_cells").iterdir()}
    medcl("study", config, "-o", study)
    assert {path: path.stat().st_mtime_ns for path in (study / "experiment_cells").iterdir()} == before


def test_a_study_recovers_when_its_labels_are_corrected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in the data must not stay in the folder; a change under a begun study must not go unseen."""
    folder = tmp_path / "images"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(24):
        Image.fromarray(generator.integers(0, 255, (16, 16), np.uint8)).save(folder / f"{number}.png")
    labels, config, out = tmp_path / "labels.csv", tmp_path / "s.yaml", tmp_path / "out"
    config.write_text(STUDY.format(archive=folder) + f"labels: {labels}\n")
    small = ["pretrain.batch_size=8", "pretrain.epochs=1", "budgets=[2/class]", "primary.budgets=[2/class]"]
    command = ["study", config, "-o", out, *small, "arms=[simclr-probe, supervised]", "seeds=[0]"]

    def write(classes: list[str]) -> None:
        rows = [f"{number}.png;{classes[number % len(classes)]}" for number in range(24)]
        labels.write_text("\n".join(["File;Label", *rows]))

    write(["0"])
    assert "1 class" in refused(capsys, monkeypatch, *command)
    write(["0", "2"])
    assert "label ['1'] is not in the store" in refused(capsys, monkeypatch, *command)
    write(["0", "1"])
    medcl(*command)
    write(["1", "0"])
    assert "have changed" in refused(capsys, monkeypatch, *command)


def test_a_full_disk_is_one_line(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = refused(capsys, monkeypatch, "scan", config.parent / "set.npz", "-o", "/dev/null/catalog")
    assert "check that the output is writable" in line


def test_another_configuration_does_not_touch_a_study(
    study: Path, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = refused(capsys, monkeypatch, "study", config, "-o", study, "pretrain.epochs=3")
    assert "name a new folder" in line


def test_external_weights_are_arms_that_the_report_tells_of(
    study: Path, config: Path, tmp_path: Path
) -> None:
    weights, out = study / "pretrain" / "encoder.safetensors", tmp_path / "s"
    few = ["budgets=[5/class]", "seeds=[0]", f"external_weights={weights}"]
    medcl("study", config, "-o", out, *few, "arms=[simclr-probe, supervised, external-probe]")
    by_arm = pd.read_parquet(out / "predictions.parquet").groupby("arm")["probability"].apply(list)
    assert by_arm["external-probe"] == by_arm["simclr-probe"]  # the pretraining of both had one seed
    assert "not in it" in (out / "report.html").read_text()
    assert not json.loads((out / "external_weights.json").read_text())["missing"]


def test_a_frozen_encoder_of_another_architecture_is_an_arm(config: Path, tmp_path: Path) -> None:
    foreign = {"name": "tests.study.foreign_encoder:Brightness", "feature_size": 4}
    overrides = [f"external_encoder={foreign}", "arms=[simclr-probe, external-probe]", "seeds=[0]"]
    overrides += ["budgets=[all]", "primary={arm: simclr-probe, baseline: external-probe}"]
    run_study(load(config, StudyConfig, overrides), tmp_path / "s")
    predictions = pd.read_parquet(tmp_path / "s" / "predictions.parquet")
    test = predictions[(predictions["arm"] == "external-probe") & (predictions["split"] == "test")]
    assert roc_auc_score(test["truth"], test["probability"]) > 0.95
    record = read_record(tmp_path / "s" / "study.json", StudyRecord)
    assert "Brightness with external weights" in record.arms["external-probe"].description
    assert "resnet10" in record.arms["simclr-probe"].description
    assert any("Brightness loaded its own weights" in line for line in record.done)


def test_other_external_weights_under_the_same_name_are_refused(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, out = tmp_path / "w.pth", tmp_path / "s"
    command = ["study", config, "-o", out, f"external_weights={weights}"]
    torch.save({"conv1.weight": torch.zeros(3, 3)}, weights)
    assert "no weight in it fits" in refused(capsys, monkeypatch, *command)
    assert not (out / "pretrain").exists()
    torch.save({"conv1.weight": torch.ones(3, 3)}, weights)
    assert "external weights" in refused(capsys, monkeypatch, *command)


def test_a_study_killed_at_random_ends_with_the_same_table(study: Path, config: Path, tmp_path: Path) -> None:
    """A part of the cells of `study` comes out as there, whatever was killed between."""
    generator, killed = np.random.default_rng(), tmp_path / "killed"
    command = ["study", config, "-o", killed, "arms=[simclr-probe, supervised]", "budgets=[5/class]"]
    seconds = (study / "model").stat().st_mtime - (study / "catalog").stat().st_mtime
    start_server()
    for _ in range(2):
        process = start(*command)
        process.join(seconds * generator.uniform(0.05, 0.4))
        kill(process)
    medcl(*command)
    whole, resumed = (pd.read_parquet(folder / "predictions.parquet") for folder in (study, killed))
    part = whole[whole["arm"].isin(["simclr-probe", "supervised"]) & (whole["budget"] == "5/class")]
    pd.testing.assert_frame_equal(part.reset_index(drop=True), resumed, check_exact=False, atol=1e-6)


def test_energy_is_processor_time_times_watts() -> None:
    costs = _with_energy(pd.DataFrame({"processor_seconds": [7200.0, np.nan]}), watts_per_core=15)
    assert costs["energy_wh"][0] == 30
    assert np.isnan(costs["energy_wh"][1])


@pytest.mark.slow
def test_two_hundred_cells_killed_three_times_end_with_the_same_table(config: Path, tmp_path: Path) -> None:
    many = ["arms=[simclr-probe, supervised, random-probe, classical, background-only]"]
    many += ["budgets=[2/class, 5/class, 20/class, all]", f"seeds={list(range(10))}"]
    many += ["training.steps=1", "training.candidates=2"]
    run = ["study", config, "-o", tmp_path / "whole", *many]
    medcl(*run)
    cells = tmp_path / "killed" / "experiment_cells"
    run[3] = tmp_path / "killed"
    generator = np.random.default_rng()
    for number in range(3):
        process = start(*run)
        wanted = generator.integers(50 * number + 10, 50 * number + 60)
        while process.is_alive() and sum(1 for _ in cells.glob("*.parquet")) < wanted:
            time.sleep(0.05)
        kill(process)
    assert 10 <= sum(1 for _ in cells.glob("*.parquet")) < 200
    medcl(*run)
    whole, killed = (pd.read_parquet(tmp_path / f / "predictions.parquet") for f in ("whole", "killed"))
    assert len(whole.groupby(["arm", "budget", "seed"])) == 200
    pd.testing.assert_frame_equal(whole, killed, check_exact=False, atol=1e-6)
    tables = [(tmp_path / f / "tables" / "arms.csv").read_text() for f in ("whole", "killed")]
    assert tables[0] == tables[1]


def test_the_saved_model_predicts_new_scans(study: Path, tmp_path: Path) -> None:
    archive = write_set(tmp_path / "new.npz", seed=1)
    done = medcl("predict", study, archive, "-o", tmp_path / "p.csv", "--json")
    assert json.loads(done.stdout)["scans"] == 196
    table = pd.read_csv(tmp_path / "p.csv")
    assert table["probability"].between(0, 1).all()
    assert (
        table["positive"] == (table["probability"] >= table.loc[table["positive"], "probability"].min())
    ).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("budgets=[500/class]", "has only 48 training scans"),
        ("budgets=[few]", "write 5/class, 1% or all"),
        ("arms=[simclr-prob]", "arm 'simclr-prob' does not exist"),
        ("positive.labels=['7']", "is not in the store"),
        ("views.policy=xray", "no such view policy"),
        ("archive=[nowhere]", "nowhere"),
        ("views.size=16", "did you mean 'size_px'"),
        ("seeds=five", "seeds"),
        ("prevalence=10", "prevalence"),
        ("primary.budgets=[20/class]", "not among the study's budgets"),
        ("arms=[simclr-probe, supervised, external-probe]", "set 'external_weights'"),
        ("external_encoder={name: resnet18, in_channels: 3}", "takes the views of pretrain.encoder"),
        ("external_weights=nowhere.pth", "nowhere.pth: no such file of weights"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    message: str,
) -> None:
    budget = "500/class" if "500" in change else "few" if "few" in change else None
    primary = [f"primary.budgets=[{budget}]"] if budget else []
    line = refused(capsys, monkeypatch, "study", config, "-o", tmp_path / "s", change, *primary)
    assert message in line
    assert not (tmp_path / "s" / "predictions.parquet").exists()


def test_a_wrong_command_is_exit_code_2_in_a_process_too(config: Path, tmp_path: Path) -> None:
    process = start("study", config, "-o", tmp_path / "s", "nonsense=1", errors=tmp_path / "stderr")
    process.join()
    assert process.exitcode == 2
    (line,) = (tmp_path / "stderr").read_text().strip().splitlines()
    assert line.startswith(f"medcl: {config}: unknown key 'nonsense'; known keys: ")


def test_the_example_of_few_labels_runs_on_a_study(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(__file__).parents[2]
    script = (root / "examples" / "few_labels.py").read_text(encoding="utf-8")
    views = read_yaml(root / "configs" / "studies" / "demo.yaml")["views"]
    shown = 'load_policy("{policy}", "{variant}"), size={size_px}, slices={slices}'.format(**views)
    assert len([line for line in script.splitlines() if line.strip()]) <= 16
    for shipped, here in (
        ("demo-output/study", str(study)),
        ('negative="healthy", positive="abnormal"', 'negative="0", positive="1"'),
        (shown, 'load_policy("cxr"), size=16, slices=8'),
    ):
        assert shipped in script
        script = script.replace(shipped, here)
    exec(compile(script, "few_labels.py", "exec"), {})
    scores = ast.literal_eval(capsys.readouterr().out.strip().splitlines()[-1])
    assert 0.5 < scores["auroc"] <= 1
