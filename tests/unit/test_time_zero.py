"""From which day a model's time zero is counted (S11), and which landmark that gives."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from cds_service.cards.assessment import assess
from fhir_mapping.evidence import Eligibility
from fhir_mapping.record import Doubt
from fhir_mapping.rules.time_zero import anchor_day
from models.registry import default_folder, load_model
from tests.support.changes import replace
from tests.support.facts import AS_OF, ago, diagnosis, record
from tests.support.landmarks import with_landmarks

DAY = date(2024, 9, 1)
ONSET = Eligibility("definite", "", "unknown", onset=datetime(2024, 9, 1, tzinfo=UTC))


def doubt(role, text, resource="Condition/x"):
    return Doubt(resource, role, "unknown status", AS_OF, date=text)


def known(*doubts, zone="UTC"):
    chart = record()
    mapping = replace(chart.mapping, time_zone=ZoneInfo(zone))
    return anchor_day(replace(chart, doubts=doubts, mapping=mapping), ONSET, "onset")


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("2024-09-01", True),
        ("2024-08-31", False),
        ("2024-09", True),
        ("2024-08", False),
        ("2024", False),
        ("2025", True),
        ("", False),
    ],
)
def test_a_doubt_that_may_be_earlier_makes_the_anchor_unknown(text, stays):
    of = doubt("broad", text)
    assert known(of) == (DAY if stays else of)


def test_the_earliest_doubt_is_named_and_one_in_another_role_does_not_matter():
    late, early = doubt("core", "2023-05", "Condition/b"), doubt("broad", "2023", "Condition/c")
    assert known(late, early) == early
    assert known(late, doubt("core", "2023-05", "Condition/a")).resource == "Condition/a"
    assert known(doubt("methotrexate", "2001"), doubt("ck", "2001"), doubt("cardiac", "")) == DAY


def test_the_day_is_one_of_the_client():
    assert known(zone="America/New_York") == date(2024, 8, 31)


def test_without_an_onset_or_an_agent_the_anchor_is_not_on_record():
    nobody = Eligibility("definite", "", "unknown")
    assert anchor_day(record(), nobody, "onset") is None
    assert anchor_day(record(), nobody, "first-agent") is None
    of = doubt("agent", "2020", "MedicationStatement/x")
    assert anchor_day(replace(record(), doubts=(of,)), nobody, "first-agent") == of


@cache
def shipped():
    return load_model(default_folder())


def used(days, offset, *, model=None):
    chart = record(diagnosis("core", days))
    return assess(chart, model or with_landmarks(shipped(), "onset", offset)).landmark


@pytest.mark.parametrize(
    ("since", "days"), [(-1, 0), (0, 0), (364, 0), (365, 365), (729, 365), (730, 730), (1095, 1095)]
)
def test_the_latest_landmark_that_is_not_after_today_is_used(since, days):
    landmark = used(since + 400, 400)
    assert (landmark.since, landmark.days) == (since, days)
    assert landmark.note == ("time zero of the model is in 1 days" if since < 0 else "")


def test_an_unknown_anchor_is_landmark_0_and_the_note_names_what_could_not_be_used():
    landmark = used(None, 180)
    assert (landmark.days, landmark.since) == (0, None)
    assert (
        landmark.note == "time since time zero is not known, for myositis onset is not: it is not on record"
    )
    chart = replace(record(diagnosis("core", 500)), doubts=(doubt("core", ""),))
    note = assess(chart, with_landmarks(shipped(), "onset", 180)).landmark.note
    assert note.endswith("myositis onset is not: Condition/x may be earlier and could not be used")


def test_a_model_without_a_time_zero_has_no_landmark_and_nobody_else_is_asked():
    assert used(1000, 180, model=shipped()) is None
    unasked = assess(record(), with_landmarks(shipped()))
    assert unasked.landmark is None


def test_an_earlier_day_has_its_own_landmark():
    model = with_landmarks(shipped(), "onset", 180)
    then = [
        assess(
            replace(record(diagnosis("core", 1000)), as_of=AS_OF - timedelta(days=back)), model
        ).landmark.days
        for back in (0, 91, 456, 830)
    ]
    assert then == [730, 365, 0, 0]
    assert ago(1000).first < AS_OF
