"""What proves who calls: a signed token (CDS Hooks 2.0, JWT), and the public keys that it may be signed with. Pure.

A token is read twice. `read` says what it claims, believed by nobody: enough to find the client that it names.
`check` then holds its claims against what that client's block allows, and `prove` its signature against one key. The
library does signatures and keys; what a claim may be is decided here, because it accepts too much (ADR 13).
"""

import base64
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

import jwt

from cds_service.errors import InvalidRequestError
from cds_service.json_text import strict_json
from cds_service.settings.client import Algorithm
from cds_service.settings.limits import Limits

TOKEN_CHARACTERS = 16 * 1024  # of one token: Epic's and the sandbox's have less than 1,000
LIFE_SECONDS = 3600  # exp - iat at most: Epic's live 15 minutes, the sandbox's 5
SKEW_SECONDS = 60  # how far the client's clock may be from ours, either way
_ID_CHARACTERS = 256  # of jti, kid, iss, tenant; UUIDs have 36, Epic's kid 44
_AUDIENCES = 20  # of one token; honest ones have one
_YEAR_5138 = 1e11  # s; beyond it a moment is a mistake, in milliseconds for example
_KEYS = 100  # of one set: an authority that rotates has two or three
_RSA_BITS = (2048, 8192)  # below: weak (NIST SP 800-131A); above: one check costs over a millisecond

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_NEVER = frozenset({"crit", "b64", "jwk", "x5u", "x5c", "zip", "enc"})
"""Members of the header that bring their own key, or change what is signed."""
_CURVES: Mapping[object, Algorithm] = {"P-256": "ES256", "P-384": "ES384"}
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_THUMBPRINT = ("crv", "e", "kty", "n", "x", "y")  # RFC 7638 3.2, of both kinds of key, in its order


class Rejected(Exception):  # noqa: N818 - what became of a token, as the audit says it
    """A token that proves nothing; `reason` is a word of ours for the audit, never for the answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnusableKeysError(ValueError):
    """A key set that must not be trusted; the message is one sentence without any key in it."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What a client's block allows of a token. `jku`: where its keys are (empty: they came in a file)."""

    algorithms: frozenset[str]
    jku: str = ""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a token says of itself; nothing of it is proved."""

    text: str = field(repr=False)
    header: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)
    issuer: str
    tenant: str  # empty: none
    kid: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Key:
    """One public key, and the only algorithm that it may be used with."""

    algorithm: Algorithm
    public: Any = field(repr=False)  # a public key of `cryptography`, as the library takes it


@dataclass(frozen=True, slots=True)
class Pass:
    """What is left of a good token: its digest, which may be used once, and until when it must be remembered (s)."""

    digest: bytes
    until: int


def read(token: str) -> Claimed:
    """Read what a compact token says of itself; raises Rejected where that is not enough to look any further."""
    if len(token) > TOKEN_CHARACTERS:
        raise Rejected("token too long")
    if not _COMPACT.fullmatch(token):
        raise Rejected("no compact token")
    first, second, _ = token.split(".")
    header, claims = _object(first), _object(second)
    if not _NEVER.isdisjoint(header):
        raise Rejected("header not allowed")
    if not isinstance(typ := header.get("typ"), str) or typ.upper() != "JWT":
        raise Rejected("typ")
    return Claimed(
        token,
        header,
        claims,
        issuer=_text(claims, "iss"),
        tenant=_text(claims, "tenant") if "tenant" in claims else "",
        kid=_text(header, "kid"),
    )


def check(claimed: Claimed, trust: Trust, audiences: Collection[str], now: float) -> Pass:
    """Hold header and claims against what is allowed, `now` in s since 1970; raises Rejected. The signature is not looked at."""
    if _text(claimed.header, "alg") not in trust.algorithms:
        raise Rejected("alg")
    if "jku" in claimed.header and trust.jku and claimed.header["jku"] != trust.jku:
        raise Rejected("jku")  # compared, never dialled
    issued, expires = _moment(claimed.claims, "iat"), _moment(claimed.claims, "exp")
    if not 0 < expires - issued <= LIFE_SECONDS:
        raise Rejected("life")
    if expires <= now - SKEW_SECONDS:
        raise Rejected("exp")
    if issued > now + SKEW_SECONDS:
        raise Rejected("iat")
    if "nbf" in claimed.claims and _moment(claimed.claims, "nbf") > now + SKEW_SECONDS:
        raise Rejected("nbf")
    if not any(name in audiences for name in _audience(claimed.claims.get("aud"))):
        raise Rejected("aud")
    names = json.dumps([claimed.issuer, _text(claimed.claims, "jti")])
    return Pass(hashlib.sha256(names.encode()).digest(), int(expires) + SKEW_SECONDS + 1)


def prove(claimed: Claimed, key: Key) -> None:
    """Check the signature with one key; raises Rejected."""
    if claimed.header["alg"] != key.algorithm:
        raise Rejected("alg of key")
    try:
        jwt.PyJWS().decode_complete(claimed.text, key.public, algorithms=[key.algorithm])
    except Exception:  # noqa: BLE001 - whatever the library or the key says, nothing was proved
        raise Rejected("signature") from None


def read_keys(content: bytes, algorithms: Collection[str], published: Collection[str]) -> dict[str, Key]:
    """Read a JWK Set: kid → key. A key that is not for us is left out; raises UnusableKeysError for a set that is wrong.

    `published` are thumbprints (RFC 7638) of keys whose private half everybody has; a set that holds one, a private or
    a symmetric key, or two keys of one kid is refused whole: whoever wrote it is not in command of the keys.
    """
    try:
        jwk_set = strict_json(content, Limits())
    except InvalidRequestError:
        raise UnusableKeysError("is not JSON with one reading") from None
    listed = jwk_set.get("keys") if isinstance(jwk_set, dict) else None
    if not isinstance(listed, list) or len(listed) > _KEYS:
        raise UnusableKeysError(f"is not a JWK Set of at most {_KEYS} keys")
    keys: dict[str, Key] = {}
    kids = [jwk.get("kid") for jwk in listed if isinstance(jwk, dict) and isinstance(jwk.get("kid"), str)]
    if len(set(kids)) < len(kids):
        raise UnusableKeysError("has two keys of one kid")
    for jwk in listed:
        if not isinstance(jwk, dict):
            raise UnusableKeysError("holds something that is no key")
        if jwk.get("kty") == "oct" or not _PRIVATE.isdisjoint(jwk):
            raise UnusableKeysError("holds a private or symmetric key")
        kid = jwk.get("kid")
        if isinstance(kid, str) and (key := _key(jwk, algorithms, published)):
            keys[kid] = key
    if not keys:
        raise UnusableKeysError("has no key with a kid for the client's algorithms")
    return keys


def _key(jwk: Mapping[str, Any], algorithms: Collection[str], published: Collection[str]) -> Key | None:
    """Read one key; none if it is not to sign with, too weak, or of another algorithm."""
    algorithm = _algorithm(jwk, algorithms)
    for_what = jwk.get("key_ops", ["verify"])
    if algorithm is None or jwk.get("use", "sig") != "sig" or for_what != ["verify"]:
        return None
    try:
        public = jwt.PyJWK(dict(jwk), algorithm).key
        # in the one way that its numbers have, whatever way it came
        again = jwt.get_algorithm_by_name(algorithm).to_jwk(public, as_dict=True)
    except Exception:  # noqa: BLE001 - not a point of its curve, no number, …: no key
        return None
    canonical = json.dumps(
        {name: again[name] for name in _THUMBPRINT if name in again}, separators=(",", ":")
    )
    digest = base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()
    if digest in published:
        raise UnusableKeysError(
            "holds a key whose private half is public, such as that of the CDS Hooks sandbox"
        )
    if algorithm.startswith("RS") and not _RSA_BITS[0] <= public.key_size <= _RSA_BITS[1]:
        return None
    return Key(algorithm, public)


def _algorithm(jwk: Mapping[str, Any], algorithms: Collection[str]) -> Algorithm | None:
    """The one algorithm of a key: what its curve means, or what it says of itself; RSA without a word the longest hash."""
    allowed = [name for name in get_args(Algorithm) if name in algorithms]
    if jwk.get("kty") == "EC":
        fitting = [name for name in allowed if name == _CURVES.get(str(jwk.get("crv")))]
    else:
        fitting = [name for name in allowed if name.startswith("RS") and jwk.get("kty") == "RSA"]
    if "alg" in jwk:
        fitting = [name for name in fitting if name == jwk["alg"]]
    return fitting[0] if fitting else None


def _object(part: str) -> Mapping[str, Any]:
    """Read the JSON object of one part of a token; it must have one reading only."""
    try:
        content = strict_json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), Limits())
    except (ValueError, InvalidRequestError):
        raise Rejected("not readable") from None
    if not isinstance(content, dict):
        raise Rejected("not readable")
    return content


def _text(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _ID_CHARACTERS:
        raise Rejected(name)
    return value


def _moment(claims: Mapping[str, Any], name: str) -> float:
    """A moment in s since 1970: a finite number, never a truth value or a text."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _YEAR_5138:
        raise Rejected(name)
    return value


def _audience(value: object) -> list[Any]:
    """The audiences that a token names: one text, or a list of texts."""
    named = [value] if isinstance(value, str) else value
    if not isinstance(named, list) or len(named) > _AUDIENCES or not all(isinstance(n, str) for n in named):
        raise Rejected("aud")
    return named
