"""A small study with a record, evaluated once for all tests of the report."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from medcl.evaluate import Evaluation, Primary, evaluate, write_report
from medcl.testing.simulated_study import study
from tests.evaluate.report.samples import ARMS, RECORD, write_study


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a study with its report."""
    folder = write_study(tmp_path_factory.mktemp("study"), RECORD, study(ARMS, patients=120, seeds=5))
    costs = pd.DataFrame({"arm": ["supervised"], "budget": ["all"], "seed": [0], "seconds": [90.0]})
    costs.assign(parameters=1234).to_parquet(folder / "costs.parquet")
    write_report(folder, draws=100)
    return folder


@pytest.fixture(scope="session")
def table() -> pd.DataFrame:
    """Predictions of a small study."""
    return study(ARMS, patients=60)


@pytest.fixture(scope="session")
def result(table: pd.DataFrame) -> Evaluation:
    """Evaluation of `table`."""
    primary = Primary(arm="simclr-probe", budgets=("5/class",))
    return evaluate(table, primary=primary, draws=40, labels={"all": 400})
