"""A caller that sends bytes of its own choice: what no HTTP library would send can be sent."""

import re
import socket
from contextlib import contextmanager, suppress

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@contextmanager
def connected(service, seconds: float = 20):
    """A connection to a service that is up."""
    host, port = service.base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.settimeout(seconds)
        yield connection


def until_closed(connection: socket.socket) -> bytes:
    """All that comes until the other side closes, or resets."""
    got = b""
    with suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            got += chunk
    return got


def statuses(answer: bytes) -> list[int]:
    """The status of each answer that was sent."""
    return [int(found) for found in _STATUS.findall(answer)]


def said(service, request: bytes, seconds: float = 20) -> tuple[list[int], bytes]:
    """Send bytes; the statuses of the answers and all bytes, once the connection has ended."""
    with connected(service, seconds) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)
        got = until_closed(connection)
    return statuses(got), got
