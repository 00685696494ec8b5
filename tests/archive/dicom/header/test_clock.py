"""Dates and times of a header."""

from __future__ import annotations

from datetime import date

import pytest

from medcl.archive.dicom.header.clock import Moment


@pytest.mark.parametrize(
    ("day", "time", "expected"),
    [
        ("20240229", "235960", Moment(date(2024, 2, 29), 86400)),
        ("2024.01.10", "12:30:15.5", Moment(date(2024, 1, 10), 45015.5)),
        ("20240110", "1230", Moment(date(2024, 1, 10), 45000)),
        ("20230229", "120000", Moment(None, 43200)),
        ("19000101", "120000", Moment(None, 43200)),
        ("", "120000.000000 ", Moment(None, 43200)),
        ("20240110", "12", None),
        ("20240110", "246000", None),
        ("20240110", "", None),
    ],
)
def test_moments_of_dates_and_times(day: str, time: str, expected: Moment | None) -> None:
    assert Moment.of(day, time) == expected


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        ("20240110120000.5", "", Moment(date(2024, 1, 10), 43200.5)),
        ("20240110233000+0000", "+0100", Moment(date(2024, 1, 11), 1800)),
        ("20240110003000+0100", "+0000", Moment(date(2024, 1, 9), 84600)),
        ("20240110120000-0330", "", Moment(date(2024, 1, 10), 43200)),
        ("20240110120000+0100", "nonsense", None),
        ("20240110", "", None),
        ("", "", None),
        ("2024-01-10T12:00:00", "", None),
    ],
)
def test_moments_of_date_times(text: str, offset: str, expected: Moment | None) -> None:
    assert Moment.parsed(text, offset) == expected


def test_time_between_moments() -> None:
    evening, night = Moment(date(2023, 12, 31), 84600), Moment(date(2024, 1, 1), 1800)
    assert night.since(evening) == 3600
    assert Moment(None, 1800).since(evening) is None
    assert Moment(None, 1800).since_within_half_a_day(evening) == 3600
    assert evening.since_within_half_a_day(night) == -3600
