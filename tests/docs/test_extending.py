"""The worked examples of docs/extending.md, carried out in a copy of the package as their readers would.

A block whose first line names a file is that file. A `diff` block names a file, lines that it has, and lines
to add below them. Any other Python block is run as a script.
"""

from __future__ import annotations

import os
import re
import runpy
import shutil
import sys
from pathlib import Path

import pytest
import torch

from tests.docs.pages import ROOT
from tests.killable import start_function

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
BLOCK = re.compile(r"^```(python|yaml|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# ((?:medcl|configs)/\S+)\n")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the package and its configurations, which an example may change."""
    for name in ("medcl", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def add_lines(path: Path, block: str) -> None:
    """Add the lines of a `diff` block that begin with + below the lines that begin with a space."""
    present = "".join(line[1:] for line in block.splitlines(keepends=True) if line.startswith(" "))
    added = "".join(line[1:] for line in block.splitlines(keepends=True) if line.startswith("+"))
    text = path.read_text(encoding="utf-8")
    assert text.count("\n" + present) == 1, f"{path.name} does not have these lines once:\n{present}"
    path.write_text(text.replace("\n" + present, "\n" + present + added), encoding="utf-8")


def run(checkout: Path, block: str) -> None:
    script = checkout / "example.py"
    script.write_text(block, encoding="utf-8")
    process = start_function(run_in_copy, script)
    process.join()
    assert process.exitcode == 0, (checkout / "stderr").read_text(encoding="utf-8")


def run_in_copy(script: Path) -> None:
    """Run a script beside a copy of medcl, which takes the place of the one that is imported."""
    os.chdir(script.parent)
    os.dup2(os.open("stderr", os.O_WRONLY | os.O_CREAT), sys.stderr.fileno())
    torch.set_num_threads(1)
    for name in [name for name in sys.modules if name.split(".")[0] == "medcl"]:
        del sys.modules[name]
    sys.path.insert(0, str(script.parent))
    runpy.run_path(str(script), run_name="__main__")
    assert Path(sys.modules["medcl"].__path__[0]) == script.parent / "medcl"


@pytest.mark.parametrize("title", SECTIONS)
def test_the_worked_example_does_what_it_says(title: str, checkout: Path) -> None:
    scripts = 0
    for language, block in BLOCK.findall(SECTIONS[title]):
        named = NAMED.match(block)
        if language == "diff":
            assert named is not None
            add_lines(checkout / named[1], block)
        elif named is not None:
            assert not (checkout / named[1]).exists(), named[1]
            (checkout / named[1]).write_text(block, encoding="utf-8")
        else:
            assert language == "python"
            run(checkout, block)
            scripts += 1
    assert scripts, "an example that shows nothing"
