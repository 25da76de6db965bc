"""H1, H2: nothing of a patient, a token or a request turns up in a log, an audit event or an error."""

import contextlib
import json
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from cds_service.cards.assessment import assess
from cds_service.events import Events
from cds_service.settings.limits import Limits
from cds_service.web.app import write_line
from tests.support import ehr_simulator as sim
from tests.support.canaries import JWT, PATIENT_ID, TOKEN, Planter, Sinks, call, record
from tests.support.ehr_simulator import BASE, EhrSimulator
from tests.support.feedback import CARD, EPIC, SUGGESTION, accepted, overridden
from tests.support.service import ORIGIN, SERVICE, prefetch_of, running, settings

FAULTS = {
    "none": None,
    "hang": sim.hang,
    "refused": sim.refuse_connection,
    "reset": sim.reset,
    "truncated": sim.truncated,
    "html": sim.body(b"<html>zqcanary-login-page</html>"),
    "500": sim.status(500, "zqcanary-issue"),
    "400": sim.status(400, "zqcanary-issue"),
    "403": sim.status(403),
    "redirect": sim.status(302, location="https://zqcanary.example/"),
    "next": sim.with_next("https://zqcanary.example/next"),
    "remark": sim.changed(
        lambda b: b.setdefault("entry", []).append({"resource": sim.outcome("zqcanary", "warning")})
    ),
    "other version": sim.changed(lambda b: b.update(resourceType="zqcanary-Bundle")),
    "header": sim.body(b"{}", retry_after="zqcanary", content_encoding="zqcanary"),
}


@pytest.fixture
def plant() -> Planter:
    return Planter()


class Watched:
    """A running service whose sinks are all caught."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self.sinks = Sinks()
        self._capfd = capfd

    def take(self, response: httpx.Response) -> httpx.Response:
        """Catch an answer; cards are what a clinician is meant to see, an error is not."""
        if response.status_code != 200:
            self.sinks.add("error", response.text)
        self.sinks.add("headers", str(response.headers))
        return response

    def check(self) -> None:
        out, err = self._capfd.readouterr()
        self.sinks.add("stdout", out)
        self.sinks.add("stderr", err)
        assert list(self.sinks.leaks()) == []


@pytest.fixture
def watched(capfd) -> Iterator[Watched]:
    seen = Watched(capfd)
    yield seen
    seen.check()


@contextlib.asynccontextmanager
async def service_of(ehr: EhrSimulator, watched: Watched, **running_: object):
    """The service, its events written to standard output as in production, and caught."""
    async with running(ehr, **running_) as service:
        yield service
        for line in service.lines:
            write_line(line)
            watched.sinks.add("events", line)


def chart_at(plant: Planter) -> EhrSimulator:
    return EhrSimulator(record(plant), token=TOKEN)


def test_there_are_canaries_in_25_places_and_more(plant):
    record(plant)
    call(plant, BASE)
    assert len(set(plant.planted)) >= 25


async def test_the_canary_chart_is_a_chart_that_gets_a_card(plant, watched):
    async with service_of(chart_at(plant), watched) as service:
        response = watched.take(await service.hook(call(plant, BASE)))
        (audit,) = service.audits()
    assert (response.status_code, audit["outcome"], audit["token"]) == (200, "scored", "used")
    assert audit["refused"]["unknown status"] == 2


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("kind", ["", "Patient", "Condition", "Observation", "MedicationRequest"])
async def test_no_fault_of_a_server_makes_us_talk(fault, kind, plant, watched):
    ehr = chart_at(plant)
    if fault:
        ehr.bend(fault, kind)
    async with service_of(ehr, watched, limits=Limits(answer_seconds=0.4, render_seconds=0.2)) as service:
        watched.take(await service.hook(call(plant, BASE), authorization=f"Bearer {JWT}", origin=ORIGIN))


def _feedback(plant: Planter) -> dict:
    """Feedback with a canary in every string that is not a word of the standard."""
    said = {
        "reason": {
            "system": f"Mrs {plant('system')}",
            "code": f"Mrs {plant('code')}",
            "display": plant("display"),
            "version": plant("version"),
            "extension": [{"url": plant("url"), "valueString": plant("coding-extension")}],
        },
        "userComment": plant("comment"),
        "extension": {f"{EPIC}.reasonDisplay": plant("epic"), f"{EPIC}.reasonTitle": f"Mrs {plant('title')}"},
        plant("reason-member"): plant("reason-value"),
    }
    ours = {"card": CARD, "extension": {plant("item-member"): plant("item-value")}}
    items = [
        overridden(overrideReason=said, **ours),
        overridden(overrideReason=..., overrideReasons=[said, {"extension": said["extension"]}], **ours),
        accepted(acceptedSuggestions=[{"id": SUGGESTION, "label": plant("label")}], **ours),
    ]
    return {"feedback": items, plant("body-member"): plant("body-value")}


WRONG_FEEDBACK = {
    "none": lambda item: item,
    "card": lambda item: item | {"card": "zqcanary"},
    "outcome": lambda item: item | {"outcome": "zqcanary"},
    "time": lambda item: item | {"outcomeTimestamp": "zqcanary"},
    "suggestion": lambda item: item | {"acceptedSuggestions": [{"id": "zqcanary"}]},
    "suggestions": lambda item: item | {"acceptedSuggestions": "zqcanary"},
    "reason": lambda item: item | {"overrideReason": "zqcanary"},
    "code": lambda item: item | {"overrideReason": {"reason": {"code": ["zqcanary"]}}},
    "comment": lambda item: item | {"overrideReason": {"userComment": {"zqcanary": 1}}},
}


@pytest.mark.parametrize("wrong", WRONG_FEEDBACK.values(), ids=WRONG_FEEDBACK)
@pytest.mark.parametrize("locked", [False, True], ids=["free", "locked"])
async def test_feedback_leaves_codes_and_nothing_else(wrong, locked, plant, watched, tmp_path):
    store = tmp_path / "feedback.sqlite"
    configured = settings().model_copy(update={"store": store})
    limits = Limits(store_seconds=0.05)
    async with service_of(EhrSimulator(), watched, configured=configured, limits=limits) as service:
        with closing(sqlite3.connect(store, isolation_level=None)) as other:
            if locked:
                other.execute("BEGIN IMMEDIATE")
            body = _feedback(plant)
            body["feedback"][1] = wrong(body["feedback"][1])
            headers = {"content-type": "application/json", "authorization": f"Bearer {JWT}"}
            response = watched.take(
                await service.http.post(f"{SERVICE}/feedback", content=json.dumps(body), headers=headers)
            )
            assert response.status_code in ({200, 400} if not locked else {400, 503})
            _catch_files(watched, tmp_path)
    _catch_files(watched, tmp_path)


def _catch_files(watched: Watched, folder: Path) -> None:
    """Look at the database as it lies on the disk, its journal included."""
    files = list(folder.iterdir())
    assert files
    for file in files:
        watched.sinks.add("database", file.read_bytes().decode("latin-1"))


WRONG = {
    "cut off": lambda body: body[:-9],
    "not UTF-8": lambda body: body.replace(b"zqcanary", b"zqcanary\xff", 1),
    "no context": lambda body: json.dumps({**json.loads(body), "context": "zqcanary"}).encode(),
    "no user": lambda body: body.replace(b"Practitioner/", b"Practitioner "),
    "id with a path": lambda body: body.replace(PATIENT_ID.encode(), b"../" + PATIENT_ID.encode()),
    "another server": lambda body: body.replace(
        BASE.encode(), b"https://zqcanary:zqcanary@other.example?zqcanary#zqcanary"
    ),
    "another hook": lambda body: body.replace(b"patient-view", b"zqcanary-view"),
    "a name twice": lambda body: body[:-1] + b', "hook": "zqcanary"}',
    "another patient's token": lambda body: body.replace(
        b'"token_type"', b'"patient": "zqcanary-x", "token_type"'
    ),
    "no token type": lambda body: body.replace(b'"Bearer"', b'"zqcanary"'),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
async def test_no_mistake_of_a_caller_comes_back_to_him(change, plant, watched):
    async with service_of(chart_at(plant), watched) as service:
        body = change(json.dumps(call(plant, BASE)).encode())
        response = watched.take(await service.hook(body, origin="https://zqcanary.example"))
    assert response.status_code in {200, 400, 403, 412}


async def test_no_path_header_or_method_comes_back(watched):
    async with service_of(EhrSimulator(), watched) as service:
        for method, path in (("GET", "/zqcanary"), ("PUT", SERVICE), ("POST", "/cds-services/zqcanary")):
            watched.take(
                await service.http.request(
                    method, path, headers={"x": "zqcanary", "content-type": "zqcanary"}
                )
            )
        watched.take(await service.hook(b"{}", content_type="zqcanary"))
        watched.take(await service.hook(b"{}", content_encoding="zqcanary"))


async def test_a_crash_says_where_and_not_what(plant, watched, monkeypatch):
    def broken(record: object, *_: object, **__: object) -> None:
        raise RuntimeError(repr(record))

    monkeypatch.setattr("cds_service.web.pipeline.assess", broken)
    async with service_of(chart_at(plant), watched) as service:
        assert watched.take(await service.hook(call(plant, BASE))).status_code == 500


async def test_what_a_request_and_a_record_say_about_themselves_hides_the_token(plant):
    from cds_service.web.body import read

    body = json.dumps(call(plant, BASE, prefetch=prefetch_of(record(plant)))).encode()
    shown = repr(read(body, "patient-view", Limits()))
    assert TOKEN not in shown
    assert "zqcanary-family" not in shown


class TestALeak:
    """The fixture itself: a leak planted in each sink that exists is caught."""

    @staticmethod
    def _caught(watched: Watched, sink: str) -> None:
        with pytest.raises(AssertionError, match=sink):
            watched.check()
        watched.sinks.written.clear()

    async def test_in_an_event_is_caught(self, plant, watched, monkeypatch):
        emit = Events.emit
        monkeypatch.setattr(Events, "emit", lambda self, event, **fields: emit(self, event, **_leaky(fields)))
        async with service_of(chart_at(plant), watched) as service:
            await service.hook(call(plant, BASE))
        self._caught(watched, "events")

    async def test_in_an_error_is_caught(self, plant, watched, monkeypatch):
        monkeypatch.setattr(
            "cds_service.errors.ServiceError.body", lambda error: f'["{error} {PATIENT_ID}"]'.encode()
        )
        async with service_of(chart_at(plant), watched) as service:
            watched.take(await service.hook(b""))
        self._caught(watched, "error")

    async def test_in_a_header_is_caught(self, plant, watched, monkeypatch):
        monkeypatch.setattr("cds_service.errors.ServiceError.headers", {"X-Patient": PATIENT_ID})
        async with service_of(chart_at(plant), watched) as service:
            watched.take(await service.hook(b""))
        self._caught(watched, "headers")

    @pytest.mark.parametrize("stream", ["stdout", "stderr"])
    async def test_on_a_standard_stream_is_caught(self, stream, plant, watched, monkeypatch):
        from cds_service.web import pipeline

        def talking(record, model, **more):
            print(record.patient_id, file=getattr(sys, stream))
            return assess(record, model, **more)

        monkeypatch.setattr(pipeline, "assess", talking)
        async with service_of(chart_at(plant), watched) as service:
            await service.hook(call(plant, BASE))
        self._caught(watched, stream)

    @pytest.mark.parametrize("place", ["code", "system"])
    async def test_in_the_database_is_caught(self, place, plant, watched, monkeypatch, tmp_path):
        monkeypatch.setattr(f"cds_service.web.feedback._{place.upper()}", re.compile(".*"))
        await test_feedback_leaves_codes_and_nothing_else(lambda item: item, False, plant, watched, tmp_path)
        self._caught(watched, "database")

    async def test_of_a_token_to_another_server_is_caught(self):
        ehr = EhrSimulator(token=TOKEN)
        await ehr.handle_async_request(
            httpx.Request("GET", "https://evil.example/fhir", headers={"authorization": f"Bearer {TOKEN}"})
        )
        await ehr.handle_async_request(
            httpx.Request("GET", f"{BASE}/x", headers={"authorization": "Bearer other"})
        )
        assert len(ehr.strays) == 2


def _leaky(fields: dict) -> dict:
    return {**fields, "outcome": PATIENT_ID} if "outcome" in fields else fields


HOSTILE = [
    "a\r\nevent: forged",
    '","event":"forged',
    "\x1b[31mred",
    "\u2028",
    "\x00",
    "a" * 10_000,
    "{}",
    "%s%n",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_every_call_leaves_one_line_of_json_whatever_a_record_says(text, plant):
    chart = record(plant)
    for resource in chart[1:]:
        resource["status"] = text
    async with running(EhrSimulator(chart)) as service:
        await service.hook(call(plant, BASE, hookInstance=text, fhirAuthorization=None))
        lines = [line for line in service.lines if json.loads(line)["event"] == "hook-call"]
    assert len(lines) == 1
    assert all("forged" not in line and line.isprintable() and line.isascii() for line in service.lines)
