"""The report of a study: tables, figures, cards, checklists and one self-contained page."""

from __future__ import annotations

from pathlib import Path

from medcl.errors import UsageError
from medcl.evaluate.evaluation import Evaluation, evaluate
from medcl.evaluate.predictions import read_predictions, read_table
from medcl.evaluate.report.cards import data_card, model_card
from medcl.evaluate.report.checklists import CHECKLISTS, fill
from medcl.evaluate.report.export import write_csv
from medcl.evaluate.report.figures import draw_all
from medcl.evaluate.report.page import render
from medcl.evaluate.report.style import save
from medcl.evaluate.study_record import StudyRecord, read_record
from medcl.files import write_text
from medcl.names import SUPERVISED

TABLES = ("experiment_cells", "operating", "arms", "differences")


def write_report(study: Path, draws: int = 2000, seed: int = 0) -> Evaluation:
    """Evaluate `study`/predictions.parquet and write tables/, figures/, cards and report.html beside it.

    Reads study.json (see `StudyRecord`) and, where they exist, costs.parquet (arm, budget, seed, seconds, and
    where recorded candidates, peak_mib, energy_wh, parameters) and groups.parquet (scan and one column per
    variable, such as sex, age, scanner).

    Args:
        study: Folder of the study.
        draws: Number of bootstrap draws.
        seed: Random seed of the bootstrap.

    Raises:
        UsageError: A file is missing or faulty; then nothing is written.
    """
    if not study.is_dir():
        raise UsageError(f"{study}: no such folder; name a study folder that `medcl study` wrote")
    record = read_record(study / "study.json", StudyRecord)
    predictions = read_predictions(study / "predictions.parquet")
    costs, groups = (
        read_table(study / name) if (study / name).is_file() else None
        for name in ("costs.parquet", "groups.parquet")
    )
    primary = record.primary
    result = evaluate(
        predictions,
        baseline=primary.baseline if primary else SUPERVISED,
        primary=primary,
        draws=draws,
        seed=seed,
        labels=record.labels,
        groups=groups,
        prevalence=record.prevalence,
        arm_records=record.arms,
    )
    figures = {name: save(figure, study / "figures", name) for name, figure in draw_all(result).items()}
    checklists = {name: fill(name, record, result) for name in CHECKLISTS}
    tables = {name: getattr(result, name) for name in TABLES} | result.analyses
    for name, table in tables.items():
        if len(table):
            write_csv(table, study / "tables" / f"{name}.csv")
    for name, table in checklists.items():
        write_csv(table, study / "tables" / Path(CHECKLISTS[name]).with_suffix(".csv").name)
    write_text(model_card(record, result), study / "model_card.md")
    write_text(data_card(record, result), study / "data_card.md")
    write_text(render(result, record, predictions, costs, figures, checklists), study / "report.html")
    return result
