"""Callers who do not finish what they begin: half heads, one byte of a body, answers nobody reads. An honest caller
loses no call meanwhile, and what is held is let go."""

import json
import resource
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

import httpx
import pytest

from cds_service.settings.limits import Limits
from tests.support.charts import imnm_chart
from tests.support.nightly import NIGHTLY, count
from tests.support.raw import connected, said, statuses, until_closed
from tests.support.service import SERVICE, call_body, prefetch_of
from tests.support.serving import eventually, open_config, served

BODY = call_body(fhirServer=None, prefetch=prefetch_of(imnm_chart()))
HALF_HEAD = f"POST {SERVICE} HTTP/1.1\r\nHost: x\r\n".encode()
HEAD = HALF_HEAD + b"Content-Type: application/json\r\n"
ONE_BYTE = HEAD + b"Content-Length: 100000\r\n\r\n{"
LIMITS = Limits()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with served(open_config(tmp_path_factory.mktemp("slow"))) as running:
        yield running


def closed(connection: socket.socket) -> bool:
    """Whether the other side has ended a connection; never waits."""
    connection.setblocking(False)
    with suppress(BlockingIOError):
        try:
            while connection.recv(65536):
                pass
        except ConnectionError:
            pass
        return True
    return False


@contextmanager
def held(service, number: int, begun: bytes):
    """So many connections that send what they begin with, and then nothing."""
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(service)) for _ in range(number)]
        for connection in connections:
            with suppress(ConnectionError):
                connection.sendall(begun)
        yield connections


def honest(service, number: int) -> list[tuple[int, float]]:
    """Status and seconds of calls one after the other, each on a connection of its own."""
    done = []
    for _ in range(number):
        begun = time.monotonic()
        try:
            status = httpx.post(service.base + SERVICE, json=BODY, timeout=20, trust_env=False).status_code
        except httpx.TransportError:
            status = 0
        done.append((status, time.monotonic() - begun))
    return done


@pytest.mark.parametrize(
    "begun", [b"", b"G", HALF_HEAD, ONE_BYTE], ids=["nothing", "a letter", "half a head", "a byte"]
)
def test_callers_that_do_not_finish_cost_an_honest_one_nothing_and_are_let_go(service, begun):
    number = count(300, 1000)
    with held(service, number, begun) as connections:
        calls = honest(service, count(10, 100))
        assert [status for status, _ in calls] == [200] * len(calls)
        assert sorted(seconds for _, seconds in calls)[-2] < 1
        eventually(lambda: all(map(closed, connections)), "all are closed", seconds=15)
    assert said(service, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[0] == [200]


def test_more_connections_than_there_is_room_for_push_out_the_oldest_that_wait(service):
    number = LIMITS.peer_connections + 50
    before = len(service.events("crowded"))
    with held(service, number, HALF_HEAD) as connections:
        assert [status for status, _ in honest(service, 3)] == [200] * 3
        eventually(lambda: sum(map(closed, connections[:60])) >= 50, "the oldest have ended", seconds=3)
        assert not any(map(closed, connections[-20:]))
    eventually(lambda: service.events("crowded")[before:], "it is said", seconds=15)
    assert sum(event["ended"] for event in service.events("crowded")[before:]) >= 50


def test_a_late_head_is_408_and_one_event(service):
    before = len(service.events("request"))
    with connected(service) as connection:
        connection.sendall(HALF_HEAD)
        begun = time.monotonic()
        assert statuses(until_closed(connection)) == [408]
    assert LIMITS.head_seconds - 0.1 < time.monotonic() - begun < LIMITS.head_seconds + 2
    late = lambda: [event for event in service.events("request")[before:] if event["status"] == 408]  # noqa: E731
    eventually(late, "its event is there")
    (event,) = late()
    assert (event["outcome"], event["peer"]) == ("late", "127.0.0.1")
    assert event["milliseconds"] >= 1000 * LIMITS.head_seconds - 100


def test_a_head_that_comes_in_drops_has_no_more_time(service):
    begun = time.monotonic()
    with connected(service) as connection, suppress(ConnectionError):
        for byte in HALF_HEAD * 3:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)
    assert time.monotonic() - begun < LIMITS.head_seconds + 2


def test_a_body_that_goes_on_after_its_answer_is_not_taken_for_ever(service):
    with connected(service) as connection:
        connection.sendall(HEAD + b"Content-Length: 99999999\r\n\r\n")
        assert statuses(connection.recv(65536)) == [413]
        begun, sent = time.monotonic(), 0
        with suppress(ConnectionError):
            while time.monotonic() - begun < 10:
                sent += connection.send(b" " * 1000)
                time.sleep(0.05)
    assert time.monotonic() - begun < LIMITS.surplus_seconds + 2


def test_answers_that_nobody_reads_are_thrown_away(service):
    """Pipelined requests, whose answers fill what the system buffers."""
    requests = b"GET /cds-services HTTP/1.1\r\nHost: x\r\n\r\n" * 2000
    with connected(service, seconds=120) as connection:  # so that nobody else ends the sender
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sender = threading.Thread(target=lambda: _send(connection, requests))
        sender.start()
        assert [status for status, _ in honest(service, 3)] == [200] * 3
        sender.join(LIMITS.send_seconds + 10)
        was_cut_off = not sender.is_alive()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        assert was_cut_off


def _send(connection: socket.socket, what: bytes) -> None:
    with suppress(OSError):
        while True:
            connection.sendall(what)


class TestWithFewFileDescriptors:
    @pytest.fixture
    def narrow(self, tmp_path):
        config = open_config(tmp_path)

        def limited():
            resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

        with served(config, before=limited) as running:
            yield running

    def test_a_flood_of_connections_fills_no_log_and_costs_no_call(self, narrow):
        with held(narrow, 300, HALF_HEAD):
            calls = honest(narrow, 5)
            time.sleep(count(2, 15))
        assert [status for status, _ in calls] == [200] * 5
        assert len(narrow.complaints()) <= 2
        assert len(narrow.out.read_text().splitlines()) < 700

    def test_bodies_do_not_use_them_up_either(self, narrow):
        with held(narrow, 300, ONE_BYTE):
            time.sleep(0.5)
            calls = honest(narrow, 5)
        assert [status for status, _ in calls] == [200] * 5


@pytest.mark.skipif(not NIGHTLY, reason="nightly: a flood for a minute")
@pytest.mark.parametrize("begun", [HALF_HEAD, ONE_BYTE], ids=["half a head", "a byte"])
def test_a_flood_that_goes_on_for_a_minute_costs_an_honest_one_nothing(service, begun):
    over = threading.Event()

    def flood():
        while not over.is_set():
            with held(service, 500, begun):
                over.wait(0.5)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        calls = honest(service, 300)
    finally:
        over.set()
        thread.join()
    assert [status for status, _ in calls if status != 200] == []


def test_the_body_of_an_honest_caller_may_take_its_time(service):
    body = json.dumps(BODY).encode()
    with held(service, 20, ONE_BYTE), connected(service) as connection:
        connection.sendall(HEAD + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        for start in range(0, len(body), len(body) // 10 + 1):
            connection.sendall(body[start : start + len(body) // 10 + 1])
            time.sleep(0.1)
        assert statuses(until_closed(connection)) == [200]
