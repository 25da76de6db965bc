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
