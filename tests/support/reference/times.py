# ruff: noqa: N802 - the functions bear the ids of the rules
"""Times as written, and what they can mean (rule F3)."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo

SHAPE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|z|[+-]\d\d(?::?\d\d)?)?)?)?)?",
    re.ASCII,
)
TICK = timedelta(microseconds=1)


def parse_time(text, zone: tzinfo) -> dict | None:
    """F3: first and last possible instant of a date or time as written; None where it is not one."""
    match = SHAPE.fullmatch(text) if isinstance(text, str) else None
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        if hour is not None:
            micro = int(((fraction or "") + "000000")[:6])
            clock = (int(hour), int(minute), int(second or 0), micro)
            local = datetime(int(year), int(month), int(day), *clock, tzinfo=UTC)
            instant = with_offset(local, offset, zone)
            return {"text": text, "first": instant, "last": instant, "precision": "time"}
        first = date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    if day:
        after, precision = first + timedelta(days=1), "day"
    elif month:
        after, precision = (first.replace(day=28) + timedelta(days=4)).replace(day=1), "month"
    else:
        after, precision = first.replace(year=first.year + 1), "year"
    return {
        "text": text,
        "first": midnight(first, zone),
        "last": midnight(after, zone) - TICK,
        "precision": precision,
    }


def rule_F3_first_written(texts, zone: tzinfo) -> dict | None:
    """The first of several elements that is there; one that cannot be read is no time, and none stands in for it."""
    for text in texts:
        if text is not None:
            return parse_time(text, zone)
    return None


def rule_F3_birth_date(text) -> str | None:
    """A birth date with a time is its date."""
    return text[:10] if isinstance(text, str) else None


def with_offset(local: datetime, offset: str | None, zone: tzinfo) -> datetime:
    if offset is None:
        return local.replace(tzinfo=zone).astimezone(UTC)
    if offset in ("Z", "z"):
        return local
    hours, minutes = int(offset[1:3]), int(offset.replace(":", "")[3:5] or 0)
    shift = timedelta(hours=hours, minutes=minutes)
    return local - (shift if offset[0] == "+" else -shift)


def midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def rule_F3_past(moment: dict | None, as_of: datetime, tolerance: timedelta) -> dict | None:
    """The moment as it counts at `as_of`; None if it lies too far in the future."""
    if moment is None or moment["first"] > as_of + tolerance:
        return None
    return {**moment, "first": min(moment["first"], as_of), "last": min(moment["last"], as_of)}


def rule_F3_time(record: dict, moment: dict | None) -> tuple[dict | None, str]:
    """The moment at `as_of`, or the reason `undated` or `future`."""
    if moment is None:
        return None, "undated"
    past = rule_F3_past(moment, record["as_of"], record["tolerance"])
    return (past, "") if past else (None, "future")


def rule_T4_last_day(begun: datetime, supply: timedelta, zone: tzinfo) -> date:
    """A supply of 30 days is taken on 30 calendar days, the first being that on which it was handed over."""
    calendar_days = -(-supply // timedelta(days=1))
    return day_of(begun, zone) + timedelta(days=calendar_days - 1)


def rule_T3_once(moment: dict) -> datetime:
    """The end of what was given at one moment: a month or a year is one that nobody knows."""
    return moment["first"] if moment["precision"] in ("month", "year") else moment["last"]


def day_of(moment: datetime, zone: tzinfo) -> date:
    return moment.astimezone(zone).date()


def days(number) -> timedelta:
    return timedelta(days=float(number))


def completed_years(born: date, today: date) -> int:
    """Age by birthdays."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
