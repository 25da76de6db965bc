"""H2 and what stands behind it: every request ends in one event on one line, whatever it holds and however it ends; and
whoever reads the events, or does not, holds up no call, no probe and no end."""

import json
import os
import time
from pathlib import Path

import httpx
import pytest

from cds_service.settings.service import Settings
from tests.support.charts import imnm_chart
from tests.support.nightly import count
from tests.support.raw import connected, said, statuses, until_closed
from tests.support.service import SERVICE, call_body, prefetch_of, running
from tests.support.serving import OPEN, eventually, open_config, served
from tests.support.tokens import PUBLIC, Hospital, bearer, proving

BODY = call_body(fhirServer=None, prefetch=prefetch_of(imnm_chart()))
ODD = [
    "a\r\nb",
    "\x1b[31mred",
    '{"event": "hook-call"}',
    "\u202eevil",
    "a\x00b",
    "\\n",
    '"',
    "x" * 5000,
    "<script>",
    "%0d%0a",
]
KINDS = {"hook-call", "feedback", "request"}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    config = tmp_path_factory.mktemp("events") / "imnm.toml"
    config.write_text(f'store = "feedback.sqlite"\n{OPEN}')
    with served(config, environment={"IMNM_CDS_AUDIT_SECRET": "a secret of the test"}) as running:
        eventually(lambda: lines(running), "the event of the first probe is there")
        time.sleep(0.2)
        yield running


def lines(service) -> list[dict]:
    """The events of all requests so far; each line must be one, and nothing else may stand there."""
    events = [json.loads(line) for line in service.out.read_text().split("\n")[:-1]]
    return [event for event in events if event["event"] in KINDS]


def one_event(service, before: int) -> dict:
    """The one event that came after so many; waits for it, and a little for a second one."""
    eventually(lambda: len(lines(service)) > before, "there is an event", seconds=10)
    time.sleep(0.05)
    (event,) = lines(service)[before:]
    return event


def sent(service, path: str, body: object = None, method: str = "POST", **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    named = {"content-type": "application/json"} | headers
    return httpx.request(
        method, service.base + path, content=content, headers=named, timeout=20, trust_env=False
    )


CALLS = {
    "discovery": ("GET", "/cds-services", None, ("request", 200, "discovery")),
    "health": ("GET", "/health", None, ("request", 200, "health")),
    "ready": ("HEAD", "/ready", None, ("request", 200, "ready")),
    "nothing there": ("GET", "/x", None, ("request", 404, "other")),
    "no such service": ("POST", "/cds-services/other", BODY, ("request", 404, "service")),
    "no such service's feedback": ("POST", "/cds-services/other/feedback", BODY, ("request", 404, "feedback")),
    "another method": ("PUT", SERVICE, b"", ("request", 405, "service")),
    "a method of our own": ("BREW", SERVICE, None, ("request", 405, "service")),
    "no JSON": ("POST", SERVICE, b"{", ("hook-call", 400, None)),
    "no feedback": ("POST", f"{SERVICE}/feedback", b"{", ("feedback", 400, None)),
    "a card": ("POST", SERVICE, BODY, ("hook-call", 200, None)),
    "another client": ("POST", SERVICE, BODY | {"fhirServer": "https://evil.example"}, ("hook-call", 403, None)),
}  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "expected"), CALLS.values(), ids=CALLS)
def test_a_request_is_one_event(service, method, path, body, expected):
    before = len(lines(service))
    response = sent(service, path, body, method)
    event = one_event(service, before)
    assert (event["event"], event["status"], event.get("target")) == expected
    assert event["status"] == response.status_code
    assert event["peer"] == "127.0.0.1"
    assert event["answer_bytes"] == len(response.content) or method == "HEAD"
    assert 0 < event["milliseconds"] < 20_000


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("place", ["path", "user", "server", "header", "instance"])
def test_no_text_of_a_request_breaks_a_line_or_gets_into_one(service, text, place):
    before = len(lines(service))
    marked = f"zq-marker {text}"
    body, path, headers = dict(BODY), SERVICE, {}
    if place == "path":
        path = f"/{httpx.QueryParams({'x': marked})}"
    elif place == "user":
        body["context"] = {"userId": f"Practitioner/{marked}", "patientId": "p1"}
    elif place == "server":
        body["fhirServer"] = f"https://{marked}@evil.example/"
    elif place == "header":
        headers = {"x-odd": marked.encode("ascii", "ignore").decode().translate({0: " ", 10: " ", 13: " "})}
    else:
        body["hookInstance"] = marked
    sent(service, path, body, **headers)
    event = one_event(service, before)
    assert "zq-marker" not in json.dumps(event)


LINES = {
    "CR LF": b"a\r\nevent: forged",
    "LF": b"a\nevent: forged",
    "CR": b"a\revent: forged",
    "ANSI": b"\x1b[31mred\x1b[2K",
    "JSON": b'","event":"hook-call","status":200}',
    "line separator": "\u2028forged".encode(),
    "paragraph separator": "\u2029forged".encode(),
    "next line": "\u0085forged".encode(),
    "next line in Latin-1": b"\x85forged",
    "right to left": "\u202eforged".encode(),
    "encoded": b"%0d%0a%e2%80%a8%1b[31m",
}
REQUEST = {
    "path": b"GET /%b HTTP/1.1\r\nHost: x\r\n",
    "query": b"GET /cds-services?%b HTTP/1.1\r\nHost: x\r\n",
    "service": b"POST /cds-services/%b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n",
    "method": b"%b /cds-services HTTP/1.1\r\nHost: x\r\n",
    "version": b"GET /cds-services HTTP/%b\r\nHost: x\r\n",
    "Host": b"GET /cds-services HTTP/1.1\r\nHost: %b\r\n",
    "Origin": b"GET /cds-services HTTP/1.1\r\nHost: x\r\nOrigin: %b\r\n",
    "User-Agent": b"GET /cds-services HTTP/1.1\r\nHost: x\r\nUser-Agent: %b\r\n",
    "X-Forwarded-For": b"GET /cds-services HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %b\r\n",
    "Authorization": b"GET /cds-services HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n",
    "Content-Type": b"POST /cds-services/imnm-recurrence HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Type: %b\r\n",
}


@pytest.mark.parametrize("request_", REQUEST.values(), ids=REQUEST)
def test_no_bytes_on_the_wire_break_a_line_or_get_into_one(service, request_):
    before = len(lines(service))
    for text in LINES.values():
        said(service, request_ % (b"zq-marker" + text) + b"Connection: close\r\n\r\n")
    eventually(lambda: len(lines(service)) >= before + len(LINES), "each has its event", seconds=10)
    time.sleep(0.05)
    assert len(lines(service)) == before + len(LINES)
    written = service.out.read_text()
    assert "zq-marker" not in written
    assert "forged" not in written
    assert all(line.isascii() and line.isprintable() for line in written.split("\n"))
    assert service.complaints() == []


@pytest.mark.parametrize("text", LINES.values(), ids=LINES)
@pytest.mark.parametrize("place", ["kid", "jku", "iss", "sub", "aud", "jti", "tenant"])
async def test_no_word_of_a_token_breaks_a_line_or_gets_into_one(text, place, tmp_path):
    written = f"zq-marker{text.decode('latin-1')}"
    part = {"header": {place: written}} if place in {"kid", "jku"} else {"claims": {place: written}}
    configured = Settings(client=(proving(mode="off"),), public_url=PUBLIC, store=tmp_path / "store.sqlite")
    async with running(Hospital(), configured=configured) as inside:
        await inside.hook(call_body(), authorization=bearer(**part))
        assert len(inside.audits()) == 1
        written = "".join(inside.lines)
    assert "zq-marker" not in written
    assert written.isascii()
    assert written.isprintable()


def test_who_and_whom_are_digests_that_stay_the_same(service):
    events = []
    for user, patient in [("1", "p1"), ("1", "p2"), ("2", "p1"), ("1", "p1")]:
        before = len(lines(service))
        context = {"userId": f"Practitioner/{user}", "patientId": patient}
        sent(service, SERVICE, BODY | {"context": context})
        events.append(one_event(service, before))
    requesters, patients = ([event[name] for event in events] for name in ("requester", "patient"))
    assert requesters[0] == requesters[1] == requesters[3] != requesters[2]
    assert patients[0] == patients[2] == patients[3] != patients[1]
    assert not set(requesters) & set(patients)


def test_a_caller_that_leaves_is_status_0(service):
    before = len(lines(service))
    with connected(service) as connection:
        head = f"POST {SERVICE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{{"
        connection.sendall(head.encode())
        time.sleep(0.2)
    event = one_event(service, before)
    assert (event["event"], event["status"], event["body_bytes"]) == ("hook-call", 0, 1)


def test_a_body_that_is_late_is_408(service):
    before = len(lines(service))
    with connected(service) as connection:
        head = f"POST {SERVICE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{{"
        connection.sendall(head.encode())
        assert statuses(until_closed(connection)) == [408]
    event = one_event(service, before)
    assert (event["event"], event["status"]) == ("hook-call", 408)
    assert event["milliseconds"] > 1900


def test_the_time_of_a_request_begins_with_its_first_byte(service):
    before = len(lines(service))
    with connected(service) as connection:
        connection.sendall(b"G")
        time.sleep(0.5)
        connection.sendall(b"ET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert statuses(until_closed(connection)) == [200]
    assert one_event(service, before)["milliseconds"] >= 450


def probes(service, seconds: float = 5) -> None:
    """A call and a probe are answered as ever."""
    answer = httpx.post(service.base + SERVICE, json=BODY, timeout=seconds, trust_env=False)
    assert (answer.status_code, len(answer.json()["cards"])) == (200, 1)
    assert httpx.get(f"{service.base}/health", timeout=seconds, trust_env=False).status_code == 200


@pytest.fixture
def config(tmp_path):
    return open_config(tmp_path)


class TestTheReader:
    def test_that_stalls_holds_up_no_call_no_probe_and_no_end(self, config):
        reads, writes = os.pipe()
        with served(config, stdout=writes) as service:
            os.close(writes)
            for _ in range(count(300, 3000)):  # far more than a pipe of 64 kB holds
                httpx.get(f"{service.base}/health", timeout=5, trust_env=False)
            probes(service)
            service.process.terminate()
            assert service.process.wait(10) == 0
        os.close(reads)

    @pytest.mark.parametrize("workers", [1, 2])
    def test_that_is_gone_holds_up_no_call_no_probe_and_no_end(self, config, workers):
        reads, writes = os.pipe()
        with served(config, workers, stdout=writes) as service:
            os.close(writes)
            os.close(reads)
            for _ in range(5):
                probes(service)
            service.process.terminate()
            assert service.process.wait(10) == 0
            assert service.complaints() == []

    def test_that_comes_back_hears_how_many_were_lost(self, config):
        folder = config.parent
        os.mkfifo(folder / "events")
        first = os.open(folder / "events", os.O_RDONLY | os.O_NONBLOCK)
        writes = os.open(folder / "events", os.O_WRONLY)
        with served(config, stdout=writes) as service:
            time.sleep(0.3)  # what came so far is heard
            os.close(first)
            lost = 7
            for _ in range(lost):
                httpx.get(f"{service.base}/health", trust_env=False)
            time.sleep(0.2)
            again = os.open(folder / "events", os.O_RDONLY | os.O_NONBLOCK)
            httpx.get(f"{service.base}/health", trust_env=False)
            time.sleep(0.5)
            heard = [json.loads(line) for line in os.read(again, 65536).splitlines()]
        assert [event["lost"] for event in heard if "lost" in event] == [lost]
        os.close(again)
        os.close(writes)

    def test_on_a_full_disk_holds_up_nothing_either(self, config):
        with Path("/dev/full").open("wb") as full, served(config, stdout=full) as service:
            for _ in range(5):
                probes(service)
            service.process.terminate()
            assert service.process.wait(10) == 0


class TestWhereEventsMustNotBeLost:
    @pytest.fixture
    def refusing(self, config):
        config.write_text(f'when_events_are_lost = "refuse"\n{OPEN}')
        with Path("/dev/full").open("wb") as full, served(config, stdout=full) as service:
            yield service

    def test_calls_are_503_and_probes_go_on(self, refusing):
        answer = httpx.post(refusing.base + SERVICE, json=BODY, timeout=5, trust_env=False)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert httpx.get(f"{refusing.base}/health", timeout=5, trust_env=False).status_code == 200

    def test_calls_go_on_as_long_as_events_do(self, config):
        config.write_text(f'when_events_are_lost = "refuse"\n{OPEN}')
        with served(config) as service:
            for _ in range(3):
                probes(service)
