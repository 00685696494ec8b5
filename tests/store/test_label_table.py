"""Label tables as text: how they are read, which column is the key, and lines that are named."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from medcl.errors import UsageError
from medcl.store.label_table import key_column, read_label_table, refuse_rows, repeated_keys


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_is_text_with_lower_case_names(tmp_path: Path, separator: str, encoding: str) -> None:
    lines = [" File ,LABEL,Age", "a.png, Müller ,007", "b.png,,1.0"]
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(lines).replace(",", separator), encoding=encoding)
    table = read_label_table(path)
    assert table.to_dict("list") == {
        "file": ["a.png", "b.png"],
        "label": ["Müller", None],
        "age": ["007", "1.0"],
    }


def test_a_parquet_table_is_read_alike(tmp_path: Path) -> None:
    pd.DataFrame({"Scan": ["s1", "s2"], "label": [1, None]}).to_parquet(tmp_path / "labels.parquet")
    table = read_label_table(tmp_path / "labels.parquet")
    assert list(table.columns) == ["scan", "label"]
    assert table["label"].tolist() == ["1.0", None]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"file,label\n\xff\xfe,a\n", "not UTF-8 text; save it as CSV UTF-8"),
        (b"PK\x03\x04xlsx", "it is a spreadsheet; save it as CSV UTF-8"),
        (b"\xd0\xcf\x11\xe0xls", "it is a spreadsheet; save it as CSV UTF-8"),
        (b"", "not a readable table"),
        (b"file,label\n", "no row below the header; write a row per scan"),
        (b"file,File\na,b\n", "two columns have the same name; keep one of each"),
        (b"file,label\na,b\nJane Doe,x,y\n", "not a readable table"),
    ],
)
def test_a_faulty_table_is_one_line_without_its_values(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_label_table(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert fault in line
    assert "\n" not in line
    assert "Jane" not in line


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.csv: no such label table"):
        read_label_table(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        (["label", "file"], "file"),
        (["scan", "patient", "label"], "patient"),
        (["scan", "file", "patient"], "file"),
        (["scan", "mask"], "scan"),
    ],
)
def test_the_key_is_the_file_then_the_patient_then_the_scan(columns: list[str], key: str) -> None:
    assert key_column(Path("t.csv"), pd.DataFrame(columns=columns)) == key


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        (["label"], "name one of file, patient, scan"),
        (["patient", "age"], "no column 'label'"),
    ],
)
def test_a_table_without_key_or_statement_is_refused(columns: list[str], fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        key_column(Path("t.csv"), pd.DataFrame(columns=columns))


def test_a_key_may_repeat_for_several_boxes_alone() -> None:
    table = pd.DataFrame(
        [
            ("a", "x", "1 1 2 2"),
            ("a", "x", "3 3 4 4"),
            ("b", "x", "1 1 2 2"),
            ("b", "y", "3 3 4 4"),
            ("c", "x", "1 1 2 2"),
            ("c", "x", None),
            ("d", "x", None),
        ],
        columns=["file", "label", "box"],
    )
    assert repeated_keys(table, "file").tolist() == [2, 3, 5]
    assert repeated_keys(table.drop(columns="box"), "file").tolist() == [0, 1, 2, 3, 4, 5]


def test_lines_are_named_as_an_editor_counts_them() -> None:
    refuse_rows(Path("t.csv"), pd.Index([]), "have no label")
    with pytest.raises(UsageError) as caught:
        refuse_rows(Path("t.csv"), pd.Index([0, 3]), "have no label")
    assert str(caught.value) == "t.csv: 2 rows have no label (lines 2, 5)"
    with pytest.raises(UsageError, match=r"7 rows .* \(lines 2, 3, 4, 5, 6, \.\.\.\)"):
        refuse_rows(Path("t.csv"), pd.Index(range(7)), "have no label")
