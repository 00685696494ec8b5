"""Radiographs for presentation are used, and one identifier for everybody is warned of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from medcl.archive import scan_archive
from medcl.store import prepare

CaseFolder = Callable[[str], Path]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("lossy_chest", {"DX images": 12}),
        ("mammogram_raw_and_shown", {"MG images": 2}),
        ("tomosynthesis", {"MG volumes": 1}),
    ],
)
def test_derived_alone_is_no_reason(
    name: str, kinds: dict[str, int], case_folder: CaseFolder, tmp_path: Path
) -> None:
    store = prepare(scan_archive([case_folder(name)], tmp_path / "c"), tmp_path / "s")
    assert store.record["kinds"] == kinds
    assert store.record["left_out"] == {}


def test_one_identifier_for_twelve_patients(case_folder: CaseFolder, tmp_path: Path) -> None:
    store = prepare(scan_archive([case_folder("patient_constant")], tmp_path / "c"), tmp_path / "s")
    (warning,) = store.record["warnings"]
    assert warning.startswith("all 12 scans have one patient identifier")
