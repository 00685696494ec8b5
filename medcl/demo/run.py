"""The demo: a complete study on the synthetic cohort."""

from __future__ import annotations

from pathlib import Path

from medcl.config import load
from medcl.demo.cohort import write_cohort
from medcl.evaluate import Evaluation
from medcl.files import new_folder
from medcl.study import StudyConfig, run_study
from medcl.views import shipped


def run_demo(out: Path) -> Evaluation:
    """Write synthetic patients to `out/cohort` and the study of them to `out/study`.

    Raises:
        UsageError: `out` is not empty.
    """
    new_folder(out, "demo")
    cohort = write_cohort(out / "cohort")
    config = load(shipped("studies/demo.yaml"), StudyConfig)
    paths = {"archive": (str(cohort / "archive"),), "labels": str(cohort / "labels.csv")}
    return run_study(config.model_copy(update=paths), out / "study")
