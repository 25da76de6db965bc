"""Requests that have one reading only: what a proxy in front may read otherwise than we is refused.

h11 takes both length headers, folded and repeated ones and bare line feeds, as the standard allows; each is a way to
hide a second request in the body of the first.
"""

import re

import h11

_LINE_END = re.compile(rb"\r\n|[\r\n]")
_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"[0-9]{1,18}")


class StrictParser(h11.Connection):
    """h11's parser of a server. `hint` is the status for what it refused last."""

    hint = 400

    def __init__(self, head_bytes: int) -> None:
        super().__init__(h11.SERVER, head_bytes)
        self._head_bytes = head_bytes  # h11 bounds only a head that is not complete yet

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event; raises RemoteProtocolError for what is no HTTP or has two readings."""
        try:
            if self.their_state is h11.IDLE and self.our_state is h11.IDLE:
                _check_head(self.trailing_data[0], self._head_bytes)
            return super().next_event()
        except h11.RemoteProtocolError as error:
            self.hint = error.error_status_hint
            raise


def _check_head(received: bytes, most: int) -> None:
    """Refuse a head, once it is complete, in which anything about lengths could be read in two ways."""
    end = _END.search(received)
    if end is None:
        return
    if end.end() > most:
        raise h11.RemoteProtocolError("the head is too long", error_status_hint=431)
    head = received[: end.start()]
    if any(line_end[0] != b"\r\n" for line_end in _LINE_END.finditer(received[: end.end()])):
        raise h11.RemoteProtocolError("a line must end with CR LF")
    _check_lengths(head.split(b"\r\n"))


def _check_lengths(lines: list[bytes]) -> None:
    """Refuse folded lines, and a length of the body that is said twice, or in a way that not all understand."""
    lengths, codings = [], []
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        if line[:1] in b" \t":
            raise h11.RemoteProtocolError("a header must stand on one line")
        if name.lower() == b"content-length":
            lengths.append(value.strip(b" \t"))
        elif name.lower() == b"transfer-encoding":
            codings.append(value.strip(b" \t").lower())
    if len(lengths) + len(codings) > 1:
        raise h11.RemoteProtocolError("the length of the body must be said once")
    if not all(map(_LENGTH.fullmatch, lengths)) or any(coding != b"chunked" for coding in codings):
        raise h11.RemoteProtocolError("the length of the body is none")
    version = lines[0][-9:]
    if version not in {b" HTTP/1.0", b" HTTP/1.1"} or (codings and version == b" HTTP/1.0"):
        raise h11.RemoteProtocolError("not HTTP/1.1, or chunks before it")
