"""Bodies that are not what a client should send (A1): bytes that are no JSON, JSON that is no request.

Each has a marker in it where there is room for one, so that an echo shows.
"""

import json

MARKER = "zq-echo-marker"
VALID = {
    "hook": "patient-view",
    "hookInstance": "d63a2834-b45a-4616-8a5e-c08353762b85",
    "fhirServer": "https://ehr.example/fhir",
    "context": {"userId": "Practitioner/1", "patientId": MARKER},
    "prefetch": {"patient": {"resourceType": "Patient", "id": MARKER, "birthDate": "1970-01-01"}},
}
TEXT = json.dumps(VALID)
BYTES = TEXT.encode()


def _with(member: str) -> bytes:
    """The valid body with one more member, as raw JSON text."""
    return f"{TEXT[:-1]}, {member}}}".encode()


def _but(**members: object) -> bytes:
    return json.dumps({k: v for k, v in (VALID | members).items() if v is not ...}).encode()


def _context(**members: object) -> bytes:
    return _but(context={k: v for k, v in (VALID["context"] | members).items() if v is not ...})


def _prefetch(raw: str) -> bytes:
    return _but(prefetch=...)[:-1] + f', "prefetch": {raw}}}'.encode()


BODIES: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n\t",
    "one byte": b"{",
    "cut in the middle": BYTES[: len(BYTES) // 2],
    "cut at the end": BYTES[:-1],
    "text after it": BYTES + b"x",
    "two of them": BYTES + BYTES,
    "html": b"<html>zq-echo-marker</html>",
    "form": b"hook=patient-view&patientId=zq-echo-marker",
    "zip": b"PK\x03\x04" + bytes(60),
    "gzip": b"\x1f\x8b\x08" + bytes(60),
    "random": bytes(range(256)),
    "nul bytes": bytes(64),
    "utf-8 bom": b"\xef\xbb\xbf" + BYTES,
    "utf-16": TEXT.encode("utf-16"),
    "utf-16-le": TEXT.encode("utf-16-le"),
    "utf-32": TEXT.encode("utf-32"),
    "latin-1": TEXT.replace("Practitioner/1", "Practitioner/é").encode("latin-1"),
    "broken utf-8": BYTES.replace(b"zq-echo", b"zq\xc3\x28"),
    "overlong utf-8": BYTES.replace(b"zq-echo", b"zq\xc0\xaf"),
    "broken utf-8 in prefetch": _prefetch('{"x": "~"}').replace(b"~", b"\xff"),
    "raw newline in a string": BYTES.replace(b"zq-echo", b"zq\n"),
    "comment": b"/* zq-echo-marker */" + BYTES,
    "line comment": BYTES.replace(b"{", b"{ // x\n", 1),
    "trailing comma": _with('"x": 1,'),
    "single quotes": TEXT.replace('"', "'").encode(),
    "bare names": b"{hook: 1}",
    "NaN": _with('"x": NaN'),
    "Infinity": _with('"x": Infinity'),
    "-Infinity": _with('"x": -Infinity'),
    "NaN in prefetch": _prefetch('{"ana": NaN}'),
    "Infinity in prefetch": _prefetch('{"ana": {"x": -Infinity}}'),
    "leading zero": _with('"x": 01'),
    "hexadecimal": _with('"x": 0x10'),
    "plus": _with('"x": +1'),
    "1e400": _with('"x": 1e400'),
    "1e400 in prefetch": _prefetch('{"ana": {"resourceType": "Bundle", "total": 1e400}}'),
    "5,000 digits": _with('"x": ' + "9" * 5000),
    "5,000 digits in prefetch": _prefetch('{"ana": {"resourceType": "Bundle", "total": ' + "9" * 5000 + "}}"),
    "lone surrogate": _with('"x": "\\ud800"'),
    "lone surrogate as a name": _with('"\\udfff": 1'),
    "lone surrogate in the id": BYTES.replace(b"zq-echo", b"\\ud800"),
    "lone surrogate in prefetch": _prefetch('{"patient": {"resourceType": "Patient", "id": "\\ud800"}}'),
    "NUL in the id": BYTES.replace(b"zq-echo", b"\\u0000"),
    "NUL as a name": _with('"\\u0000": 1'),
    "NUL in a list": _with('"x": [["\\u0000"]]'),
    "NUL in prefetch": _prefetch('{"patient": {"resourceType": "Patient", "id": "\\u0000"}}'),
    "escape that is none": _with('"x": "\\q"'),
    "hook twice": _with('"hook": "patient-view"'),
    "patient twice": BYTES.replace(b'"patientId"', b'"patientId": "p9", "patientId"'),
    "context twice": _with('"context": {"userId": "Practitioner/1", "patientId": "p9"}'),
    "prefetch twice": _with('"prefetch": {}'),
    "server twice": _with('"fhirServer": "https://evil.example"'),
    "token twice": _with(
        '"fhirAuthorization": {"access_token": "a", "access_token": "b", "token_type": "Bearer"}'
    ),
    "a name twice in prefetch": _prefetch('{"patient": {"id": "a", "id": "b"}, "patient": null}'),
    "array": b'["zq-echo-marker"]',
    "string": b'"zq-echo-marker"',
    "number": b"1",
    "null": b"null",
    "true": b"true",
    "empty object": b"{}",
    "1,000 deep": _with('"x": ' + "[" * 1000 + "]" * 1000),
    "100,000 deep": _with('"x": ' + "[" * 100_000 + "]" * 100_000),
    "objects 1,000 deep": _with('"x": ' + '{"x":' * 1000 + "1" + "}" * 1000),
    "1,000 deep in prefetch": _prefetch('{"ana": ' + "[" * 1000 + "]" * 1000 + "}"),
    "100,000 deep in prefetch": _prefetch('{"ana": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "500 deep in a resource": _prefetch(
        '{"conditions": {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Condition", "x": '
        + "[" * 500
        + "]" * 500
        + "}}]}}"
    ),
    "unclosed 1,000": b"[" * 1000,
    "no hook": _but(hook=...),
    "hook of another type": _but(hook=7),
    "another hook": _but(hook=MARKER),
    "no instance": _but(hookInstance=...),
    "instance of another type": _but(hookInstance={"x": MARKER}),
    "empty instance": _but(hookInstance=""),
    "no context": _but(context=...),
    "context is a list": _but(context=[MARKER]),
    "context is null": _but(context=None),
    "no patient": _context(patientId=...),
    "empty patient": _context(patientId=""),
    "patient with its type": _context(patientId=f"Patient/{MARKER}"),
    "patient is a number": _context(patientId=1e308),
    "patient is a path": _context(patientId="../Practitioner"),
    "patient of 100,000 letters": _context(patientId="x" * 100_000),
    "patient with a line break": _context(patientId=f"{MARKER}\r\nX: 1"),
    "no user": _context(userId=...),
    "user without a type": _context(userId=MARKER),
    "user is null": _context(userId=None),
    "server is empty": _but(fhirServer=""),
    "server is a number": _but(fhirServer=1),
    "server elsewhere": _but(fhirServer=f"https://{MARKER}.example/fhir"),
    "server is a file": _but(fhirServer="file:///etc/passwd"),
    "prefetch is a list": _but(prefetch=[MARKER]),
    "prefetch is text": _but(prefetch=MARKER),
    "authorization is text": _but(fhirAuthorization=MARKER),
    "authorization of another patient": _but(
        fhirAuthorization={"access_token": MARKER, "token_type": "Bearer", "patient": "p9"}
    ),
    "authorization without a server": _but(
        fhirServer=..., fhirAuthorization={"access_token": MARKER, "token_type": "Bearer"}
    ),
    "envelope of 1 MB": _with(f'"x": "{"y" * 1_000_000}"'),
    "100,000 names": _with(", ".join(f'"n{n}": {n}' for n in range(100_000))),
}
# Bodies that a reader may take, because what is odd lies where nothing is read.
ODD_BUT_FINE = {
    "1e400",
    "1e400 in prefetch",
    "5,000 digits in prefetch",
    "500 deep in a resource",
    "a name twice in prefetch",
    "NUL in prefetch",
    "lone surrogate in prefetch",
}

ITEM = {
    "card": "5f0c1a2b-3c4d-8e5f-9a6b-7c8d9e0f1a2b",
    "outcome": "overridden",
    "outcomeTimestamp": "2026-03-01T08:59:30Z",
    "overrideReason": {"reason": {"system": f"urn:{MARKER}", "code": MARKER}, "userComment": MARKER},
}
_ITEM = json.dumps(ITEM)


def _feedback(*items: object) -> bytes:
    return json.dumps({"feedback": items}).encode()


def _item(**members: object) -> bytes:
    return _feedback(ITEM, {k: v for k, v in (ITEM | members).items() if v is not ...})


def _raw_item(member: str) -> bytes:
    """An item with one more member, as raw JSON text."""
    return f'{{"feedback": [{_ITEM[:-1]}, {member}}}]}}'.encode()


_WHOLE = _feedback(ITEM)
# What a feedback endpoint must survive besides: bodies of its own shape, cut, bent and doubled.
FEEDBACK_BODIES: dict[str, bytes] = BODIES | {
    "feedback cut in the middle": _WHOLE[: len(_WHOLE) // 2],
    "feedback cut at the end": _WHOLE[:-1],
    "feedback and text after it": _WHOLE + b"x",
    "feedback with a bom": b"\xef\xbb\xbf" + _WHOLE,
    "feedback in utf-16": json.dumps({"feedback": ITEM}).encode("utf-16"),
    "feedback in utf-32": json.dumps({"feedback": ITEM}).encode("utf-32"),
    "feedback in broken utf-8": _WHOLE.replace(b"zq-echo", b"zq\xc3\x28"),
    "feedback with a comment": b"/* zq-echo-marker */" + _WHOLE,
    "feedback with NaN": _raw_item('"x": NaN'),
    "feedback with -Infinity": _raw_item('"x": -Infinity'),
    "feedback with 5,000 digits": _raw_item('"x": ' + "9" * 5000),
    "feedback with a lone surrogate": _raw_item('"x": "\\ud800"'),
    "feedback with a lone surrogate as the code": _WHOLE.replace(b"zq-echo", b"\\ud800"),
    "feedback with NUL in a comment": _WHOLE.replace(b"zq-echo", b"\\u0000"),
    "feedback with NUL as a name": _raw_item('"\\u0000": 1'),
    "feedback with NUL in a list": _raw_item('"x": [["\\u0000"]]'),
    "feedback with a trailing comma": _raw_item('"x": 1,'),
    "feedback twice": f'{{"feedback": [{_ITEM}], "feedback": [{_ITEM}]}}'.encode(),
    "feedback with the card twice": _raw_item('"card": "x"'),
    "feedback with the outcome twice": _raw_item('"outcome": "accepted"'),
    "feedback with the time twice": _raw_item(f'"outcomeTimestamp": "{MARKER}"'),
    "feedback with a reason twice": _raw_item('"overrideReason": {}'),
    "feedback 1,000 deep": b'{"feedback": ' + b"[" * 1000 + b"]" * 1000 + b"}",
    "feedback 100,000 deep": b'{"feedback": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "feedback with objects 1,000 deep": _raw_item('"x": ' + '{"x":' * 1000 + "1" + "}" * 1000),
    "feedback is null": b'{"feedback": null}',
    "feedback is text": json.dumps({"feedback": MARKER}).encode(),
    "feedback is a number": b'{"feedback": 1e308}',
    "feedback is empty": b'{"feedback": []}',
    "feedback is an empty object": b'{"feedback": {}}',
    "feedback is a list of lists": _feedback([ITEM]),
    "feedback is a list of null": _feedback(None),
    "feedback is a list of text": _feedback(MARKER),
    "a list without its name": json.dumps([ITEM]).encode(),
    "no card": _item(card=...),
    "card is null": _item(card=None),
    "card is a number": _item(card=10**30),
    "card is a list": _item(card=[MARKER]),
    "card is text": _item(card=MARKER),
    "card is one letter too long": _item(card=ITEM["card"] + "0"),
    "card of 100,000 letters": _item(card="a" * 100_000),
    "card with a line break": _item(card=ITEM["card"] + "\r\n"),
    "no outcome": _item(outcome=...),
    "outcome is text": _item(outcome=MARKER),
    "outcome in capitals": _item(outcome="ACCEPTED"),
    "outcome is a list": _item(outcome=["accepted"]),
    "no time": _item(outcomeTimestamp=...),
    "time is a number": _item(outcomeTimestamp=1772355570),
    "time is text": _item(outcomeTimestamp=MARKER),
    "time without an offset": _item(outcomeTimestamp="2026-03-01T08:59:30"),
    "time that does not exist": _item(outcomeTimestamp="2026-02-30T08:59:30Z"),
    "time before the first": _item(outcomeTimestamp="0001-01-01T00:00:00+10:00"),
    "time after the last": _item(outcomeTimestamp="9999-12-31T23:59:59-10:00"),
    "time with 100,000 digits": _item(outcomeTimestamp=f"2026-03-01T08:59:30.{'1' * 100_000}x"),
    "suggestions are text": _item(acceptedSuggestions=MARKER),
    "suggestion without id": _item(acceptedSuggestions=[{}]),
    "suggestion is text": _item(acceptedSuggestions=[MARKER]),
    "suggestion id is text": _item(acceptedSuggestions=[{"id": MARKER}]),
    "2,000 wrong suggestions": _item(acceptedSuggestions=[{"id": MARKER}] * 2000),
    "reason is text": _item(overrideReason=MARKER),
    "reason is a number": _item(overrideReason=0),
    "reason is a list of text": _item(overrideReason=[MARKER]),
    "coding is text": _item(overrideReason={"reason": MARKER}),
    "code is a number": _item(overrideReason={"reason": {"code": 1}}),
    "code is an object": _item(overrideReason={"reason": {"code": {"x": MARKER}}}),
    "system is a list": _item(overrideReason={"reason": {"system": [MARKER]}}),
    "comment is an object": _item(overrideReason={"userComment": {"x": MARKER}}),
    "Epic's reason is text": _item(overrideReason=..., overrideReasons=MARKER),
    "2,000 wrong items": _feedback(*[{MARKER: 1}] * 2000),
}
