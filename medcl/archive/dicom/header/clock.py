"""Dates and times of a DICOM header (PS3.5 section 6.2: DA, TM and DT), as far as they are stated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

DAY = 86400.0
EARLIEST_YEAR = 1970
"""Earlier dates are placeholders, as programs that remove identifiers write them."""

DATE = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)")
TIME = re.compile(r"(\d\d):?(\d\d)(?::?(\d\d(?:\.\d+)?))?")
DATE_TIME = re.compile(r"(\d{8})(\d{4,6}(?:\.\d+)?)?([+-]\d{4})?")


@dataclass(frozen=True)
class Moment:
    """A time of day, with its date if that is known.

    Attributes:
        day: Date, or None.
        seconds: Seconds since midnight.
    """

    day: date | None
    seconds: float

    @classmethod
    def of(cls, day: str, time: str) -> Moment | None:
        """Return the moment of a date (DA) and a time (TM), or None without a time to the minute."""
        seconds = _seconds(time)
        return None if seconds is None else cls(_day(day), seconds)

    @classmethod
    def parsed(cls, text: str, offset: str = "") -> Moment | None:
        """Return the moment of a date-time (DT), or None without a time to the minute.

        Args:
            text: The date-time; its own offset from UTC may follow it.
            offset: Offset of the data set from UTC (`+0100`), to which the result is converted.
        """
        match = DATE_TIME.fullmatch(text.strip())
        if match is None:
            return None
        moment = cls.of(match[1], match[2] or "")
        if moment is None or not match[3] or not offset:
            return moment
        shift = _minutes(offset)
        return None if shift is None else moment._later(60.0 * (shift - (_minutes(match[3]) or 0)))

    def _later(self, seconds: float) -> Moment:
        total = self.seconds + seconds
        days = int(total // DAY)
        return Moment(None if self.day is None else self.day + timedelta(days=days), total - days * DAY)

    def since(self, earlier: Moment) -> float | None:
        """Return the seconds that passed since another moment, or None unless both dates are known."""
        if self.day is None or earlier.day is None:
            return None
        return (self.day - earlier.day).days * DAY + self.seconds - earlier.seconds

    def since_within_half_a_day(self, earlier: Moment) -> float:
        """Return the seconds since a moment less than half a day earlier or later, whatever the dates are."""
        return (self.seconds - earlier.seconds + DAY / 2) % DAY - DAY / 2


def _day(text: str) -> date | None:
    match = DATE.fullmatch(text.strip())
    if match is None:
        return None
    try:
        day = datetime(int(match[1]), int(match[2]), int(match[3])).date()
    except ValueError:
        return None
    return day if day.year >= EARLIEST_YEAR else None


def _seconds(text: str) -> float | None:
    match = TIME.fullmatch(text.strip())
    if match is None:
        return None
    hours, minutes, seconds = int(match[1]), int(match[2]), float(match[3] or 0)
    return 3600 * hours + 60 * minutes + seconds if hours < 24 and minutes < 60 and seconds <= 60 else None


def _minutes(offset: str) -> int | None:
    match = re.fullmatch(r"([+-])(\d\d)(\d\d)", offset.strip())
    return None if match is None else (-1 if match[1] == "-" else 1) * (60 * int(match[2]) + int(match[3]))
