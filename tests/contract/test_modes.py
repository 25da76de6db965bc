"""A silent client is assessed like a live one and sees nothing; one that is off is left alone (docs/operations.md)."""

import json
import subprocess
import sys
from dataclasses import dataclass
from unittest.mock import patch

import pytest

from cds_service.demo.patients import chart
from cds_service.settings.client import Client
from cds_service.settings.service import Settings
from cds_service.web.store import Store
from tests.golden.charts import GOLDENS, NAMES, UNHURRIED
from tests.support.charts import clock, healthy_chart, imnm_chart
from tests.support.ehr_simulator import BASE, EhrSimulator, status
from tests.support.service import ACCEPTED, SERVICE, Running, call_body, prefetch_of, running
from tests.support.serving import ROOT, served

BOTH = ("live", "silent")
MODES = (*BOTH, "off")
OPEN = '[[client]]\nname = "hospital"\nmode = "{mode}"\naccepted_by = "x"\naccepted_on = 2024-01-01\n'
RECORD = call_body(fhirServer=None, prefetch=prefetch_of(imnm_chart()))
OTHER = call_body("p2", fhirServer=None, prefetch=prefetch_of(healthy_chart()))


@dataclass(frozen=True)
class Opened:
    """What came of one opened chart: answer, audit event, the requests that the EHR got."""

    status: int
    answer: dict
    audit: dict
    requests: list[str]

    @property
    def told(self) -> dict:
        """The audit event without the mode, and without what no two calls have in common."""
        return {
            k: v for k, v in self.audit.items() if k not in {"mode", "at", "milliseconds", "answer_bytes"}
        }


def resources(name: str) -> list[dict]:
    return [entry["resource"] for entry in chart(name)["entry"]]


def configured(mode: str, store=None, **client: object) -> Settings:
    """One client of the same name and the same secret, whatever its mode."""
    given = {"name": "hospital", "fhir_base": BASE, "accept_unknown_status": True, "mode": mode}
    given |= ACCEPTED | client
    return Settings(client=(Client(**given),), card_secret="the same secret in each mode", store=store)


def service(mode: str, ehr: EhrSimulator | None = None, store=None, **client: object):
    return running(ehr, configured(mode, store, **client), UNHURRIED)


async def opened(name: str, mode: str, fault=None, body: dict | None = None, **client: object) -> Opened:
    """Open a sample patient's chart in this mode; `fault` bends what the EHR says about Conditions."""
    ehr = EhrSimulator(resources(name))
    if fault:
        ehr.bend(fault, "Condition")
    async with service(mode, ehr, **client) as running_service:
        response = await running_service.hook(call_body(name, **(body or {})))
        (audit,) = running_service.audits()
    return Opened(
        response.status_code, response.json(), audit, sorted(map(str, (r.url for r in ehr.requests)))
    )


@pytest.mark.parametrize("name", NAMES)
async def test_a_silent_client_sees_no_card_and_its_audit_is_the_live_one_but_for_the_mode(name):
    live, silent = [await opened(name, mode) for mode in BOTH]
    shown = live.answer["cards"]
    assert len(shown) == GOLDENS[name].get("cards", 1)
    assert (live.status, silent.status) == (200, 200)
    assert silent.answer == {"cards": []}
    assert (live.audit["mode"], silent.audit["mode"]) == BOTH
    assert silent.told == live.told
    assert live.audit["cards"] == len(shown)
    assert live.audit.get("card") == (shown[0]["uuid"] if shown else None)
    assert (live.audit["reason"] == "nothing to say") == (shown == [])
    assert silent.requests == live.requests


async def test_prefetch_is_used_by_a_silent_client_as_by_a_live_one():
    body = {"prefetch": prefetch_of(resources("high-overdue"))}
    live, silent = [await opened("high-overdue", mode, body=body) for mode in BOTH]
    assert len(live.answer["cards"]) == 1
    assert silent.answer == {"cards": []}
    assert silent.told == live.told
    assert live.requests == silent.requests == []


class TestWhereItCannotBeReadWhetherThisIsIMNM:
    async def test_a_silent_client_gets_no_error_and_the_audit_says_the_same(self):
        live, silent = [await opened("plain", mode, status(503)) for mode in BOTH]
        assert (live.status, silent.status) == (412, 200)
        assert silent.answer == {"cards": []}
        assert silent.told == live.told | {"status": 200}
        told = silent.audit
        assert (told["outcome"], told["reason"]) == ("eligibility-unknown", "eligibility unknown")
        assert told["cards"] == 0
        assert "conditions" in told["failed"]

    async def test_a_silent_client_does_not_get_the_info_card_either(self):
        settings = {"when_eligibility_unknown": "card"}
        live, silent = [await opened("plain", mode, status(503), **settings) for mode in BOTH]
        assert len(live.answer["cards"]) == 1
        assert (silent.status, silent.answer) == (200, {"cards": []})
        assert silent.told == live.told
        assert (silent.audit["reason"], silent.audit["cards"]) == ("eligibility unknown", 1)


@pytest.mark.parametrize(
    ("name", "setting", "said"),
    [
        ("possible-imnm", {"show_possible": False}, "nothing to say"),
        ("low-quiet", {"quiet_low": False}, "low band"),
    ],
)
async def test_the_reason_follows_the_client_s_own_settings(name, setting, said):
    live, silent = [await opened(name, mode, **setting) for mode in BOTH]
    assert (live.audit["reason"], silent.audit["reason"]) == (said, said)
    assert (said == "nothing to say") == (live.answer["cards"] == [])


@pytest.mark.parametrize("mode", MODES)
async def test_a_patients_own_view_is_left_alone_in_every_mode(mode):
    context = {"userId": "Patient/plain", "patientId": "high-overdue"}
    own = await opened("high-overdue", mode, body={"context": context})
    assert (own.status, own.answer, own.requests) == (200, {"cards": []}, [])
    assert own.audit["outcome"] == ("off" if mode == "off" else "patients-view")


@pytest.mark.parametrize("name", NAMES)
async def test_nothing_is_read_for_a_client_that_is_off_and_the_audit_says_so(name):
    off = await opened(name, "off")
    assert (off.status, off.answer, off.requests) == (200, {"cards": []}, [])
    assert off.told == {
        "event": "hook-call",
        "service": "imnm-recurrence",
        "outcome": "off",
        "status": 200,
        "body_bytes": off.audit["body_bytes"],
        "peer": "127.0.0.1",
        "client": "hospital",
        "authentication": "none",
        "token": "none",
    }
    assert off.audit["mode"] == "off"


async def test_prefetch_of_a_client_that_is_off_is_not_looked_at():
    broken = {"patient": {"resourceType": "Patient", "id": 7}, "conditions": "none"}
    off = await opened("high-overdue", "off", body={"prefetch": broken})
    assert (off.status, off.answer, off.audit["outcome"]) == (200, {"cards": []}, "off")
    assert "resources" not in off.audit


@pytest.mark.parametrize("mode", MODES)
async def test_a_wrong_request_is_told_in_every_mode(mode):
    async with service(mode) as running_service:
        response = await running_service.hook(call_body(hookInstance=""))
        (audit,) = running_service.audits()
    assert response.status_code == audit["status"] == 400
    assert audit["outcome"] == "refused"
    assert "client" not in audit  # who called is not known before the request has been read


async def crashed(mode: str) -> tuple[int, dict, Running]:
    with patch("cds_service.web.pipeline.assess", side_effect=RuntimeError("Eve Example")):
        async with service(mode, EhrSimulator(resources("high-overdue"))) as running_service:
            response = await running_service.hook(call_body("high-overdue"))
    return response.status_code, response.json(), running_service


async def test_a_crash_is_an_error_for_a_silent_client_too_and_never_looks_like_silence():
    (live, _, first), (silent, answer, second) = await crashed("live"), await crashed("silent")
    assert (live, silent) == (500, 500)
    assert answer["resourceType"] == "OperationOutcome"
    (expected,), (told,) = first.audits(), second.audits()
    assert (told.pop("mode"), expected.pop("mode")) == ("silent", "live")
    for event in (told, expected):
        del event["at"], event["milliseconds"]
    assert told == expected
    assert (told["outcome"], told["status"]) == ("crashed", 500)
    assert "Eve" not in "".join(second.lines) + json.dumps(answer)


@pytest.mark.parametrize("mode", MODES)
async def test_feedback_is_kept_in_every_mode(mode, tmp_path):
    """A card of the days before a client became silent or was switched off may still be answered."""
    live = await opened("high-overdue", "live")
    item = {"card": live.audit["card"], "outcome": "accepted", "outcomeTimestamp": "2026-03-01T10:00:00Z"}
    path = tmp_path / "feedback.sqlite"
    async with service(mode, store=path) as running_service:
        response = await running_service.http.post(f"{SERVICE}/feedback", json={"feedback": [item]})
    assert (response.status_code, response.json()) == (200, {"stored": 1})
    store = Store(path, 1, clock)
    (kept,) = store.all()
    store.close()
    assert (kept.card, kept.outcome) == (live.audit["card"], "accepted")


def called(config, mode: str, *bodies: dict) -> list[dict]:
    """Run `serve` with one client in this mode, call it, and send feedback on each card; gives the answers."""
    config.write_text(f'store = "feedback.sqlite"\n{OPEN.format(mode=mode)}')
    with served(config) as running_service:
        answers = [running_service.post(SERVICE, body).json() for body in bodies]
        for card in (card for answer in answers for card in answer.get("cards", ())):
            item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-03-01T10:00:00Z"}
            item["overrideReason"] = {
                "reason": {k: card["overrideReasons"][1][k] for k in ("system", "code")}
            }
            stored = running_service.post(f"{SERVICE}/feedback", {"feedback": [item, item]})
            assert stored.json() == {"stored": 1}
        running_service.process.terminate()  # which writes every event; a kill may come before the last one
        assert running_service.process.wait(10) == 0
    return answers


def reported(config, *more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "cds_service", "check", "--config", str(config), "--report", *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_line_reports_what_the_service_wrote_while_silent_and_then_live(tmp_path):
    config = tmp_path / "hospital.toml"
    calls = (*[RECORD] * 2, *[OTHER] * 18, OTHER | {"hookInstance": ""})
    silent = called(config, "silent", *calls)
    assert [answer.get("cards") for answer in silent] == [*[[]] * 20, None]
    live = called(config, "live", RECORD, RECORD | {"hookInstance": "another"}, *[OTHER] * 18)
    assert [len(answer["cards"]) for answer in live] == [1, 1, *[0] * 18]
    ended = reported(config, "--audit", str(config.with_suffix(".out")))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert max(len(line) for line in ended.stdout.splitlines() if not line.startswith("imnm-cds:")) <= 80
    words = [" ".join(line.split()) for line in ended.stdout.splitlines()]
    for line in (
        "hospital, silent: 20 charts opened, 20 looked at",
        "cards would have been shown 2 100.0",
        "hospital, live: 20 charts opened, 20 looked at",
        "cards shown 2 100.0",
        "Caller not known: 1 chart opened, 0 looked at",
        "status 400 1",
        "action-completed 0 2 2",
        "Shown, and no feedback: 0 cards. What became of them is not known.",
    ):
        assert line in words


def test_the_command_line_says_in_one_line_what_cannot_be_reported(tmp_path):
    config = tmp_path / "hospital.toml"
    config.touch()
    ended = reported(config, "--audit", str(tmp_path / "absent"))
    assert ended.returncode == 2
    said = f"imnm-cds: --audit: {tmp_path / 'absent'} cannot be read: No such file or directory\n"
    assert ended.stderr == said
