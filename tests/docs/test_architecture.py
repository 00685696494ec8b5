"""The tree in docs/architecture.md is the package as it is."""

from __future__ import annotations

import runpy

from tests.docs.pages import ROOT

WRITER = runpy.run_path(str(ROOT / "docs" / "write_tree.py"))


def written() -> str:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return page.split(WRITER["START"])[1].split(WRITER["END"])[0]


def test_every_package_and_module_is_listed_with_the_first_line_of_its_docstring() -> None:
    assert written() == WRITER["tree"](), "the tree is out of date: run python docs/write_tree.py"
