"""H1 on the real service: what a caller sends in any place stands in no event, metric, error, complaint or file of ours."""

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import pytest

from tests.support.canaries import MARK, PATIENT_ID, TOKEN, Planter, Sinks, call, record
from tests.support.feedback import SECRET, accepted, issued, overridden
from tests.support.raw import connected, said
from tests.support.service import SERVICE, prefetch_of
from tests.support.serving import Served, eventually, free_port, served
from tests.support.tokens import ENDPOINT, ISSUER, PUBLIC, claims_of, key_set, private_key, token

BASE = "http://127.0.0.1:9/fhir"  # nobody listens there: what is not in the prefetch is not read
FEEDBACK = f"{SERVICE}/feedback"
CARD = issued(7)
SETTINGS = f"""store = "store/store.sqlite"
public_url = "{PUBLIC}"
hosts = ["127.0.0.1"]
[[client]]
name = "hospital"
accepted_by = "the tests"
accepted_on = 2024-01-01
fhir_base = "{BASE}"
auth = "jwt"
issuer = "{ISSUER}"
jwks_file = "keys.json"
"""


@dataclass
class Watched:
    """The service with all its sinks. `secrets`: parts of tokens that were sent, beside the canaries."""

    service: Served
    metrics: str
    sinks: Sinks = field(default_factory=Sinks)
    secrets: set[str] = field(default_factory=set)

    def token(self, algorithm: str = "ES384", **how) -> str:
        """An Authorization header; whatever a hospital may choose in it is a canary."""
        claims = {"sub": f"{MARK}-sub", "aud": ENDPOINT, "jti": f"{MARK}-{time.monotonic_ns()}"}
        claims = claims_of(
            datetime.now(UTC), **{**claims, f"{MARK}-claim": f"{MARK}-value", **how.pop("claims", {})}
        )
        made = token(algorithm, claims, **how)
        self.secrets |= set(made.split("."))
        return f"Bearer {made}"

    def send(self, method, path, body=None, **headers):
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        named = {
            "content-type": "application/json",
            "user-agent": f"{MARK}-agent",
            "x-request-id": f"{MARK}-id",
        }
        named |= {
            "origin": f"https://{MARK}.example",
            "referer": f"https://{MARK}.example/",
            "cookie": f"{MARK}=1",
        }
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        response = httpx.request(
            method, self.service.base + path, content=content, headers=named, timeout=20, trust_env=False
        )
        self.sinks.add("headers", str(response.headers))
        if response.status_code != 200:
            self.sinks.add("error", response.text)
        return response.status_code

    def raw(self, request: bytes) -> int:
        (status,), got = said(self.service, request)
        self.sinks.add("error", got.decode("latin-1"))
        return status

    def look(self) -> None:
        """Take what stands in every sink now."""
        self.sinks.add("events", self.service.out.read_text())
        self.sinks.add("stderr", self.service.err.read_text())
        self.sinks.add("metrics", httpx.get(self.metrics, timeout=20, trust_env=False).text)
        for file in (self.service.out.parent / "store").iterdir():
            self.sinks.add("store", file.read_bytes().decode("latin-1"))

    def check(self) -> None:
        self.look()
        assert list(self.sinks.leaks()) == []
        written = "\n".join(text for texts in self.sinks.written.values() for text in texts)
        assert [secret for secret in self.secrets if len(secret) > 20 and secret in written] == []
        self.sinks.written.clear()


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("canaries")
    (folder / "store").mkdir()
    (folder / "keys.json").write_bytes(key_set())
    port, config = free_port(), folder / "imnm.toml"
    config.write_text(f"metrics_port = {port}\n{SETTINGS}")
    secrets = {"IMNM_CDS_CARD_SECRET": SECRET, "IMNM_CDS_AUDIT_SECRET": SECRET}
    with served(config, environment=secrets) as service:
        yield Watched(service, f"http://127.0.0.1:{port}/metrics")


def hook(**members):
    return call(Planter(), BASE, **members)


def whole():
    return hook(prefetch=prefetch_of(record(Planter())))


def items():
    comment = {"reason": {"system": "urn:x", "code": f"Mrs {MARK}"}, "userComment": f"{MARK}-comment"}
    return {"feedback": [accepted(card=CARD), overridden(card=CARD, overrideReason=comment)], MARK: MARK}


def leaving(watched):
    """Half a call, and the caller is gone."""
    body = json.dumps(whole()).encode()
    with connected(watched.service) as connection:
        head = f"POST {SERVICE}?{MARK} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {watched.token()}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[: len(body) // 2])
        time.sleep(0.2)
    return 0


def twice(watched):
    bearer = watched.token()
    watched.send("POST", SERVICE, whole(), authorization=bearer)
    return watched.send("POST", SERVICE, whole(), authorization=bearer)


def too_long(watched):
    head = f"GET /{MARK} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: {MARK * 6000}\r\n\r\n"
    return watched.raw(head.encode())


BY_LENGTHS = (
    f"POST /{MARK} HTTP/1.1\r\nHost: {MARK}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".encode()
)
REQUESTS = {
    "a card": (200, lambda w: w.send("POST", SERVICE, whole(), authorization=w.token())),
    "a card, signed by RSA": (200, lambda w: w.send("POST", SERVICE, whole(), authorization=w.token("RS384"))),
    "nothing could be read": (412, lambda w: w.send("POST", SERVICE, hook(), authorization=w.token())),
    "another server": (
        403,
        lambda w: w.send(
            "POST",
            SERVICE,
            hook(fhirServer=f"https://{MARK}:{MARK}@other.example/fhir?{MARK}#{MARK}"),
            authorization=w.token(),
        ),
    ),
    "no token": (401, lambda w: w.send("POST", SERVICE, whole())),
    "no token but a word": (401, lambda w: w.send("POST", SERVICE, whole(), authorization=f"Bearer {MARK}.{MARK}.{MARK}")),
    "a secret of another scheme": (401, lambda w: w.send("POST", SERVICE, whole(), authorization=f"Basic {MARK}")),
    "an unknown key": (
        401,
        lambda w: w.send("POST", SERVICE, whole(), authorization=w.token(header={"kid": f"{MARK}-kid"})),
    ),
    "an unknown issuer": (
        401,
        lambda w: w.send("POST", SERVICE, whole(), authorization=w.token(claims={"iss": f"https://{MARK}.example"})),
    ),
    "an unknown audience": (
        401,
        lambda w: w.send("POST", SERVICE, whole(), authorization=w.token(claims={"aud": f"{PUBLIC}/{MARK}"})),
    ),
    "a forged signature": (
        401,
        lambda w: w.send("POST", SERVICE, whole(), authorization=w.token(key=private_key("ES384", MARK))),
    ),
    "a token twice": (401, twice),
    "no JSON": (400, lambda w: w.send("POST", SERVICE, f"{{{MARK}".encode(), authorization=w.token())),
    "another hook": (400, lambda w: w.send("POST", SERVICE, hook(hook=MARK), authorization=w.token())),
    "another content": (
        415,
        lambda w: w.send("POST", SERVICE, whole(), authorization=w.token(), content_type=f"text/{MARK}"),
    ),
    "too much": (
        413,
        lambda w: w.send("POST", FEEDBACK, MARK.encode() * 200_000, authorization=w.token()),
    ),
    "an unknown service": (404, lambda w: w.send("POST", f"/cds-services/{MARK}?{MARK}", whole(), authorization=w.token())),
    "an unknown path": (404, lambda w: w.send("GET", f"/{MARK}/{PATIENT_ID}?token={TOKEN}")),
    "another method": (405, lambda w: w.send("PUT", SERVICE, whole(), authorization=w.token())),
    "a method of its own": (405, lambda w: w.send(MARK.upper(), SERVICE, whole(), authorization=w.token())),
    "discovery": (200, lambda w: w.send("GET", f"/cds-services?{MARK}", authorization=w.token())),
    "a probe": (200, lambda w: w.send("GET", f"/health?{MARK}", authorization=w.token())),
    "another host": (421, lambda w: w.send("GET", "/cds-services", host=f"{MARK}.example", authorization=w.token())),
    "a preflight": (403, lambda w: w.send("OPTIONS", SERVICE, access_control_request_method=MARK)),
    "feedback": (200, lambda w: w.send("POST", FEEDBACK, items(), authorization=w.token())),
    "feedback without a token": (401, lambda w: w.send("POST", FEEDBACK, items())),
    "feedback that is none": (400, lambda w: w.send("POST", FEEDBACK, {"feedback": [{"card": MARK}]}, authorization=w.token())),
    "what is no HTTP": (400, lambda w: w.raw(f"{MARK} {MARK}\r\n\r\n".encode())),
    "a header that is none": (400, lambda w: w.raw(f"GET / HTTP/1.1\r\nHost: x\r\n{MARK} : {MARK}\r\n\r\n".encode())),
    "two lengths": (400, lambda w: w.raw(BY_LENGTHS)),
    "a head that is too long": (431, too_long),
    "a caller that leaves": (0, leaving),
}  # fmt: skip


def events(watched):
    lines = [json.loads(line) for line in watched.service.out.read_text().split("\n")[:-1]]
    return [event for event in lines if "status" in event and event.get("target") != "ready"]


@pytest.mark.parametrize(("status", "request_"), REQUESTS.values(), ids=REQUESTS)
def test_nothing_of_a_request_stands_anywhere(watched, status, request_):
    before = len(events(watched))
    assert request_(watched) == status
    eventually(
        lambda: [e for e in events(watched)[before:] if e["status"] == status], "its event", seconds=10
    )
    watched.check()


def test_the_sinks_are_those_in_which_the_service_writes(watched):
    """Each holds what belongs there; else nothing could be found in it."""
    assert watched.send("POST", FEEDBACK, items(), authorization=watched.token()) == 200
    assert watched.send("POST", SERVICE, whole(), authorization=watched.token()) == 200
    assert watched.send("POST", SERVICE, b"", authorization=watched.token()) == 400
    eventually(lambda: [event for event in events(watched) if event["status"] == 400], "its event")
    watched.look()
    written = {sink: "\n".join(texts) for sink, texts in watched.sinks.written.items()}
    assert '"authentication": "jwt"' in written["events"]
    assert 'status="400"' in written["metrics"]
    assert CARD in written["store"]
    assert "OperationOutcome" in written["error"]
    assert "nosniff" in written["headers"]
    assert '"outcome": "scored"' in written["events"]
    assert watched.service.complaints() == []
