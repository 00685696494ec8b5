"""Printing of results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medcl.cli.options import counts_text, print_result


def test_a_result_is_lines_for_a_person_or_json_for_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    result = {"scans": 2, "out": Path("a") / "b"}
    print_result(result, ["2 scans", "in a/b"], as_json=False)
    assert capsys.readouterr().out == "2 scans\nin a/b\n"
    print_result(result, ["2 scans"], as_json=True)
    assert json.loads(capsys.readouterr().out) == {"scans": 2, "out": str(Path("a") / "b")}


def test_counts_are_names_with_numbers() -> None:
    assert counts_text({"volume": 3, "image": 12}) == "volume 3, image 12"
    assert counts_text({}) == ""
