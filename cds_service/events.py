"""Every log and audit event, with the fields it may carry. There is no other logging.

A field is a count, a duration or a word of ours; text of a request or a record cannot get in, but for the cleaned
address of a FHIR server that was refused. One event is one JSON object on one line.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from cds_service.json_text import in_ascii

Writer = Callable[[str], None]
Watcher = Callable[[Mapping[str, object]], None]
_Check = Callable[[Any], Any]

_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .:,/()+-]{0,79}")
_OTHER = "other"
_count: _Check = int
# An address that has one reading; whatever holds a further "@" may hide a password where none belongs.
_ADDRESS = re.compile(
    r"( *(?:[A-Za-z][A-Za-z0-9+.-]*://)?)(?:[^/?#;@\\]*@)?"  # scheme; user
    r"((?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:/[^?#;@\\]*)?)"  # host, port, path
    r"(?:[?#;][^@]*)?"
)
_ADDRESS_CHARACTERS, _MOST_ADDRESSES = 120, 20  # a caller decides how often they are logged
_DIGEST = re.compile(r"[0-9a-f]{16}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Why a resource did not count (clinical rules 1). A status is its own reason, so the codes of FHIR stand here too.
# fmt: off
_REASONS = frozenset({
    "no subject", "other patient", "other subject", "modifier extension", "implicit rules", "no status", "undated",
    "future", "conflicting codes", "data absent", "implausible", "no unit", "unknown unit", "superseded",
    "do not perform", "unreadable", "subject elsewhere", "unknown status", "unresolved", "no number",
    "several reference ranges",
    "registered", "preliminary", "cancelled", "entered-in-error", "unknown", "partial", "preparation", "in-progress",
    "not-done", "on-hold", "stopped", "declined", "refuted", "draft", "revoked", "proposal", "plan", "option",
    "directive", "intended", "not-taken",
})
# fmt: on


def _word(value: str) -> str:
    return value if _WORD.fullmatch(value) else _OTHER


def _uuid(value: str) -> str:
    return value if _UUID.fullmatch(value) else _OTHER


def _digest(value: str) -> str:
    return value if _DIGEST.fullmatch(value) else _OTHER


def _peer(value: str) -> str:
    """The address of a machine; a proxy hands on what it was told, so it is looked at."""
    try:
        return str(ipaddress.ip_address(value.partition("%")[0]))
    except ValueError:
        return _OTHER


def _address(value: str) -> str:
    """Scheme, host, port and path; no user, query, fragment or character that cannot be printed."""
    parts = _ADDRESS.fullmatch("".join(filter(str.isprintable, value)))
    return f"{parts[1]}{parts[2]}"[:_ADDRESS_CHARACTERS] if parts else _OTHER


def _addresses(value: Sequence[str]) -> list[str]:
    return [_address(each) for each in value[:_MOST_ADDRESSES]]


def _milliseconds(value: float) -> float:
    return round(float(value), 1)


def _reasons(value: Mapping[str, int]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for reason, count in value.items():
        name = reason if reason in _REASONS else _OTHER
        counts[name] = counts.get(name, 0) + int(count)
    return counts


def _words(value: Mapping[str, str]) -> dict[str, str]:
    return {_word(name): _word(word) for name, word in value.items()}


# What every request says at its end, whatever it was.
_EXCHANGE: Mapping[str, _Check] = {
    "peer": _peer,
    "status": _count,  # 0: the caller left before it had the answer
    "outcome": _word,
    "body_bytes": _count,
    "answer_bytes": _count,
    "milliseconds": _milliseconds,  # from the first byte of the request
    "error": _word,  # of a crash: its kind, never its message
    "place": _word,  # file and line
}


class Event(Enum):
    """What can be said, and which fields belong to it."""

    label: str
    fields: Mapping[str, _Check]

    STARTED = ("started", {"clients": _count, "services": _count, "model": _word, "rules": _word})
    STOPPED = ("stopped", dict[str, _Check]())
    CROWDED = ("crowded", {"connections": _count, "ended": _count})
    REQUEST = ("request", {"method": _word, "target": _word, **_EXCHANGE})
    HOOK_CALL = (
        "hook-call",
        {
            "service": _word,
            "client": _word,
            "mode": _word,  # live | silent | pilot | off
            "requester": _digest,
            "patient": _digest,
            "shown": _word,  # yes | no: in a pilot, whether this user takes part
            "accepted": _word,  # yes | no: whether somebody at the client accepted the model
            "accepted_on": _word,  # the day of it; never who
            "status": _count,
            "outcome": _word,  # scored | abstained | not-eligible | eligibility-unknown | patients-view | off | refused | wrong clock | crashed
            "eligibility": _word,
            "band": _word,
            "reason": _word,  # why there is something to say, or "nothing to say"
            "memory": _word,  # none | overridden | unread; left out where the store was not asked (V8)
            "cards": _count,  # also where the answer is silent: what would have been shown
            "card": _uuid,
            "resources": _count,
            "refused": _reasons,
            "failed": _words,  # prefetch key → what happened
            "not_offered": _words,
            "refused_server": _address,  # the `fhirServer` of no configured client; none where there was none
            "configured_servers": _addresses,  # beside a refused one
            "authentication": _word,  # none | jwt | why the caller was not proved
            "key": _word,  # digest of the kid that a token names
            "token": _word,  # used | unused | ignored | none
            "fhir_requests": _count,
            "fhir_bytes": _count,
            "fhir_warnings": _count,
            **_EXCHANGE,
        },
    )
    FEEDBACK = (
        "feedback",
        {
            "service": _word,
            "status": _count,
            "outcome": _word,  # stored | refused | wrong clock | crashed
            "items": _count,
            "stored": _count,  # items that were new
            "refused": _count,  # items on cards that we did not issue
            "authentication": _word,  # as above
            "key": _word,
            **_EXCHANGE,
        },
    )

    def __init__(self, label: str, fields: Mapping[str, _Check]) -> None:
        self.label = label
        self.fields = fields


class Events:
    """Writes events to one place, each with the time at which it happened (UTC).

    `watch` hears of each event as well.
    """

    def __init__(
        self,
        write: Writer,
        clock: Callable[[], datetime],
        watch: Watcher | None = None,
    ) -> None:
        self._write = write
        self._clock = clock
        self._watch = watch

    def emit(self, event: Event, **fields: object) -> None:
        """Write one event; raises TypeError for a field that does not belong to it."""
        line: dict[str, object] = {
            "at": self._clock().isoformat(timespec="milliseconds"),
            "event": event.label,
        }
        checks = event.fields
        for name, value in fields.items():
            if name not in checks:
                raise TypeError(f"{event.label} has no field {name}")
            line[name] = checks[name](value)
        self._write(in_ascii(line))  # first: whatever becomes of a count, the event is written
        if self._watch:
            self._watch(line)
