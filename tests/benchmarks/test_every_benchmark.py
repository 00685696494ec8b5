"""Every benchmark starts: a renamed function or module would end it at its imports."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.killable import start_function

ROOT = Path(__file__).parents[2]
BENCHMARKS = sorted(path for path in (ROOT / "benchmarks").glob("*.py") if path.name != "lightly_peer.py")
"""All but the one that runs in lightly's own environment and does not know medcl."""


def python(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    variables = {name: value for name, value in os.environ.items() if name != "MEDCL_DATA"}
    variables |= {"PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables)


def import_all(errors: Path) -> None:
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), sys.stderr.fileno())
    os.environ.pop("MEDCL_DATA", None)
    sys.path.insert(0, str(ROOT / "benchmarks"))  # as for a script: some import another
    for path in BENCHMARKS:
        runpy.run_path(str(path), run_name="imported")


def test_every_benchmark_can_be_imported(tmp_path: Path) -> None:
    assert len(BENCHMARKS) >= 10
    process = start_function(import_all, tmp_path / "stderr")
    process.join()
    assert process.exitcode == 0, (tmp_path / "stderr").read_text()


@pytest.mark.parametrize("data", ["", "nowhere"])
def test_the_scan_benchmark_says_which_data_it_needs(data: str) -> None:
    done = python(ROOT / "benchmarks" / "scan.py", **({"MEDCL_DATA": data} if data else {}))
    assert done.returncode == 2
    assert "--data (or $MEDCL_DATA) must name a folder that holds dicom_mr_nih" in done.stderr
