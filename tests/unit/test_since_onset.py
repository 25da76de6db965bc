"""What the onset of myositis says beside the score: cancer near it (X3), childhood (X4), and pregnancy (V)."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from fhir_mapping.evidence import Eligibility
from fhir_mapping.record import Patient
from fhir_mapping.rules.context import context, pregnant
from fhir_mapping.rules.eligibility import myositis_onset
from tests.support.facts import ago, diagnosis, record


def finding(name, *facts, **options):
    chart = record(*facts, **options)
    onset = myositis_onset(chart)
    found = {f.finding: f for f in context(chart, Eligibility("definite", "", "unknown", onset=onset))}
    return found.get(name)


def core(days, **more):
    return diagnosis("core", days, **more)


@pytest.mark.parametrize(
    ("onset", "malignancy", "near"),
    [
        (1000, 2096, True),
        (1000, 2097, False),
        (1500, 404, True),
        (1500, 403, False),
        (1000, None, False),
        (None, 1000, False),
    ],
)
def test_a_malignancy_is_near_the_onset_within_three_years_either_side(onset, malignancy, near):
    found = finding("malignancy", core(onset), diagnosis("malignancy", malignancy))
    assert [e.resource for e in found.near_onset] == ([f"Condition/malignancy-{malignancy}"] if near else [])


def test_every_malignancy_is_named_and_only_those_near_the_onset_as_such():
    found = finding("malignancy", core(1000), diagnosis("malignancy", 900), diagnosis("malignancy", 4000))
    assert [e.resource for e in found.evidence] == ["Condition/malignancy-900", "Condition/malignancy-4000"]
    assert found.near_onset == found.evidence[:1]
    assert found.until is None


@pytest.mark.parametrize(("days", "open_"), [(10, True), (1096, True), (1097, False), (None, False)])
def test_the_cancer_window_lasts_three_years(days, open_):
    assert (finding("cancer-window", core(days)) is not None) == open_


def test_the_cancer_window_names_its_last_day_and_the_onset():
    found = finding("cancer-window", core(500), core("2025-01-10"), diagnosis("broad", 100))
    assert found.until == ago(500).last.date() + timedelta(days=1096)
    assert [e.resource for e in found.evidence] == ["Condition/core-500"]


def test_the_last_day_is_one_of_the_client_and_of_the_calendar():
    late = {"settings": {"time_zone": timezone(timedelta(hours=2))}}
    assert finding("cancer-window", core("2025-06-30T23:00:00Z"), **late).until == date(2028, 7, 1)
    end = datetime(9999, 12, 31, tzinfo=UTC)
    assert finding("cancer-window", core("9999-01-01"), as_of=end).until == date(9999, 12, 31)


def test_an_unconfirmed_diagnosis_opens_no_window():
    assert finding("cancer-window", core(500, confirmed=False)) is None


def childhood(onset, born=(date(1990, 5, 20), date(1990, 5, 20)), age=35):
    who = Patient("p1", "female", *born, age=age)
    return finding("childhood-onset", core(onset), patient=who) is not None


@pytest.mark.parametrize(
    ("onset", "shown"),
    [
        ("2008-05-19", True),
        ("2008-05-20", False),
        ("2008-05", False),
        ("2008-04", True),
        ("2008", False),
        ("2007", True),
    ],
)
def test_onset_in_childhood_is_before_the_18th_birthday_by_its_last_instant(onset, shown):
    assert childhood(onset) == shown


def test_birthdays_are_counted_from_the_last_possible_birth_date():
    assert childhood("2008-11-30", (date(1990, 1, 1), date(1990, 12, 31)))
    assert not childhood("2008-12-31", (date(1990, 1, 1), date(1990, 12, 31)))


def test_onset_in_childhood_is_said_of_adults_alone():
    assert not childhood("2020-01-01", (date(2010, 1, 1), date(2010, 1, 1)), age=16)
    assert not childhood("2000-01-01", (None, None), age=None)
    assert finding("childhood-onset", core("1980"), patient=None) is None
    assert not childhood(None)


def test_the_earliest_last_instant_of_several_decides():
    who = Patient("p1", "female", date(1990, 5, 20), date(1990, 5, 20), age=35)
    found = finding("childhood-onset", core("2008"), diagnosis("broad", "2008-03-01"), patient=who)
    assert [e.resource for e in found.evidence] == ["Condition/broad-2008-03-01"]


@pytest.mark.parametrize(
    ("days", "more", "is_pregnant"),
    [
        (300, {}, True),
        (301, {}, False),
        (None, {}, True),
        (10, {"confirmed": False}, False),
        (200, {"abated": True}, False),
        (200, {"abatement": ago(-10)}, True),
        (200, {"clinical": "resolved"}, True),
        (None, {"abated": True}, False),
    ],
)
def test_pregnancy_of_the_last_300_days_that_has_not_ended(days, more, is_pregnant):
    assert pregnant(record(diagnosis("pregnancy", days, **more))) == is_pregnant


def test_one_pregnancy_that_goes_on_is_enough():
    ended = diagnosis("pregnancy", 290, abated=True)
    assert pregnant(record(ended, diagnosis("pregnancy", 5)))
    assert not pregnant(record(ended))
    assert not pregnant(record(core(10)))
