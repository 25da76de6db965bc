"""Which calendar days a treatment covers, in the independent implementation (T3, T6)."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.support.reference.exposures import rule_T3_end, rule_T3_runs_on

BEGUN, MIDNIGHT = datetime(2024, 1, 9, 12, tzinfo=UTC), datetime(2024, 1, 11, tzinfo=UTC)
RECORD = {"as_of": datetime(2026, 3, 1, tzinfo=UTC), "zone": UTC}


@pytest.mark.parametrize(
    ("end", "last"),
    [
        (MIDNIGHT, 11),  # a written end is one of its instants
        (timedelta(days=1.5), 10),  # a supply is used up when the next day begins
        ("one day", 9),
        ("authored alone", 9),
        ([MIDNIGHT, timedelta(days=1.5)], 11),
        ([MIDNIGHT - timedelta(days=1), timedelta(days=1.5)], 10),
    ],
)
def test_the_last_day_that_a_treatment_covers(end, last):
    ended, covered = rule_T3_end(RECORD, BEGUN, end)
    days = [day for day in range(8, 14) if rule_T3_runs_on(RECORD, BEGUN, covered, date(2024, 1, day))]
    assert days == list(range(9, last + 1))
    assert ended >= covered
