"""Atomic writing, and what a new folder may be."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from medcl.errors import UsageError
from medcl.files import atomic, new_folder, read_json, remove_unfinished, write_json, write_table, write_text


def test_a_file_appears_whole_and_alone(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    with atomic(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
        assert temporary.parent == target.parent
    assert [path.read_text() for path in target.parent.iterdir()] == ["half"]


def test_a_failure_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text("old", target)

    def fail_halfway() -> None:
        with atomic(target) as temporary:
            temporary.write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "old"}


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    for fails in (True, False):
        try:
            with atomic(tmp_path / "folder") as temporary:
                temporary.mkdir()
                (temporary / "a.txt").write_text("text")
                if fails:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            assert not list(tmp_path.iterdir())
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert files == {"folder", "folder/a.txt"}


def test_what_a_killed_process_left_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "arrays").mkdir()
    (tmp_path / "arrays" / "0.bin").touch()
    with atomic(tmp_path / "arrays" / "1.bin") as temporary:
        temporary.touch()
        left = tmp_path / "arrays" / temporary.name.replace("1.bin", "2.bin")
    left.touch()
    remove_unfinished(tmp_path)
    assert sorted(path.name for path in (tmp_path / "arrays").iterdir()) == ["0.bin", "1.bin"]


def test_a_writer_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "a.txt"):
        pass
    assert not list(tmp_path.iterdir())


def test_json_keeps_order_and_letters(tmp_path: Path) -> None:
    value = {"b": [1, None], "a": "Müller – Ω"}
    write_json(value, tmp_path / "a.json")
    text = (tmp_path / "a.json").read_bytes().decode()
    assert text.endswith("}\n")
    assert "Müller – Ω" in text
    assert list(read_json(tmp_path / "a.json").items()) == list(value.items())


def test_a_table_comes_back_without_its_index(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"a": [1, 2]}, index=[7, 9]), tmp_path / "t.parquet")
    table = pd.read_parquet(tmp_path / "t.parquet")
    assert table.to_dict("list") == {"a": [1, 2]}
    assert list(table.index) == [0, 1]


def test_a_new_folder_is_absent_or_empty(tmp_path: Path) -> None:
    assert new_folder(tmp_path / "new", "catalog") == tmp_path / "new"
    assert new_folder(tmp_path, "catalog") == tmp_path
    (tmp_path / "thesis.txt").touch()
    for path in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(UsageError) as caught:
            new_folder(path, "catalog")
        assert str(caught.value) == f"{path} already exists; name a new folder for the catalog"
