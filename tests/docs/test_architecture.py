"""The tree in docs/architecture.md is the package as it is, and tests mirror its modules."""

from __future__ import annotations

import re
import runpy

from tests.docs.pages import ROOT

WRITER = runpy.run_path(str(ROOT / "docs" / "write_tree.py"))


def written() -> str:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return page.split(WRITER["START"])[1].split(WRITER["END"])[0]


def test_every_package_and_module_is_listed_with_the_first_line_of_its_docstring() -> None:
    assert written() == WRITER["tree"](), "the tree is out of date: run python docs/write_tree.py"


NO_TEST_FILE = {
    "__init__": "interface of a package: names alone, tested where they are defined",
    "__main__": "calls `medcl.cli.main`, which tests of the command line run",
}
"""Modules that need no test file, by name, and why."""

NO_MODULE = {
    "apps": "pages, through Streamlit's runner and a browser",
    "archive/cases": "situations of real archives, one file per subject",
    "benchmarks": "scripts of `benchmarks`",
    "configs": "files of `configs`",
    "docs": "pages of `docs`, `README.md` and `examples`",
    "end_to_end": "ways through several packages",
    "archive/dicom/pixels/test_color_and_inversion.py": "colors and inversion, from pixels to volumes",
    "archive/formats/test_geometry_traps.py": "what the formats of volumes have in common",
    "archive/formats/test_pipeline.py": "every format through convert, prepare and predict",
    "store/test_bids_trees.py": "whole trees of BIDS, from files to a store",
    "test_imports.py": "which modules packages import from each other",
}
"""Folders and files of tests that mirror something other than a module."""


def test_every_module_has_its_test_file() -> None:
    package = ROOT / "medcl"
    modules = (path.relative_to(package) for path in package.rglob("*.py") if path.stem not in NO_TEST_FILE)
    tests = {module: ROOT / "tests" / module.with_name(f"test_{module.name}") for module in modules}
    assert [str(module) for module, test in sorted(tests.items()) if not test.is_file()] == []


def test_every_test_file_names_its_module() -> None:
    strays = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        test = path.relative_to(ROOT / "tests")
        module = ROOT / "medcl" / test.with_name(test.name.removeprefix("test_"))
        if not module.is_file() and not NO_MODULE.keys() & {test.as_posix(), test.parent.as_posix()}:
            strays.append(str(test))
    assert strays == []


def test_every_test_file_has_a_test() -> None:
    for path in (ROOT / "tests").rglob("test_*.py"):
        assert re.search(r"^def test_", path.read_text(encoding="utf-8"), re.MULTILINE), path
