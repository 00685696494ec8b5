"""What the record of a study says of its data."""

from __future__ import annotations

import pandas as pd

from medcl.finetune import make_task
from medcl.store import Store
from medcl.study.record import (
    _near_duplicate_notes,
    _near_duplicate_search,
    _near_duplicate_warnings,
)
from tests.duplicates import search


def test_the_report_counts_names_and_warns(planted: Store) -> None:
    task, pairs = make_task(planted, "0", "1"), search(planted)
    (warning,), (note,) = _near_duplicate_warnings(pairs, task), _near_duplicate_notes(pairs)
    assert warning.startswith("3 of 30 test scans look like")
    assert pairs["scan"].iloc[0] in note
    assert _near_duplicate_search(pairs).endswith("3 pairs.")
    assert not _near_duplicate_warnings(pairs.head(0), task)
    assert not _near_duplicate_notes(pairs.head(0))
    assert "2 more in near_duplicates.parquet" in _near_duplicate_notes(pd.concat([pairs] * 8).head(22))[0]
