"""A head in which the length of the body could be read in two ways is refused; every honest one is read."""

import h11
import pytest

from cds_service.web.ingress.strict import StrictParser

MOST = 400  # bytes of a head
CHUNKED = b"Transfer-Encoding: chunked"
LENGTH = b"Content-Length: 5"


def head(*lines: bytes, first: bytes = b"POST / HTTP/1.1", end: bytes = b"\r\n") -> bytes:
    return end.join([first, b"Host: cds.example", *lines]) + end + end


def read(received: bytes) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
    parser = StrictParser(MOST)
    parser.receive_data(received)
    return parser.next_event()


@pytest.mark.parametrize(
    "received",
    [
        head(),
        head(LENGTH),
        head(CHUNKED),
        head(b"TRANSFER-encoding:\tChunked "),
        head(first=b"GET /cds-services HTTP/1.0"),
        head(LENGTH, first=b"POST / HTTP/1.0"),
        head(b"X: " + b"x" * (MOST - len(head()) - 5)),
    ],
)
def test_an_honest_head_is_a_request(received):
    assert isinstance(read(received), h11.Request)


@pytest.mark.parametrize("received", [b"P", b"POST / HTTP/1.1\r\nHost: cds.exam", head()[:-2]])
def test_a_head_that_is_not_complete_is_waited_for(received):
    assert read(received) is h11.NEED_DATA


@pytest.mark.parametrize(
    ("received", "status"),
    [
        (head(LENGTH, CHUNKED), 400),
        (head(LENGTH, LENGTH), 400),
        (head(CHUNKED, CHUNKED), 400),
        (head(LENGTH, b"content-length: 6"), 400),
        (head(b"Content-Length: 5, 5"), 400),
        (head(b"Content-Length: +5"), 400),
        (head(b"Content-Length: 0x5"), 400),
        (head(b"Content-Length: " + b"5" * 19), 400),
        (head(b"Content-Length:"), 400),
        (head(b"Transfer-Encoding: gzip, chunked"), 400),
        (head(b"Transfer-Encoding: identity"), 400),
        (head(CHUNKED, first=b"POST / HTTP/1.0"), 400),
        (head(first=b"POST / HTTP/1.2"), 400),
        (head(first=b"POST /"), 400),
        (head(b"X: a", b" folded"), 400),
        (head(b"X: a", b"\tfolded"), 400),
        (head(LENGTH, end=b"\n"), 400),
        (head(b"X: a\rContent-Length: 5"), 400),
        (head(b"X: a\nContent-Length: 5"), 400),
        (head(b"X: " + b"x" * (MOST - len(head()) - 4)), 431),
        (b"POST / HTTP/1.1\r\nX: " + b"x" * MOST, 431),
    ],
)
def test_a_head_with_two_readings_or_without_end_is_refused(received, status):
    parser = StrictParser(MOST)
    parser.receive_data(received)
    with pytest.raises(h11.RemoteProtocolError):
        parser.next_event()
    assert parser.hint == status
