"""Every method's linear probe against a random encoder and the supervised baseline, on the store of a study.

    python benchmarks/methods.py STUDY -o OUT                       # all of configs/benchmarks/methods.yaml
    python benchmarks/methods.py STUDY -o OUT --only moco byol      # some of them; the same call resumes

STUDY is a folder that `medcl study` wrote. Its store, task, budgets and settings are used, and so are its
results of baseline, random encoder and its own method, and encoders in OUT/pretrain/NAME from earlier runs.
Each method pretrains once, with the study's encoder, epochs and batch; label draws differ by seed and are
the same for all rows. Intervals are the report's: over
seeds and test patients, differences paired by both.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from medcl.config import load, read_yaml, shipped, validate
from medcl.evaluate.analyses.resampling import Resampled, resample
from medcl.evaluate.predictions import make_panel
from medcl.files import write_table, write_text
from medcl.finetune import (
    ArmContext,
    Budget,
    ExperimentCell,
    Images,
    make_task,
    plan_experiment_cells,
    run_experiment_cells,
)
from medcl.pretrain import PretrainConfig, load_encoder, pretrain
from medcl.store import Store
from medcl.study import StudyConfig
from medcl.views import load_policy
from medcl.views.policy import merged

CONTROLS = ("supervised", "random-probe")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--settings", type=Path, default=shipped("benchmarks/methods.yaml"))
    parser.add_argument("--only", nargs="*", help="names in the settings file")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    study = load(args.study / "study.yaml", StudyConfig)
    settings = read_yaml(args.settings)
    seeds = study.seeds[: args.seeds]
    predictions = [controls(study, args.study, args.out, seeds)]
    for name in args.only or settings:
        predictions.append(probe(study, args.study, args.out, seeds, name, settings[name] or {}))
        table = compare(pd.concat(predictions, ignore_index=True))
        write_table(table, args.out / "methods.parquet")
        write_text(as_markdown(table), args.out / "methods.md")
    print((args.out / "methods.md").read_text())


def controls(study: StudyConfig, folder: Path, out: Path, seeds: Sequence[int]) -> pd.DataFrame:
    """Return the predictions of baseline and random encoder; those that the study lacks are computed."""
    cells = plan_experiment_cells(CONTROLS, budgets(study), seeds)
    return run(study, folder, out, cells, "none", None)


def probe(
    study: StudyConfig, folder: Path, out: Path, seeds: Sequence[int], name: str, changes: dict[str, Any]
) -> pd.DataFrame:
    """Pretrain by one entry of the settings, unless that is done, and return the probe's predictions."""
    cells = plan_experiment_cells([f"{name}-probe"], budgets(study), seeds)
    finished = folder / "pretrain" / "summary.json"
    if not changes and name == study.pretrain.method.name and finished.is_file():
        return run(study, folder, out, cells, name, finished.parent)
    target = out / "pretrain" / name
    if not (target / "summary.json").is_file():
        pretrain(changed(study, folder, changes), target, resume=(target / "config.yaml").is_file())
    return run(study, folder, out, cells, name, target)


def changed(study: StudyConfig, folder: Path, changes: dict[str, Any]) -> PretrainConfig:
    """Return the study's pretraining with the changes of one entry of the settings."""
    defaults = study.pretrain.model_dump(mode="json") | {
        "store": str(folder / "store"),
        "views": study.views.model_dump(mode="json"),
    }
    others = {key: value for key, value in changes.items() if key != "method"}
    method = changes.get("method", defaults["method"])
    return validate(merged(defaults, others) | {"method": method}, PretrainConfig, "settings")


def budgets(study: StudyConfig) -> list[Budget]:
    return [Budget.parse(text) for text in study.budgets]


def run(
    study: StudyConfig, folder: Path, out: Path, cells: list[ExperimentCell], name: str, encoder: Path | None
) -> pd.DataFrame:
    """Return the predictions of `cells`, copying those that the study has."""
    source, target = folder / "experiment_cells", out / "experiment_cells"
    target.mkdir(parents=True, exist_ok=True)
    for cell in cells:
        for file in (f"{cell.name}.json", f"{cell.name}.parquet"):
            if name in ("none", study.pretrain.method.name) and (source / file).is_file():
                shutil.copyfile(source / file, target / file)
    views = study.views
    context = ArmContext(
        task=make_task(Store.open(folder / "store"), study.negative, study.positive),
        images=Images(load_policy(views.policy, views.variant), views.size_px, views.slices),
        training=study.training,
        pretrained=load_encoder(encoder or folder / "pretrain"),
        network=study.pretrain.encoder,
    )
    return run_experiment_cells(context, cells, target, name)[0]


def compare(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return AUROC of every arm and budget, and its paired differences from both controls."""
    resampled = resample(predictions, make_panel(predictions), draws=2000, seed=0)
    rows = []
    for budget in dict.fromkeys(predictions["budget"]):
        for arm in dict.fromkeys(predictions["arm"]):
            rows.append({"arm": arm, "budget": budget, **measure(resampled, arm, budget)})
    return pd.DataFrame(rows)


def measure(resampled: Resampled, arm: str, budget: str) -> dict[str, float]:
    mean = resampled.mean(arm, budget, "auroc")
    row = dict(zip(("value", "low", "high"), (mean.value, *mean.interval()), strict=True))
    for control in CONTROLS:
        pair = None if arm == control else resampled.difference(arm, control, budget, "auroc")
        if pair is not None:
            names = (f"minus_{control}", f"minus_{control}_low", f"minus_{control}_high")
            row |= dict(zip(names, (pair[0].value, *pair[0].interval()), strict=True))
    return row


def as_markdown(table: pd.DataFrame) -> str:
    """Return one table per budget: AUROC and differences, each with its 95 % interval."""
    lines = []
    for budget, block in table.groupby("budget", sort=False):
        lines += [
            f"\n| {budget} | AUROC | minus supervised | minus random encoder |",
            "|---|---|---|---|",
        ]
        for row in block.sort_values("value", ascending=False).to_dict("records"):
            columns = [f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"]
            for control in CONTROLS:
                key = f"minus_{control}"
                ends = [row.get(f"{key}{end}", float("nan")) for end in ("", "_low", "_high")]
                columns.append("" if ends[0] != ends[0] else "{:+.3f} ({:+.3f} to {:+.3f})".format(*ends))
            lines.append(f"| {row['arm']} | " + " | ".join(columns) + " |")
    return "\n".join(lines).lstrip() + "\n"


if __name__ == "__main__":
    main()
