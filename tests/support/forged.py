"""Tokens that must prove nothing, whatever algorithm they are signed with. Name → Authorization header."""

import json
import secrets
from collections.abc import Iterator
from datetime import timedelta

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.charts import AS_OF
from tests.support.ehr_simulator import BASE
from tests.support.tokens import (
    ENDPOINT,
    JWKS,
    PUBLIC,
    b64,
    bearer,
    claims_of,
    compact,
    header_of,
    jwk,
    private_key,
    public_pem,
    sign,
    token,
)

NOW = int(AS_OF.timestamp())
OTHER = {"ES384": "RS384", "RS384": "ES384"}


def forged(algorithm: str, audience: str) -> dict[str, str]:
    """Every forgery that is signed (where it is) with this algorithm and meant for this address."""
    found = dict(_by_form(algorithm, audience))
    found |= _by_key(algorithm, audience)
    for name, claims in _claims(audience).items():
        found[f"claims: {name}"] = bearer(algorithm, {"aud": audience} | claims)
    for name, header in _headers(algorithm).items():
        found[f"header: {name}"] = bearer(algorithm, {"aud": audience}, header)
    return found


def _claims(audience: str) -> dict[str, dict]:
    wrong: dict[str, dict] = {f"no {name}": {name: ...} for name in ("exp", "iat", "iss", "aud", "jti")}
    for name in ("exp", "iat", "nbf"):
        for value in (str(NOW), True, None, [NOW], {}, 1e300, -1):
            wrong[f"{name} is {value!r:.20}"] = {name: value}
    for value in (5, "", None, ["a"], {}, "j" * 257, True):
        wrong[f"jti is {value!r:.20}"] = {"jti": value}
    for value in (5, "", None, [BASE], {}, "i" * 257, "https://unknown.example", f"{BASE}/", BASE.upper()):
        wrong[f"iss is {value!r:.30}"] = {"iss": value}
    for value in (
        *(5, "", None, [], {}, [5], ["", 5], True, PUBLIC, f"{PUBLIC}/cds-services"),
        *(
            f"{PUBLIC}/cds-services/other",
            f"{audience}/",
            audience.upper(),
            audience.replace("https", "http"),
        ),
        *(audience[:-1], f"{audience}x", "http://cds.example/cds-services/imnm-recurrence", "*"),
        *([f"{PUBLIC}/cds-services"], {audience: 1}, [[audience]], [audience] * 21, "imnm-recurrence"),
    ):
        wrong[f"aud is {str(value)[:60]}"] = {"aud": value}
    wrong |= {
        "expired": {"iat": NOW - 400, "exp": NOW - 61},
        "expired long ago": {"iat": NOW - 90_300, "exp": NOW - 90_000},
        "issued in the future": {"iat": NOW + 62, "exp": NOW + 300},
        "not valid yet": {"nbf": NOW + 62},
        "lives too long": {"exp": NOW + 3601},
        "lives ten years": {"exp": NOW + int(timedelta(days=3650).total_seconds())},
        "lives no time": {"exp": NOW, "iat": NOW},
        "ends before it begins": {"exp": NOW + 10, "iat": NOW + 20},
        "in milliseconds": {"iat": NOW * 1000, "exp": NOW * 1000 + 300_000},
        "of a tenant that nobody named": {"tenant": "a"},
        "of a tenant that is none": {"tenant": 5},
        "of another client": {"iss": "https://other.example"},
        "of another client, with its tenant": {"iss": "https://other.example", "tenant": "a"},
    }
    return wrong


def _headers(algorithm: str) -> dict[str, dict]:
    wrong: dict[str, dict] = {
        f"kid is {kid!r:.30}": {"kid": kid}
        for kid in (..., "", 5, None, ["ES384"], {}, "unknown", "../../dev/null", "' OR 1=1 --", "k" * 257)
    }
    wrong |= {f"typ is {typ!r}": {"typ": typ} for typ in (..., "", None, 5, "at+jwt", "JWS", ["JWT"])}
    for member, value in (
        *(("crit", ["exp"]), ("crit", []), ("b64", False), ("b64", True), ("zip", "DEF"), ("enc", "A128GCM")),
        *(("jwk", jwk(algorithm)), ("x5u", JWKS), ("x5c", ["MII"])),
    ):
        wrong[f"{member} is {value!r:.20}"] = {member: value}
    for jku in ("https://evil.example/jwks", f"{JWKS}/", f"{JWKS}?", JWKS.upper(), "", 5, None, [JWKS]):
        wrong[f"jku is {jku!r:.40}"] = {"jku": jku}
    for alg in ("none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "EdDSA", 5, None, [algorithm]):
        wrong[f"alg is {alg!r}"] = {"alg": alg}
    for alg in ("ES256", "RS256", "PS384", "ES512", OTHER[algorithm], algorithm.lower(), f"{algorithm} "):
        wrong[f"alg is said to be {alg}"] = {"alg": alg}
    return wrong


def _by_key(algorithm: str, audience: str) -> dict[str, str]:
    """Signed well, by somebody else, or with what everybody knows."""
    aud, foreign = {"aud": audience}, private_key(algorithm, "a stranger")
    found = {
        "key: a stranger's": bearer(algorithm, aud, key=foreign),
        "key: a stranger's, given along": bearer(
            algorithm, aud, {"jwk": jwk(algorithm, key=foreign), "kid": "mine"}, key=foreign
        ),
        "key: a stranger's, at an address": bearer(
            algorithm, aud, {"jku": "https://evil.example/jwks", "kid": "mine"}, key=foreign
        ),
        "key: the other client's": bearer(
            algorithm, aud, {"kid": "other"}, key=private_key(algorithm, "other")
        ),
        "key: the other client's, as that client": bearer(
            algorithm, aud | {"iss": "https://other.example", "tenant": "a"}, {"kid": algorithm}
        ),
        "key: of the other kind": bearer(algorithm, aud, {"kid": OTHER[algorithm]}),
        "key: signed as the other kind": bearer(
            algorithm, aud, key=private_key(OTHER[algorithm]), signed_as=OTHER[algorithm]
        ),
        "key: too weak an algorithm": bearer("RS256", aud, {"kid": "RS384"}, key=private_key("RS384")),
        "key: PSS": bearer("PS384", aud, {"kid": "RS384"}, key=private_key("RS384")),
    }
    for length in ("256", "384", "512"):
        for kid in (algorithm, "unknown"):
            found[f"key: HS{length} with the public one, kid {kid}"] = bearer(
                f"HS{length}", aud, {"kid": kid}, key=public_pem(algorithm)
            )
    for none in ("none", "None", "NONE", "nOnE"):
        head, body = header_of(none, kid=algorithm), claims_of(**aud)
        parts = [b64(json.dumps(part).encode()) for part in (head, body)]
        found[f"key: {none}, without signature"] = f"Bearer {'.'.join(parts)}."
        found[f"key: {none}, with one"] = f"Bearer {'.'.join(parts)}.AAAA"
    return found


def _by_form(algorithm: str, audience: str) -> Iterator[tuple[str, str]]:
    aud = {"aud": audience}
    first, second, third = token(algorithm, aud).split(".")
    yield "form: four parts", f"Bearer {first}.{second}.{third}.{third}"
    yield "form: five parts", f"Bearer {first}.{second}.{third}.{third}.{third}"
    yield "form: two parts", f"Bearer {first}.{second}"
    yield "form: one part", f"Bearer {first}"
    yield "form: empty parts", "Bearer .."
    yield "form: no signature", f"Bearer {first}.{second}."
    yield "form: half a signature", f"Bearer {first}.{second}.{third[: len(third) // 2]}"
    yield "form: a signature of zeros", f"Bearer {first}.{second}.{'A' * len(third)}"
    yield "form: another's signature", f"Bearer {first}.{second}.{token(algorithm, aud).split('.')[2]}"
    yield "form: other claims", f"Bearer {first}.{b64(json.dumps(claims_of(**aud)).encode())}.{third}"
    yield "form: blanks", f"Bearer {first}. {second}.{third}"
    yield "form: padded", f"Bearer {first}=.{second}.{third}"
    yield "form: the other alphabet", f"Bearer {first}+/.{second}.{third}"
    yield "form: no scheme", f"{first}.{second}.{third}"
    yield "form: Basic", f"Basic {first}.{second}.{third}"
    yield "form: two tokens", f"Bearer {first}.{second}.{third}, Bearer {first}.{second}.{third}"
    yield "form: nothing", ""
    yield "form: the scheme alone", "Bearer"
    yield "form: a blank token", "Bearer  "
    yield "form: no token at all", "Bearer null"
    yield "form: too long", bearer(algorithm, aud | {"padding": "x" * 16_384})
    yield "form: 1 MB", bearer(algorithm, aud | {"padding": "x" * 1_000_000})
    head, body = json.dumps(header_of(algorithm)).encode(), json.dumps(claims_of(**aud)).encode()
    bodies = {
        "aud twice": body[:-1] + b', "aud": "' + ENDPOINT.encode() + b'"}',
        "exp is NaN": body.replace(b'"exp": ', b'"exp": NaN, "was": '),
        "exp is 1e400": body.replace(b'"exp": ', b'"exp": 1e400, "was": '),
        "exp has 5,000 digits": body.replace(b'"exp": ', b'"exp": ' + b"9" * 5000 + b', "was": '),
        "no JSON": b"claims",
        "no object": b"[" + body + b"]",
        "no UTF-8": body.replace(b'"jti": "', b'"jti": "\xff'),
        "NUL": body.replace(b'"jti": "', b'"jti": "\\u0000'),
        "deep": body[:-1] + b', "x": ' + b"[" * 2000 + b"]" * 2000 + b"}",
        "empty": b"{}",
    }
    for name, content in bodies.items():
        yield f"form: claims with {name}", f"Bearer {compact(head, content, algorithm)}"
    heads = {
        "alg twice": head[:-1] + b', "alg": "none"}',
        "kid twice": head[:-1] + b', "kid": "' + secrets.token_hex(4).encode() + b'"}',
        "no JSON": b"head",
        "no object": b'"head"',
        "no UTF-8": b'{"alg": "\xff"}',
    }
    for name, content in heads.items():
        yield f"form: header with {name}", f"Bearer {compact(content, body, algorithm)}"
    if algorithm == "ES384":
        content = f"{first}.{second}".encode()
        written = private_key(algorithm).sign(content, ec.ECDSA(hashes.SHA384()))
        yield "form: a signature in DER", f"Bearer {first}.{second}.{b64(written)}"
    else:
        yield (
            "form: a signature over something else",
            f"Bearer {first}.{second}.{b64(sign(algorithm, private_key(algorithm), b'x'))}",
        )
