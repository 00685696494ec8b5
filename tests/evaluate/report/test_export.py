"""CSV in which spreadsheets run no formulas."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from medcl.evaluate.report.export import write_csv


def test_text_that_starts_a_formula_is_quoted(tmp_path: Path) -> None:
    write_csv(pd.DataFrame({"arm": ["=1+1", "-x", "plain"], "value": [-1.0, 2.0, 3.0]}), tmp_path / "t.csv")
    assert re.findall(r"^(.*),", (tmp_path / "t.csv").read_text(), re.M) == ["arm", "'=1+1", "'-x", "plain"]
