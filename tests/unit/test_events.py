import json

import pytest

from cds_service.events import Event, Events
from fhir_mapping.checks.doubts import REASONS
from tests.support.charts import clock


def written(event: Event, **fields: object) -> dict:
    lines: list[str] = []
    Events(lines.append, clock).emit(event, **fields)
    (line,) = lines
    assert "\n" not in line
    assert line.isascii()
    assert line == json.dumps(json.loads(line))
    return json.loads(line)


def test_an_event_is_one_line_of_json_with_its_time():
    assert written(Event.STARTED, clients=2, services=1, model="imnm-recurrence 1.0.1", rules="2") == {
        "at": "2026-03-01T09:00:00.000+00:00",
        "event": "started",
        "clients": 2,
        "services": 1,
        "model": "imnm-recurrence 1.0.1",
        "rules": "2",
    }


def test_a_field_that_does_not_belong_to_an_event_is_a_mistake_of_ours():
    with pytest.raises(TypeError, match="started has no field patient"):
        written(Event.STARTED, patient="p1")


def test_an_event_is_written_whatever_becomes_of_its_count():
    def cannot(_):
        raise FileNotFoundError

    lines: list[str] = []
    with pytest.raises(FileNotFoundError):
        Events(lines.append, clock, watch=cannot).emit(Event.STOPPED)
    assert len(lines) == 1


@pytest.mark.parametrize("text", ["a\r\nb", "\x1b[31m", '{"a":1}', "Eve Ë", "", "x" * 100, "<b>"])
def test_text_that_is_no_word_of_ours_is_not_written(text):
    assert written(Event.HOOK_CALL, outcome=text)["outcome"] == "other"


@pytest.mark.parametrize("address", ["https://ehr.example/fhir", "https://krankenhäuser.example/ä", 'x/"y"'])
def test_an_address_is_written_as_json_escapes_it(address):
    assert written(Event.HOOK_CALL, refused_server=address)["refused_server"] == address


def test_reasons_are_counted_and_unknown_ones_are_other():
    refused = {"other patient": 2, "entered-in-error": 1, "eve example": 3, "1970-05-17": 1}
    assert written(Event.HOOK_CALL, refused=refused)["refused"] == {
        "other patient": 2,
        "entered-in-error": 1,
        "other": 4,
    }


def test_whatever_is_refused_and_doubted_for_it_has_its_name():
    refused = dict.fromkeys(REASONS - {"no value", "interval"}, 1)  # of these nothing is refused
    assert written(Event.HOOK_CALL, refused=refused)["refused"] == refused


def test_a_number_must_be_one():
    with pytest.raises(ValueError, match="invalid literal"):
        written(Event.HOOK_CALL, status="ok")


def test_what_could_not_be_read_is_said_by_key():
    failed = {"conditions": "page 2: HTTP 503", "ana": "timed\nout"}
    assert written(Event.HOOK_CALL, failed=failed)["failed"] == {
        "conditions": "page 2: HTTP 503",
        "ana": "other",
    }
