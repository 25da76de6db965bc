"""Dates as moments (F3): what is written, and the first and last instant that it can mean.

They are read in FHIR's form and as converters write them: an offset without colon or minutes, a small `z`, a blank
for `T`.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from fhir_mapping.record import Moment, Period

_WRITTEN = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?"
    r"(?P<zone>[Zz]|[+-]\d\d(?::?\d\d)?)?)?)?)?",
    re.ASCII,
)
# By the signs between the digits of what nearly all times look like, and `datetime.fromisoformat` reads as we do (it reads
# much else): their lengths.
_SIGNS = {
    "--T::Z": len("2026-03-01T08:00:00Z"),
    **dict.fromkeys(("--T::+:", "--T::-:"), len("2026-03-01T08:00:00+01:00")),
}
_LEAP_SECOND = 60
_MIDDLE_YEAR = 5000
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def moment(text: str, zone: tzinfo) -> Moment | None:
    """Read a date, dateTime or instant; a time without a zone is in `zone`. None: it is not a date."""
    if _SIGNS.get(text[4::3]) == len(text):
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:  # letters, or a leap second
            return _any_moment(text, zone)
        instant = instant if instant.tzinfo is UTC else _utc(instant)
        return Moment(text, instant, instant, "time")
    return _any_moment(text, zone)


def _any_moment(text: str, zone: tzinfo) -> Moment | None:
    if not (written := _WRITTEN.fullmatch(text)):
        return None
    try:
        if written["hour"]:
            instant = _utc(_instant(written, zone))
            return Moment(text, instant, instant, "time")
        first, last = _date_range(written)
        start = _utc(datetime(first.year, first.month, first.day, tzinfo=zone))
        end = _utc(datetime(last.year, last.month, last.day, 23, 59, 59, 999999, tzinfo=zone))
    except ValueError:  # there is no such day or time
        return None
    return Moment(text, start, end, "day" if written["day"] else "month" if written["month"] else "year")


def _date_range(written: re.Match[str]) -> tuple[date, date]:
    """Give the first and the last day that a date means; raises ValueError where there is no such day."""
    month, day = written["month"], written["day"]
    first = date(int(written["year"]), int(month or 1), int(day or 1))
    if day:
        return first, first
    if not month:
        return first, date(first.year, 12, 31)
    if (first.year, first.month) == (date.max.year, date.max.month):
        return first, date.max
    next_month = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return first, next_month - timedelta(days=1)


def dates(text: str) -> tuple[date, date] | None:
    """Read a date, or the date of a time: its first and last possible day as written; None: it is not a date."""
    written = _WRITTEN.fullmatch(text)
    if not written or (written["hour"] and moment(text, UTC) is None):
        return None
    try:
        return _date_range(written)
    except ValueError:  # there is no such day
        return None


def _instant(written: re.Match[str], zone: tzinfo) -> datetime:
    second, offset = int(written["second"] or 0), written["zone"]
    if offset and offset in "Zz":
        zone = UTC
    elif offset:
        ahead = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:].lstrip(":") or 0))
        zone = timezone(-ahead if offset[0] == "-" else ahead)
    return datetime(
        int(written["year"]),
        int(written["month"]),
        int(written["day"]),
        int(written["hour"]),
        int(written["minute"]),
        second - 1 if second == _LEAP_SECOND else second,
        int((written["fraction"] or "0")[:6].ljust(6, "0")),
        tzinfo=zone,
    )


def _utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # the ends of the calendar, as in an open end written as 9999-12-31
        return _LATEST if instant.year > _MIDDLE_YEAR else _EARLIEST


def at_once(when: Moment) -> Period:
    """What took place then: within its day; a partial date is one unknown moment, and lasts no month or year (T3)."""
    is_partial = when.precision in {"month", "year"}
    return Period(when, Moment(when.text, when.first, when.first, when.precision) if is_partial else when)


def clamped(when: Moment, as_of: datetime) -> Moment:
    """Cut a moment at `as_of`: nothing that is judged lies later (F3)."""
    if when.last <= as_of:
        return when
    return Moment(when.text, min(when.first, as_of), as_of, when.precision)
