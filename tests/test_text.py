"""Names as one printable line."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.text import printable


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        (b"Sch\xe4del", "Sch\\xe4del"),
        ("Schädel 頭".encode(), "Schädel 頭"),
        (b"a\nb\x1b", "a\\nb\\x1b"),
        ("\u202ecod".encode(), "\\u202ecod"),
    ],
)
def test_what_cannot_be_printed_is_escaped(name: bytes, printed: str) -> None:
    assert printable(os.fsdecode(name)) == printed


@given(st.binary())
def test_any_bytes_give_one_printable_line(name: bytes) -> None:
    printed = printable(os.fsdecode(name))
    assert printed.isprintable()
    assert printed.encode().decode() == printed
