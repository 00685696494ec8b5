"""The situations of `cases.py`, made once per session; tests skip where the file is absent."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

DEFAULT = Path(__file__).parents[3].parent / "shared" / "cases" / "cases.py"


@pytest.fixture(scope="session")
def cases_module() -> ModuleType:
    """The module that makes the situations."""
    path = Path(os.environ.get("MEDCL_CASES", DEFAULT))
    if not path.is_file():
        pytest.skip(f"no situations at {path}; set MEDCL_CASES to a cases.py")
    specification = importlib.util.spec_from_file_location("cases", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["cases"] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def case_folder(cases_module: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function from the name of a situation to its folder."""
    root = tmp_path_factory.mktemp("cases")

    def folder(name: str) -> Path:
        path = root / name
        if not path.exists():
            cases_module.CASES[name](path)
        return path

    return folder
