"""A small run of benchmarks/fuzz.py: nothing crashes, hangs or goes missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"


@pytest.mark.parametrize("files", [60, pytest.param(2000, marks=pytest.mark.slow)])
def test_mutated_files_break_no_promise(files: int) -> None:
    command = [sys.executable, str(SCRIPT), "--files", str(files), "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert f'"files": {files}' in done.stdout
