"""Parts of a table: written whole, found again, refused to another request, and removed at the end."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from medcl.archive import Catalog, scan_archive
from medcl.errors import UsageError
from medcl.predict.parts import Parts
from tests.store.samples import write_images

LARGE = 2**64 - 1


@pytest.fixture
def scan(tmp_path: Path) -> partial[Catalog]:
    return partial(scan_archive, [write_images(tmp_path / "images", {"a": 2})], owner="test")


def test_parts_keep_every_bit_and_say_what_is_missing(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "p.csv")
    row = {"scan": "s-1", "reason": "", "probability": 0.1, "fingerprint": LARGE, "mask_fingerprint": 0}
    with parts.locked():
        parts.write(1, [{**row, "shape": [2, 3, 1], "affine": None}])
        assert parts.missing(3) == [0, 2]
        parts.write(0, [{"scan": "s-0", "reason": "EMPTY"}])
        rows = parts.read(2).to_pylist()
    assert [one["scan"] for one in rows] == ["s-0", "s-1"]
    assert (rows[0]["fingerprint"], rows[1]["fingerprint"]) == (None, LARGE)
    assert rows[1]["probability"] == 0.1


def test_two_processes_do_not_write_one_table(tmp_path: Path) -> None:
    with Parts(tmp_path / "p.csv").locked():
        second = Parts(tmp_path / "p.csv").locked()
        with pytest.raises(UsageError, match=r"p\.csv\.parts is in use by process"), second:
            pass
        assert (tmp_path / "p.csv.parts").is_dir()


def test_a_refused_call_leaves_no_folder_unless_it_holds_parts(tmp_path: Path) -> None:
    parts = Parts(tmp_path / "p.csv")
    with pytest.raises(UsageError), parts.locked():
        raise UsageError("no archive")
    assert not parts.folder.exists()
    with parts.locked():
        parts.write(0, [{"scan": "s-0", "reason": "EMPTY"}])
    with pytest.raises(UsageError), parts.locked():
        raise UsageError("no archive")
    assert parts.missing(1) == []


def test_a_finished_table_is_in_its_place_and_nothing_else_is_left(
    tmp_path: Path, scan: partial[Catalog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDCL_HOME", str(tmp_path / "home"))
    parts, request = Parts(tmp_path / "p.parquet"), {"model": "m"}
    with parts.locked():
        first = parts.catalog(request, scan)
        assert parts.catalog(request, scan).identity == first.identity
        assert Catalog.located() == {first.identity}
        assert parts.result(request) is None
        parts.finish(pd.DataFrame({"scan": ["s-0"]}), {"scans": 1})
    assert pd.read_parquet(tmp_path / "p.parquet")["scan"].tolist() == ["s-0"]
    assert not Catalog.located()
    assert not parts.folder.exists()


def test_the_ledger_of_an_interrupted_run_is_continued(tmp_path: Path, scan: partial[Catalog]) -> None:
    parts = Parts(tmp_path / "p.csv")
    catalog = parts.catalog({}, scan)
    catalog.record_fault(catalog.scans["scan"][0], "TRUNCATED")
    parts.write(0, [{"scan": "s-0", "reason": "TRUNCATED"}])
    assert parts.catalog({}, scan).summary()["reasons"] == {"TRUNCATED": 1}
    with pytest.raises(UsageError, match="begun with other arguments"):
        parts.catalog({"model": "other"}, scan)
    assert catalog.is_located()
