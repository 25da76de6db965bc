"""Tokens as CDS clients sign them, and as forgers do: whatever header, claims and signature a test wants.

Signed with `cryptography` alone, so that nothing which the service's own library refuses to write stays untried.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from cds_service.settings.client import Client
from tests.support.charts import AS_OF
from tests.support.ehr_simulator import BASE, EhrSimulator, _on_the_wire, answer

PUBLIC = "https://cds.hospital.example"
ENDPOINT = f"{PUBLIC}/cds-services/imnm-recurrence"
FEEDBACK = f"{ENDPOINT}/feedback"
ISSUER = BASE  # as Epic does
JWKS = "https://ehr.example/keys/jwks.json"
_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
_NAMES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@cache
def private_key(algorithm: str, whose: str = "hospital", bits: int = 2048) -> Any:
    """A key pair that lives as long as the tests."""
    del whose
    if algorithm.startswith("ES"):
        return ec.generate_private_key(_CURVES[algorithm])
    return rsa.generate_private_key(65537, bits)


def jwk(algorithm: str, kid: str = "", key: Any = None, **members: Any) -> dict:
    """The public half as a JWK; a member given as `...` is left out."""
    numbers = (key or private_key(algorithm)).public_key().public_numbers()
    if algorithm.startswith("ES"):
        size = {"P-256": 32, "P-384": 48, "P-521": 66}[_NAMES[algorithm]]
        public = {"kty": "EC", "crv": _NAMES[algorithm]}
        public |= {"x": b64(numbers.x.to_bytes(size)), "y": b64(numbers.y.to_bytes(size))}
    else:
        size = (numbers.n.bit_length() + 7) // 8
        public = {"kty": "RSA", "n": b64(numbers.n.to_bytes(size)), "e": b64(numbers.e.to_bytes(3))}
    given = public | {"kid": kid or algorithm, "alg": algorithm, "use": "sig"} | members
    return {name: value for name, value in given.items() if value is not ...}


def key_set(*keys: dict) -> bytes:
    return json.dumps({"keys": keys or (jwk("ES384"), jwk("RS384"))}).encode()


def public_pem(algorithm: str) -> bytes:
    return (
        private_key(algorithm)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def sign(algorithm: str, key: Any, content: bytes) -> bytes:
    """A signature as JWS has it: of an EC key its two numbers, one after the other."""
    if algorithm.startswith("HS"):
        return hmac.digest(key, content, f"sha{algorithm[2:]}")
    digest = _HASHES[algorithm[2:]]
    if algorithm.startswith("RS"):
        return key.sign(content, padding.PKCS1v15(), digest)
    if algorithm.startswith("PS"):
        return key.sign(content, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    size = (key.key_size + 7) // 8
    return b"".join(n.to_bytes(size) for n in decode_dss_signature(key.sign(content, ec.ECDSA(digest))))


def compact(header: bytes, claims: bytes, algorithm: str, key: Any = None) -> str:
    """Sign these very bytes."""
    content = f"{b64(header)}.{b64(claims)}"
    return f"{content}.{b64(sign(algorithm, key or private_key(algorithm), content.encode()))}"


def header_of(algorithm: str, **members: Any) -> dict:
    given = {"alg": algorithm, "typ": "JWT", "kid": algorithm, "jku": JWKS} | members
    return {name: value for name, value in given.items() if value is not ...}


def claims_of(now: datetime = AS_OF, **members: Any) -> dict:
    """The claims of the standard, a jti of its own among them; one given as `...` is left out."""
    issued = int(now.timestamp())
    given = {"iss": ISSUER, "aud": ENDPOINT, "iat": issued, "exp": issued + 300, "jti": secrets.token_hex(16)}
    return {name: value for name, value in (given | members).items() if value is not ...}


def token(
    algorithm: str = "ES384",
    claims: Mapping[str, Any] | None = None,
    header: Mapping[str, Any] | None = None,
    key: Any = None,
    signed_as: str = "",
) -> str:
    """A token; `claims` and `header` change those of an honest one, `signed_as` signs otherwise than it says."""
    head = json.dumps(header_of(algorithm, **(header or {}))).encode()
    body = json.dumps(claims_of(**(claims or {}))).encode()
    return compact(head, body, signed_as or algorithm, key)


def bearer(*args: Any, **kwargs: Any) -> str:
    """The Authorization header with a token."""
    return f"Bearer {token(*args, **kwargs)}"


def thumbprint(key: Mapping[str, Any]) -> str:
    """RFC 7638."""
    members = {name: key[name] for name in ("crv", "e", "kty", "n", "x", "y") if name in key}
    return b64(hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest())


def proving(**changes: Any) -> Client:
    """A hospital that proves itself, with its keys at an address of its own server."""
    given = {
        "name": "hospital",
        "fhir_base": BASE,
        "accept_unknown_status": True,
        "auth": "jwt",
        "issuer": ISSUER,
        "jwks_url": JWKS,
    } | changes
    return Client(**{name: value for name, value in given.items() if value is not ...})


def proving_file(folder: Path, settings: str = "") -> Path:
    """A configuration file with one hospital that proves itself, its keys in a file; it has no FHIR server."""
    (folder / "keys.json").write_bytes(key_set())
    file = folder / "proving.toml"
    file.write_text(
        f'{settings}\npublic_url = "{PUBLIC}"\nstore = "{folder / "feedback.sqlite"}"\n[[client]]\nname = "hospital"\n'
        f'auth = "jwt"\nissuer = "{ISSUER}"\njwks_file = "keys.json"\n'
        'accepted_by = "the tests"\naccepted_on = 2024-01-01\n'
    )
    return file


def bearer_now() -> str:
    """The Authorization header for a service with a real clock and the keys of `proving_file`."""
    claims = claims_of(datetime.now(UTC))
    return bearer(claims=claims, header={"jku": ...})


@dataclass
class Hospital(EhrSimulator):
    """The bendable EHR with a key set beside its records, and how often that was asked for."""

    keys: bytes = field(default_factory=key_set)
    asked_keys: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if str(request.url) != JWKS:
            return await super().handle_async_request(request)
        self.asked_keys += 1
        if "authorization" in request.headers:
            self.strays.append("a token sent for the keys")
        return _on_the_wire(answer(json.loads(self.keys)))
