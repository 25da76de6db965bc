from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from fhir_mapping.versions.times import clamped, dates, moment

END_OF_DAY = timedelta(days=1) - timedelta.resolution


def test_a_day_lasts_from_its_first_to_its_last_microsecond_in_the_zone_of_the_client():
    when = moment("2026-01-10", ZoneInfo("Asia/Shanghai"))
    assert when.first == datetime(2026, 1, 9, 16, tzinfo=UTC)
    assert when.last == when.first + END_OF_DAY
    assert when.precision == "day"
    assert when.text == when.day_text == "2026-01-10"


@pytest.mark.parametrize(
    ("text", "last", "precision"),
    [
        ("2024-02", date(2024, 2, 29), "month"),
        ("2025-12", date(2025, 12, 31), "month"),
        ("2025", date(2025, 12, 31), "year"),
    ],
)
def test_a_partial_date_lasts_until_its_last_day(text, last, precision):
    when = moment(text, UTC)
    assert when.last.date() == last
    assert when.precision == precision


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-10T08:30:00Z", datetime(2026, 1, 10, 8, 30, tzinfo=UTC)),
        ("2026-01-10T08:30:00.1234567+02:00", datetime(2026, 1, 10, 6, 30, 0, 123456, tzinfo=UTC)),
        ("2026-01-10T08:30-05:00", datetime(2026, 1, 10, 13, 30, tzinfo=UTC)),
        ("2026-01-10T08:30", datetime(2026, 1, 10, 5, 30, tzinfo=UTC)),
        ("2026-01-10T08:30+0300", datetime(2026, 1, 10, 5, 30, tzinfo=UTC)),
        ("2026-01-10T08:30:00-0530", datetime(2026, 1, 10, 14, tzinfo=UTC)),
        ("2026-01-10T08:30:00+00", datetime(2026, 1, 10, 8, 30, tzinfo=UTC)),
        ("2026-01-10T08:30:00z", datetime(2026, 1, 10, 8, 30, tzinfo=UTC)),
        ("2026-01-10 08:30:00.5-05", datetime(2026, 1, 10, 13, 30, 0, 500000, tzinfo=UTC)),
        ("2026-01-10 08:30", datetime(2026, 1, 10, 5, 30, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_time_is_one_instant(text, instant):
    when = moment(text, timezone(timedelta(hours=3)))
    assert when.first == when.last == instant
    assert when.precision == "time"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-13",
        "2026-02-30",
        "2026-1-1",
        "2026-01-10T25:00Z",
        "2026-01-10  08:00",
        "2026-01-10 08:00 +0300",
        "2026-01-10T08:00+3",
        "2026-01-10T08:00+030",
        "2026-01-10T08:00+03:",
        "2026-01-10t08:00Z",
        "2026-01-10Z",
        "2026-01-10+03:00",
        "10.01.2026",
        "20260110",
        "0000",
        "٢٠٢٦",
    ],
)
def test_what_is_no_date_is_none(text):
    assert moment(text, UTC) is None


def test_an_offset_of_a_day_or_more_is_no_time():
    assert moment("2026-01-10T08:30:00+99:00", UTC) is None


def test_the_ends_of_the_calendar_do_not_break_anything():
    east, west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
    assert moment("9999-12-31", west).last == datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert moment("0001-01-01", east).first == datetime(1, 1, 1, tzinfo=UTC)
    assert moment("9999-12", UTC).last.year == 9999


def test_a_moment_is_cut_at_as_of():
    as_of = datetime(2026, 3, 1, tzinfo=UTC)
    march = moment("2026-03", UTC)
    assert clamped(march, as_of).last == clamped(march, as_of).first == as_of
    assert clamped(moment("2026", UTC), as_of).first == datetime(2026, 1, 1, tzinfo=UTC)
    assert clamped(moment("2025", UTC), as_of).last.year == 2025
    assert clamped(march, as_of).text == "2026-03"


def test_a_birth_date_has_a_first_and_a_last_day_and_its_time_is_passed_over():
    assert dates("1970") == (date(1970, 1, 1), date(1970, 12, 31))
    assert dates("1970-05-01") == (date(1970, 5, 1), date(1970, 5, 1))
    assert dates("1970-02-31") is None
    for time in ("T00:00:00", "T23:30:00-11:00", " 08:00+14", "T08:00z"):
        assert dates(f"1970-05-01{time}") == (date(1970, 5, 1), date(1970, 5, 1))
    assert dates("1970-05-01T25:00Z") is None
    assert dates("about 1970") is None
