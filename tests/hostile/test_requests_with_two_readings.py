"""Methods, paths, headers and lengths over raw sockets. What a proxy may read otherwise than we is refused, and the
connection ends there: no second request is served that hid in the first."""

import json

import pytest

from tests.support.charts import imnm_chart
from tests.support.raw import said
from tests.support.service import SERVICE, call_body, prefetch_of
from tests.support.serving import open_config, served

HIDDEN = b"GET /health HTTP/1.1\r\nHost: hidden\r\n\r\n"
BODY = b'{"a":1}'
JSON = "Content-Type: application/json"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with served(open_config(tmp_path_factory.mktemp("raw"))) as running:
        yield running


def post(
    *headers: str, body: bytes = BODY, line: str = f"POST {SERVICE} HTTP/1.1", end: str = "\r\n"
) -> bytes:
    return (end.join([line, "Host: x", JSON, *headers]) + end + end).encode("latin-1") + body


def get(path: str, *headers: str, line: str = "GET {} HTTP/1.1") -> bytes:
    return "\r\n".join([line.format(path), "Host: x", "Connection: close", *headers, "", ""]).encode(
        "latin-1"
    )


CHUNKED = b"7\r\n" + BODY + b"\r\n0\r\n\r\n"
LONG = "x" * 65536
# What has two readings, or is no HTTP: one 4xx or 501 and the connection is closed. HIDDEN follows each.
TWO_READINGS = {
    "length and chunks": post("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunks and length": post("Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"),
    "both, in capitals": post("CONTENT-LENGTH: 5", "TRANSFER-ENCODING: CHUNKED", body=b"0\r\n\r\n"),
    "length 0 and chunks": post("Content-Length: 0", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "the same length twice": post("Content-Length: 7", "Content-Length: 7"),
    "two lengths": post("Content-Length: 7", "Content-Length: 0"),
    "lengths in a list": post("Content-Length: 7, 7"),
    "two lengths in a list": post("Content-Length: 7, 0"),
    "a folded length": post("Content-Length:\r\n 7"),
    "a length with a fold after it": post("Content-Length: 7\r\n "),
    "a signed length": post("Content-Length: +7"),
    "a negative length": post("Content-Length: -7"),
    "a hexadecimal length": post("Content-Length: 0x7"),
    "a length with a blank in it": post("Content-Length: 0 7"),
    "a length with an exponent": post("Content-Length: 7e0"),
    "a length in other digits": post("Content-Length: \xb7"),
    "no length": post("Content-Length:"),
    "a length of 20 digits": post("Content-Length: 00000000000000000007"),
    "a blank before the colon": post("Content-Length : 7"),
    "chunks with a blank before the colon": post("Transfer-Encoding : chunked", body=CHUNKED),
    "chunks twice": post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=CHUNKED),
    "chunks twice in a list": post("Transfer-Encoding: chunked, chunked", body=CHUNKED),
    "another coding": post("Transfer-Encoding: gzip, chunked", body=CHUNKED),
    "identity": post("Transfer-Encoding: identity"),
    "a coding in quotes": post('Transfer-Encoding: "chunked"', body=CHUNKED),
    "folded chunks": post("Transfer-Encoding:\r\n chunked", body=CHUNKED),
    "a vertical tab before chunks": post("Transfer-Encoding: \x0bchunked", body=CHUNKED),
    "chunks in HTTP 1.0": post("Transfer-Encoding: chunked", line=f"POST {SERVICE} HTTP/1.0", body=CHUNKED),
    "line feeds alone": post("Content-Length: 7", end="\n"),
    "one line feed alone": post("X: y\nContent-Length: 7"),
    "a carriage return alone": post("X: y\rContent-Length: 0", "Content-Length: 7"),
    "a folded header": post("X: y\r\n z", "Content-Length: 7"),
    "a header folded by a tab": post("X: y\r\n\tz", "Content-Length: 7"),
    "a fold before any header": f"POST {SERVICE} HTTP/1.1\r\n Host: x\r\n\r\n".encode(),
    "a NUL in a header": post("X: y\0z", "Content-Length: 7"),
    "a header without a colon": post("Content-Length", "Content-Length: 7"),
    "a header without a name": post(": 7", "Content-Length: 7"),
    "a blank in a name": post("Content Length: 7"),
    "two hosts": get("/health", "Host: y"),
    "no host": b"GET /health HTTP/1.1\r\n\r\n",
    "an empty line first": b"\r\n" + get("/health"),
    "a blank first": b" " + get("/health"),
    "HTTP 0.9": b"GET /health\r\n\r\n",
    "HTTP 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "another protocol": get("/health", line="GET {} ICAP/1.0"),
    "two blanks": get("/health", line="GET  {} HTTP/1.1"),
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200) + b"\r\n\r\n",
    "a header of 64 kB": get("/health", f"X: {LONG}"),
    "a path of 64 kB": get(f"/{LONG}"),
    "10,000 headers": get("/health", *(f"X{n}: y" for n in range(10_000))),
    "a chunk without size": post("Transfer-Encoding: chunked", body=b"zz\r\n"),
    "a negative chunk": post("Transfer-Encoding: chunked", body=b"-7\r\n" + BODY),
    "a chunk longer than it says": post("Transfer-Encoding: chunked", body=b"3\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk of 2^84 bytes": post("Transfer-Encoding: chunked", body=b"fffffffffffffffffffff\r\n"),
}  # fmt: skip
# What is plain HTTP and not served.
NOT_SERVED = {
    "TRACE": (get("/health", line="TRACE {} HTTP/1.1"), 405),
    "CONNECT": (get("evil.example:443", line="CONNECT {} HTTP/1.1"), 404),
    "PUT": (get(SERVICE, line="PUT {} HTTP/1.1"), 405),
    "a method in small letters": (get("/health", line="get {} HTTP/1.1"), 405),
    "a method of our own": (get(SERVICE, line="BREW {} HTTP/1.1"), 405),
    "options of all": (get("*", line="OPTIONS {} HTTP/1.1"), 404),
    "another server's address": (get("http://evil.example/health"), 404),
    "up and away": (get("/cds-services/../health"), 404),
    "up and away, coded": (get("/cds-services/%2e%2e/health"), 404),
    "a coded slash": (get("/cds-services%2f..%2fhealth"), 404),
    "NUL in the path": (get("/health%00"), 404),
    "a backslash": (get("/cds-services\\..\\health"), 404),
    "parameters": (get("/health;x=y"), 404),
}  # fmt: skip


def test_there_are_60_rows_and_more():
    assert len(TWO_READINGS) + len(NOT_SERVED) >= 60


@pytest.mark.parametrize("request_", TWO_READINGS.values(), ids=TWO_READINGS)
def test_what_has_two_readings_is_refused_once_and_the_connection_ends(service, request_):
    answered, got = said(service, request_ + HIDDEN, seconds=10)
    assert len(answered) == 1, got
    assert answered[0] in {400, 431, 501}
    assert b'{"status":"ok"}' not in got
    assert json.loads(got.partition(b"\r\n\r\n")[2])["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(("request_", "status"), NOT_SERVED.values(), ids=NOT_SERVED)
def test_what_is_not_served_is_4xx(service, request_, status):
    assert said(service, request_)[0] == [status]


def test_each_refusal_is_one_event(service):
    def refused():
        return [event for event in service.events("request") if event.get("outcome") == "not plain HTTP"]

    before = len(refused())
    said(service, TWO_READINGS["length and chunks"] + HIDDEN)
    said(service, get("/ready"))
    (event,) = refused()[before:]
    assert (event["status"], event["peer"]) == (400, "127.0.0.1")
    assert event["milliseconds"] < 5000


class TestAnHonestRequest:
    @pytest.mark.parametrize("length", ["Content-Length: {}", "content-length:{}", "Content-Length:\t{} "])
    def test_says_its_length_once(self, service, length):
        body = json.dumps(call_body(fhirServer=None, prefetch=prefetch_of(imnm_chart()))).encode()
        request = post("Connection: close", length.format(len(body)), body=body)
        answered, got = said(service, request)
        assert answered == [200]
        assert b'"cards"' in got

    def test_comes_in_chunks(self, service):
        body = json.dumps(call_body(fhirServer=None, prefetch=prefetch_of(imnm_chart()))).encode()
        chunks = b"%x;ext=1\r\n%s\r\n0\r\nX: y\r\n\r\n" % (len(body), body)
        for coding in ("chunked", "Chunked"):
            request = post("Connection: close", f"Transfer-Encoding: {coding}", body=chunks)
            assert said(service, request)[0] == [200]

    def test_may_follow_another_before_that_is_answered(self, service):
        two = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" + get("/ready")
        assert said(service, two)[0] == [200, 200]

    def test_may_have_a_token_of_16_kb(self, service):
        assert said(service, get("/health", f"Authorization: Bearer {'x' * 16384}"))[0] == [200]

    def test_may_go_on_after_one_that_was_refused_by_the_application(self, service):
        two = post("Content-Length: 7") + get("/health")
        assert said(service, two)[0] == [400, 200]
