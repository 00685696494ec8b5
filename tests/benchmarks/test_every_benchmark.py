"""Every benchmark starts: a renamed function or module would end it at its imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = sorted(path for path in (ROOT / "benchmarks").glob("*.py") if path.name != "lightly_peer.py")
"""All but the one that runs in lightly's own environment and does not know medcl."""

IMPORT_ALL = """
import os, runpy, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))  # as for a script: some import another
for path in sys.argv[1:]:
    try:
        runpy.run_path(path, run_name="imported")
    except ImportError as error:
        sys.exit(f"{path}: {error}")
"""


def python(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    variables = {name: value for name, value in os.environ.items() if name != "MEDCL_DATA"}
    variables |= {"PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables)


def test_every_benchmark_can_be_imported() -> None:
    assert len(BENCHMARKS) >= 10
    done = python("-c", IMPORT_ALL, *BENCHMARKS)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("data", ["", "nowhere"])
def test_the_scan_benchmark_says_which_data_it_needs(data: str) -> None:
    done = python(ROOT / "benchmarks" / "scan.py", **({"MEDCL_DATA": data} if data else {}))
    assert done.returncode == 2
    assert "--data (or $MEDCL_DATA) must name a folder that holds dicom_mr_nih" in done.stderr
