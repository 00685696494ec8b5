"""The progress bar goes to standard error and changes no item."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from medcl.progress import bar, track


def test_items_pass_unchanged_and_are_counted_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(iter("abc"), "scan", total=3, unit="file")) == ["a", "b", "c"]
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[-1].split("\r")[-1].startswith("scan: 100%")
    assert "3/3 [" in printed.err


def test_items_are_read_as_they_are_needed() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(3):
            read.append(number)
            yield number

    assert next(track(items(), "scan")) == 0
    assert read == [0]


@pytest.mark.parametrize(("interactive", "seconds"), [(True, 0.2), (False, 10.0)])
def test_a_log_file_gets_a_line_every_ten_seconds_at_most(
    monkeypatch: pytest.MonkeyPatch, interactive: bool, seconds: float
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: interactive)
    with bar("prepare", 10, 4, "scan") as progress:
        assert progress.mininterval == seconds
        assert (progress.n, progress.total, progress.unit) == (4, 10, "scan")
