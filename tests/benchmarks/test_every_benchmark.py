"""Every benchmark starts: a renamed function or module would end it at its imports."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.killable import start_function

ROOT = Path(__file__).parents[2]
BENCHMARKS = sorted(path for path in (ROOT / "benchmarks").glob("*.py") if path.name != "lightly_peer.py")
"""All but the one that runs in lightly's own environment and does not know medcl."""


def run(errors: Path, names: list[str], run_name: str, environment: Mapping[str, str] = {}) -> None:
    """Run benchmarks in this process, which writes its errors to a file."""
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), sys.stderr.fileno())
    os.environ.pop("MEDCL_DATA", None)
    os.environ.update(environment)
    sys.path.insert(0, str(ROOT / "benchmarks"))  # as for a script: some import another
    for name in names:
        sys.argv = [name]
        runpy.run_path(str(ROOT / "benchmarks" / name), run_name=run_name)


def test_every_benchmark_can_be_imported(tmp_path: Path) -> None:
    assert len(BENCHMARKS) >= 10
    process = start_function(run, tmp_path / "stderr", [path.name for path in BENCHMARKS], "imported")
    process.join()
    assert process.exitcode == 0, (tmp_path / "stderr").read_text()


@pytest.mark.parametrize("data", ["", "nowhere"])
def test_the_scan_benchmark_says_which_data_it_needs(data: str, tmp_path: Path) -> None:
    environment = {"MEDCL_DATA": data} if data else {}
    process = start_function(run, tmp_path / "stderr", ["scan.py"], "__main__", environment)
    process.join()
    assert process.exitcode == 2
    assert (
        "--data (or $MEDCL_DATA) must name a folder that holds dicom_mr_nih"
        in (tmp_path / "stderr").read_text()
    )
