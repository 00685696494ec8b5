"""`medcl views` and `medcl audit`: what they write, print and refuse."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medcl.archive import scan_archive
from medcl.store import prepare
from tests.cli.in_process import error_line, medcl
from tests.store.samples import write_images


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("views")
    archive = write_images(folder / "archive", {"a": 3})
    return prepare(scan_archive([archive], folder / "catalog"), folder / "store").folder


def test_views_draws_a_sheet_and_says_of_what(store: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    ended = medcl("views", store, "-o", sheet, "--policy", "cxr", "--size", 16, "--scans", 2)
    first, *flags = ended.out.splitlines()
    assert ended.code == 0
    assert first == f"{sheet}: 2 scans, policy cxr"
    assert all(": " in line for line in flags)
    with Image.open(sheet) as image:
        assert np.asarray(image).std() > 0


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["views", "nowhere", "-o", "s.png"], "nowhere: no store"),
        (["views", "STORE", "-o", "s.png", "--policy", "xray"], "no such view policy"),
        (["views", "STORE", "-o", "s.png", "--policy", "cxr", "--variant", "v"], "'v'"),
        (["audit", "xray"], "no such view policy"),
        (["audit", "cxr", "--store", "nowhere"], "nowhere: no store"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = medcl(*(store if arg == "STORE" else arg for arg in args))
    assert ended.code == 2
    assert line in error_line(ended)
    assert not list(tmp_path.iterdir())


class Report(SimpleNamespace):
    """A report of an audit with these failed invariants."""

    @property
    def passed(self) -> bool:
        return not self.failed

    def table(self) -> str:
        return "the table"

    def record(self) -> dict[str, Any]:
        return {"failed": self.failed}

    def write(self, out: Path) -> None:
        out.mkdir()


def test_an_audit_that_holds_is_exit_code_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medcl.views.audit.audit_policy", lambda *_: Report(failed=[]))
    assert medcl("audit", "cxr", "-o", tmp_path / "audit") == (0, "the table\n", "")
    assert (tmp_path / "audit").is_dir()


def test_an_audit_that_fails_prints_its_table_and_the_invariants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medcl.views.audit.audit_policy", lambda *_: Report(failed=["I3", "I7"]))
    ended = medcl("audit", "cxr", "--json")
    assert (ended.code, error_line(ended)) == (1, "policy cxr fails I3, I7")
    assert json.loads(ended.out) == {"failed": ["I3", "I7"]}
