"""Tables as CSV in which spreadsheets run no formulas."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from medcl.files import write_text

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV; text that a spreadsheet would run as a formula is quoted."""
    safe = table.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = [
                f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
                for cell in safe[name]
            ]
    write_text(safe.to_csv(index=False), path)
