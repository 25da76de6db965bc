"""`imnm-cds call` against services on loopback that answer well, oddly, or not at all."""

import io
import json
import re
import socket
import sys
import threading
import time
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch

import pytest

from cds_service import cds_client
from cds_service.cli import main
from cds_service.commands.call import Action, feedback_item
from cds_service.errors import UnusableInput

CARD = {
    "uuid": "0b5a9a4e-0000-4000-8000-000000000001",
    "summary": "Look at the kidneys",
    "indicator": "warning",
    "detail": "**eGFR** 41",
    "source": {"label": "Another service", "url": "https://example.org/kidneys"},
    "selectionBehavior": "any",
    "suggestions": [{"label": "Order creatinine", "uuid": "s-1"}, {"label": "Without a name"}],
    "links": [{"label": "The guideline", "url": "https://example.org/g", "type": "absolute"}],
    "overrideReasons": [
        {"system": "urn:reasons", "code": "known", "display": "Known already"},
        {"display": "Uncoded"},
    ],
}
SERVICE = {"id": "kidneys", "hook": "patient-view", "title": "Kidneys", "description": "…"}
OTHERS = [
    {"id": "signs", "hook": "order-sign"},
    {"hook": "patient-view"},
    {"id": 3, "hook": "patient-view"},
    "x",
]
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e[bold red]markup[/bold red]\r\x9b31m"


class Service:
    """A CDS service and FHIR server on a free loopback port; `answers` by method and path, `asked` what came."""

    def __init__(self):
        self.answers = {
            "GET /cds-services": (200, {"services": [*OTHERS, SERVICE]}),
            "POST /cds-services/kidneys": (200, {"cards": [CARD]}),
            "POST /cds-services/kidneys/feedback": (200, {"stored": 1}),
            "GET /fhir/Patient/p1": (200, {"resourceType": "Patient", "id": "p1"}),
        }
        self.asked = []
        self.base = ""

    def answer(self, request, path):
        length = int(request.headers.get("Content-Length", 0))
        content = json.loads(request.rfile.read(length)) if length else None
        self.asked.append((f"{request.command} {path}", content))
        status, body, *headers = self.answers.get(f"{request.command} {path}", (404, b""))
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request.send_response(status)
        for name, value in [("Content-Length", str(len(data))), *headers]:
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(data)

    def sent(self, what):
        """What came with one method and path, once."""
        (content,) = [content for asked, content in self.asked if asked == what]
        return content


@pytest.fixture
def service():
    it = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            it.answer(self, self.path)

        def do_POST(self):
            it.answer(self, self.path)

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        it.base = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield it
        server.shutdown()
        thread.join()


def call(discovery, *options, fhir="http://127.0.0.1:1/fhir"):
    """Run the command in this process: its exit status, standard output and standard error."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    argv = ["imnm-cds", "call", discovery, "--fhir", fhir, "--patient", "p1", *options]
    with patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = end.code
    return status or 0, out.getvalue(), err.getvalue()


def called(service, *options):
    return call(f"{service.base}/cds-services", *options, fhir=f"{service.base}/fhir")


def test_the_card_of_another_service_is_shown_with_its_suggestions_and_links(service):
    status, out, err = called(service)
    assert (status, err) == (0, "")
    for words in (
        "kidneys: Kidneys",
        "WARNING",
        "Look at the kidneys",
        "eGFR 41",
        "[ ] Order creatinine",
        "→ The guideline (https://example.org/g)",
        "Dismiss: Known already · Uncoded",
        "Source: Another service (example.org)",
    ):
        assert words in out


def test_the_hook_is_called_as_an_ehr_does(service):
    called(service, "--user", "PractitionerRole/r")
    request = service.sent("POST /cds-services/kidneys")
    assert len(request.pop("hookInstance")) == 36
    assert request == {
        "hook": "patient-view",
        "fhirServer": f"{service.base}/fhir",
        "context": {"userId": "PractitionerRole/r", "patientId": "p1"},
    }
    assert [asked for asked, _ in service.asked] == ["GET /cds-services", "POST /cds-services/kidneys"]


def test_what_the_ehr_can_give_is_prefetched_and_the_rest_is_named(service):
    templates = {
        "patient": "Patient/{{context.patientId}}",
        "gone": "Basic?x=1",
        "visit": "{{context.encounterId}}",
    }
    service.answers["GET /cds-services"] = (200, {"services": [SERVICE | {"prefetch": templates}]})
    _, out, _ = called(service)
    assert service.sent("POST /cds-services/kidneys")["prefetch"] == {
        "patient": {"resourceType": "Patient", "id": "p1"}
    }
    assert "Prefetch: 1 of 3 keys filled." in out
    assert "left out: gone (HTTP 404)" in out
    assert "left out: visit (no value for {{context.encounterId}})" in out


def test_without_prefetch_the_ehr_is_not_asked(service):
    service.answers["GET /cds-services"] = (200, {"services": [SERVICE | {"prefetch": {"p": "Patient/p1"}}]})
    _, out, _ = called(service, "--no-prefetch")
    assert "prefetch" not in service.sent("POST /cds-services/kidneys")
    assert "Prefetch" not in out


def test_a_service_is_chosen_by_its_id_first_for_opening_a_chart(service):
    both = [
        {"id": "b", "hook": "order-sign"},
        {"id": "b", "hook": "patient-view"},
        {"id": "c", "hook": "other"},
    ]
    service.answers["GET /cds-services"] = (200, {"services": [SERVICE, *both]})
    service.answers["POST /cds-services/b"] = service.answers["POST /cds-services/c"] = (200, {"cards": []})
    called(service, "--service", "b")
    called(service, "--service", "c")
    assert service.sent("POST /cds-services/b")["hook"] == "patient-view"
    assert service.sent("POST /cds-services/c")["hook"] == "other"


@pytest.mark.parametrize(
    ("services", "options", "said"),
    [
        ([*OTHERS, SERVICE], ["--service", "x"], "no service x; its services: signs (order-sign), kidneys (patient-view)"),
        (OTHERS, [], "no service for patient-view; its services: signs (order-sign)"),
        ([], [], "no service for patient-view; its services: none that can be called"),
    ],
)  # fmt: skip
def test_a_service_that_is_not_there_is_answered_with_those_that_are(service, services, options, said):
    service.answers["GET /cds-services"] = (200, {"services": services})
    status, out, err = called(service, *options)
    assert (status, out) == (2, "")
    assert err == f"imnm-cds: {service.base}/cds-services offers {said}\n"


def test_silence_is_shown_as_silence(service):
    service.answers["POST /cds-services/kidneys"] = (200, {"cards": []})
    status, out, _ = called(service)
    assert status == 0
    assert "No card is shown" in out


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (412, {"resourceType": "OperationOutcome", "issue": [{"diagnostics": "no\nCK"}]}, "HTTP 412, no CK"),
        (422, {"detail": "a field is missing"}, 'HTTP 422, {"detail": "a field is missing"}'),
        (500, b"<h1>Internal Server Error</h1>", "HTTP 500, no reason given"),
        (404, b"", "HTTP 404, no reason given"),
        (204, b"", "HTTP 204, no reason given"),
        (401, {"issue": [{"diagnostics": HOSTILE}]}, "markup"),
    ],
)
def test_a_refused_call_ends_with_status_1_and_says_why(service, status, body, why):
    service.answers["POST /cds-services/kidneys"] = (status, body)
    ended, out, err = called(service, "--dismiss", "0")
    assert (ended, out) == (1, "")
    address = f"{service.base}/cds-services/kidneys"
    assert err.startswith(f"imnm-cds: the service refused the call: {address} answered HTTP {status}, ")
    assert why in err
    assert re.fullmatch(r"[^\x00-\x1f\x7f-\x9f\u202e]+\n", err)
    assert "POST /cds-services/kidneys/feedback" not in [asked for asked, _ in service.asked]


def test_accepting_names_card_and_suggestion_and_shows_the_answer(service):
    status, out, _ = called(service, "--accept", "1")
    (item,) = service.sent("POST /cds-services/kidneys/feedback")["feedback"]
    moment = datetime.fromisoformat(item.pop("outcomeTimestamp"))
    assert abs(moment - datetime.now(UTC)).total_seconds() < 60
    assert item == {"card": CARD["uuid"], "outcome": "accepted", "acceptedSuggestions": [{"id": "s-1"}]}
    assert out.endswith('Feedback (accepted): the service answered HTTP 200, {"stored": 1}\n')
    assert status == 0


@pytest.mark.parametrize(
    ("number", "reason"),
    [("0", {}), ("1", {"overrideReason": {"reason": {"system": "urn:reasons", "code": "known"}}})],
)
def test_dismissing_names_the_reason_if_there_is_one(service, number, reason):
    service.answers["POST /cds-services/kidneys/feedback"] = (204, b"")
    status, out, _ = called(service, "--dismiss", number)
    (item,) = service.sent("POST /cds-services/kidneys/feedback")["feedback"]
    assert item.pop("outcomeTimestamp").endswith("Z")
    assert item == {"card": CARD["uuid"], "outcome": "overridden"} | reason
    assert out.endswith("Feedback (overridden): the service answered HTTP 204, nothing more\n")
    assert status == 0


def test_feedback_that_is_refused_ends_with_status_1(service):
    del service.answers["POST /cds-services/kidneys/feedback"]
    status, out, _ = called(service, "--accept", "1")
    assert status == 1
    address = f"{service.base}/cds-services/kidneys/feedback"
    assert out.endswith(
        f"Feedback (accepted): the service refused it: {address} answered HTTP 404, no reason given\n"
    )


@pytest.mark.parametrize(
    ("cards", "options", "said"),
    [
        ([CARD], ["--accept", "3"], "there is no suggestion 3: the first card has 2 suggestions"),
        ([CARD], ["--accept", "2"], "suggestion 2 has no uuid, so this service wants no feedback about it"),
        ([CARD], ["--dismiss", "9"], "there is no override reason 9: the first card has 2 override reasons"),
        ([CARD], ["--dismiss", "2"], "override reason 2 has no code that feedback could name"),
        ([CARD | {"uuid": ""}], ["--dismiss", "0"], "the card has no uuid, so this service wants no feedback about it"),
        ([CARD | {"suggestions": 1}], ["--accept", "1"], "there is no suggestion 1: the first card has no suggestions"),
        ([CARD | {"suggestions": [1]}], ["--accept", "1"], "suggestion 1 has no uuid, so this service wants no feedback about it"),
        ([None], ["--accept", "1"], "the card has no uuid, so this service wants no feedback about it"),
        ([], ["--accept", "1"], "there is no card to accept or dismiss"),
    ],
)  # fmt: skip
def test_feedback_that_names_nothing_is_one_sentence_after_the_cards(service, cards, options, said):
    service.answers["POST /cds-services/kidneys"] = (200, {"cards": cards})
    status, out, err = called(service, *options)
    assert (status, err) == (2, f"imnm-cds: {said}\n")
    assert "kidneys: Kidneys" in out
    assert "POST /cds-services/kidneys/feedback" not in [asked for asked, _ in service.asked]


def test_a_card_cannot_be_accepted_and_dismissed(service):
    assert called(service, "--accept", "1", "--dismiss", "0") == (
        2,
        "",
        "imnm-cds: give --accept or --dismiss, not both\n",
    )
    assert service.asked == []


def test_the_time_of_an_action_is_told_in_utc():
    at = datetime.fromisoformat("2026-03-01T09:30:00+02:00")
    assert feedback_item(CARD, Action(dismiss=0), at)["outcomeTimestamp"] == "2026-03-01T07:30:00Z"


def test_one_reason_less_than_asked_is_told_in_the_singular():
    card = CARD | {"overrideReasons": [{}]}
    with pytest.raises(UnusableInput, match=r"the first card has 1 override reason$"):
        feedback_item(card, Action(dismiss=2), datetime.now(UTC))


def test_json_is_one_object_with_request_status_and_response(service):
    status, out, err = called(service, "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == {
        "request": service.sent("POST /cds-services/kidneys"),
        "status": 200,
        "response": {"cards": [CARD]},
    }


def test_json_holds_the_feedback_that_was_sent(service):
    _, out, _ = called(service, "--json", "--accept", "1")
    assert json.loads(out)["feedback"] == {
        "request": service.sent("POST /cds-services/kidneys/feedback"),
        "status": 200,
        "response": {"stored": 1},
    }


def test_json_of_a_refused_call_has_status_1_and_the_answer(service):
    service.answers["POST /cds-services/kidneys"] = (412, {"issue": [{"code": "incomplete"}]})
    status, out, err = called(service, "--json")
    assert status == 1
    assert json.loads(out)["response"] == {"issue": [{"code": "incomplete"}]}
    address = f"{service.base}/cds-services/kidneys"
    assert err == f"imnm-cds: the service refused the call: {address} answered HTTP 412, incomplete\n"


@pytest.mark.parametrize("options", [[], ["--json"], ["--accept", "1"], ["--service", "x"]])
def test_no_text_of_a_service_reaches_the_terminal_as_a_command(service, options):
    hostile = {
        "uuid": HOSTILE,
        "summary": HOSTILE,
        "detail": f"{HOSTILE} &#x202e; &#27;[31m &#x9b;31m [a](http://x&#x202e;y) <b>{HOSTILE}</b>",
        "indicator": HOSTILE,
        "source": {"label": HOSTILE, "url": f"https://{HOSTILE}/"},
        "suggestions": [{"label": HOSTILE, "uuid": HOSTILE}],
        "links": [{"label": HOSTILE, "url": HOSTILE, "type": HOSTILE}],
        "overrideReasons": [{"display": HOSTILE}],
    }
    evil = SERVICE | {"title": HOSTILE, "prefetch": {HOSTILE: HOSTILE}}
    service.answers["GET /cds-services"] = (200, {"services": [evil, {"id": HOSTILE, "hook": HOSTILE}]})
    service.answers["POST /cds-services/kidneys"] = (200, {"cards": [hostile]})
    service.answers["POST /cds-services/kidneys/feedback"] = (500, {"issue": [{"diagnostics": HOSTILE}]})
    _, out, err = called(service, *options)
    assert "markup" in out + err
    assert "[bold red]" in out + err
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", out + err)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("service", "must be an absolute http or https address"),
        ("ftp://host/cds-services", "must be an absolute http or https address"),
        ("http://", "must be an absolute http or https address"),
        ("http://user:secret@host/cds-services", "must be an absolute http or https address"),
        ("http://host/cds services", "must be an address without query, fragment, spaces or non-ASCII characters"),
        ("http://host:99999/", "Port out of range 0-65535"),
        ("http://[/", "Invalid IPv6 URL"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("which", ["discovery", "fhir"])
def test_an_address_that_is_none_is_refused_in_one_line(url, said, which):
    good = "http://127.0.0.1:1/cds-services"
    name = "the discovery address" if which == "discovery" else "--fhir"
    ended = call(url, fhir=good) if which == "discovery" else call(good, fhir=url)
    assert ended == (2, "", f"imnm-cds: {name}: {said}\n")


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_service_that_does_not_listen_is_one_line():
    url = f"http://127.0.0.1:{unused_port()}/cds-services"
    assert call(url) == (2, "", f"imnm-cds: {url}: All connection attempts failed\n")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, b"<html>"), "HTTP 200, the answer is no JSON object"),
        ((404, b"not here"), "HTTP 404; a discovery address usually ends in /cds-services"),
        ((500, {"resourceType": "OperationOutcome"}), "HTTP 500"),
        (
            (307, b"", ("Location", "http://127.0.0.1:1/")),
            "HTTP 307, it leads to another address; give that one",
        ),
        ((200, b" " * (16 * 2**20 + 1)), "HTTP 200, the answer has more than 16 MiB"),
        ((200, b"not gzip", ("Content-Encoding", "gzip")), "Error -3 while decompressing data: "),
    ],
    ids=["not JSON", "404", "500", "redirect", "huge", "not gzip"],
)
def test_a_discovery_that_cannot_be_used_is_one_line(service, answer, said):
    service.answers["GET /cds-services"] = answer
    status, out, err = called(service)
    assert (status, out) == (2, "")
    assert err.startswith(f"imnm-cds: {service.base}/cds-services: {said}")
    assert err.count("\n") == 1


def test_an_answer_without_cards_is_one_line(service):
    service.answers["POST /cds-services/kidneys"] = (200, {"card": CARD})
    said = f"{service.base}/cds-services/kidneys: HTTP 200, the answer has no list `cards`"
    assert called(service) == (2, "", f"imnm-cds: {said}\n")


def test_a_resource_nested_as_deep_as_it_can_be_read_is_no_traceback(service):
    service.answers["GET /cds-services"] = (200, {"services": [SERVICE | {"prefetch": {"p": "Patient/p1"}}]})
    for depth in range(880, 1000, 8):
        service.answers["GET /fhir/Patient/p1"] = (200, b'{"x": ' + b"[" * depth + b"]" * depth + b"}")
        status, out, err = called(service, "--json")
        assert status in {0, 2}
        assert out if status == 0 else re.fullmatch("imnm-cds: .*\n", err)


def test_a_service_that_drips_ends_in_time(monkeypatch):
    monkeypatch.setattr(cds_client, "TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/cds-services"
        assert call(url) == (2, "", f"imnm-cds: {url}: no whole answer within 0.3 s\n")
        thread.join()


def drip(listening):
    """Answer one request a byte at a time, without end, until the client leaves."""
    connection, _ = listening.accept()
    with connection:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        try:
            while True:
                connection.sendall(b" ")
                time.sleep(0.02)
        except OSError:
            return
