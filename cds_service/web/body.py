"""Bytes → HookRequest: size, time, encoding, then a strict envelope.

The envelope is the body with its prefetch cut out. There a name given twice, NUL, NaN and absurd depth are refused:
what decides who calls for whom must have one reading. Prefetch values stay raw until caller, server and FHIR version
are known; whatever is not JSON in UTF-8 is refused there too.
"""

import asyncio
import re
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect

from cds_service.errors import BodyTooLargeError, InvalidRequestError, TooSlowError, UnsupportedBodyError
from cds_service.fhir.queries import BY_KEY
from cds_service.json_text import check_utf_8, strict_json, what_is_wrong
from cds_service.settings.limits import Limits
from cds_service.web.protocol import Envelope

_PREFETCH = re.compile(rb'"prefetch"\s*:\s*\{')
_KEYS = {key.encode(): key for key in BY_KEY}
_NAME = re.compile(rb'[\s,]*"([^"]*)"\s*:\s*')
_END = re.compile(rb"\s*\}")
_MEDIA_TYPES = frozenset({"application/json", "application/fhir+json"})
_CHARSET = re.compile(r'charset\s*=\s*"?([^\s";]*)')
_CHARSETS = frozenset({"utf-8", "utf8"})
_USER = re.compile(r"(Practitioner|PractitionerRole|Patient|RelatedPerson)/[^/]+")
_TOKEN = re.compile(r"[\x21-\x7e]+")
_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9.-]{1,64}")  # FHIR's, but for two that a path means otherwise
# Only what some query asks for: a million other members cost a glance.
_Prefetch = msgspec.defstruct("_Prefetch", [(key, msgspec.Raw, msgspec.Raw(b"")) for key in BY_KEY])
_WHOLE: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    msgspec.defstruct("_Whole", [("prefetch", _Prefetch | None, None)], bases=(Envelope,))
)


class _PrefetchUnread(Envelope):
    prefetch: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True)
class HookRequest:
    """One call of a hook. `token` is for `fhir_server` alone, lives as long as the request and is never shown.

    `encounter` is a reference to the one that the context names; empty where it names none that can be one.
    """

    hook: str
    instance: str
    patient_id: str
    user_id: str
    encounter: str = ""
    fhir_server: str = ""
    token: str = field(default="", repr=False)
    token_ignored: bool = False  # a fhirAuthorization was there and unusable
    prefetch: Mapping[str, msgspec.Raw] = field(default_factory=dict, repr=False)


def check_headers(headers: Mapping[str, str], most: int) -> None:
    """Refuse what is not uncompressed JSON in UTF-8, or says that it has more than `most` bytes, before reading one."""
    media_type, _, parameters = headers.get("content-type", "").lower().partition(";")
    if media_type.strip() not in _MEDIA_TYPES:
        raise UnsupportedBodyError("Content-Type must be application/json")
    charset = _CHARSET.search(parameters)
    if charset and charset[1] not in _CHARSETS:
        raise UnsupportedBodyError("the charset must be UTF-8")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedBodyError("the body must not be compressed")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:19]) > most:
        raise _too_large(most)


async def receive(chunks: AsyncIterable[bytes], most: int, deadline: float) -> bytes:
    """Collect the body, at most `most` bytes of it and not after `deadline` (loop time, s)."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout_at(deadline):
            async for chunk in chunks:
                parts += [chunk] if chunk else []  # one chunk alone is not copied
                size += len(chunk)
                if size > most:
                    raise _too_large(most)
    except TimeoutError:
        raise TooSlowError("the body did not arrive in time") from None
    except ClientDisconnect:
        raise InvalidRequestError("the body did not arrive") from None
    return b"".join(parts)


def read(body: bytes, hook: str, limits: Limits) -> HookRequest:
    """Read the body of a call of `hook`; raises InvalidRequestError or BodyTooLargeError without naming any value."""
    try:
        check_utf_8(body)  # raw values are not looked at before they are used
        return _read_at_once(body, hook, limits) or _read_in_parts(body, hook, limits)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequestError(what_is_wrong(error)) from None


def _read_at_once(body: bytes, hook: str, limits: Limits) -> HookRequest | None:
    """Read a body whose prefetch holds what queries ask for and nothing else, in one pass; None for any other."""
    try:
        whole = _WHOLE.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    given = _given(whole.prefetch)
    envelope = _without(given, body) if whole.prefetch else body
    if envelope is None or _check_envelope(envelope, limits).get("prefetch") is not None:
        return None
    return _request(whole, hook, given, limits)


def _without(given: Mapping[str, msgspec.Raw], body: bytes) -> bytes | None:
    """Cut prefetch out, found by its values, each behind its name; None where anything else stands there."""
    opening = _PREFETCH.search(body)
    if opening is None:
        return None
    at, left, next_name = opening.end(), dict(given), _NAME.match
    while left:
        name = next_name(body, at)
        if name is None:
            return None
        at = name.end()
        value = left.pop(_KEYS.get(name[1], ""), None)
        if value is None or not body.startswith(value, at):
            return None
        at += len(value)
    closing = _END.match(body, at)
    if closing is None:
        return None
    envelope = body[: opening.end() - 1] + b"null" + body[closing.end() :]
    return envelope if envelope.count(b'"prefetch"') == 1 else None


def _read_in_parts(body: bytes, hook: str, limits: Limits) -> HookRequest:
    """Read the envelope first, then its prefetch, and say what is wrong with them."""
    whole = msgspec.json.decode(body, type=_PrefetchUnread)
    raw, envelope = bytes(whole.prefetch), body
    if raw[:1] == b"{":
        opening = _PREFETCH.search(body)
        at = opening.end() - 1 if opening else 0
        # Behind its name: a search for all of it costs more than reading it
        if opening and body.startswith(raw, at):
            envelope = body[:at] + b"null" + body[at + len(raw) :]
        else:
            envelope = body.replace(raw, b"null", 1)
    _check_envelope(envelope, limits)
    try:
        prefetch = msgspec.json.decode(raw, type=_Prefetch | None)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidRequestError("prefetch has the wrong type") from None
    return _request(whole, hook, _given(prefetch), limits)


def _given(prefetch: msgspec.Struct | None) -> dict[str, msgspec.Raw]:
    """What was sent along, by prefetch key."""
    members = msgspec.structs.asdict(prefetch) if prefetch else {}
    return {key: value for key, value in members.items() if value}


def _too_large(most: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"the body must not have more than {most} bytes")


def _check_envelope(envelope: bytes, limits: Limits) -> dict[str, object]:
    if len(envelope) > limits.envelope_bytes:
        raise BodyTooLargeError(
            f"the body without prefetch must not have more than {limits.envelope_bytes} bytes"
        )
    members: dict[str, object] = strict_json(envelope, limits)
    return members


def _request(
    envelope: Envelope, hook: str, prefetch: Mapping[str, msgspec.Raw], limits: Limits
) -> HookRequest:
    if envelope.hook != hook:
        raise InvalidRequestError(f"hook must be {hook}")
    if not envelope.hook_instance:
        raise InvalidRequestError("hookInstance is empty")
    context = envelope.context
    patient_id = context.patient_id
    # To some servers an empty id means every patient, a dotted one another path
    if not patient_id:
        raise InvalidRequestError("context.patientId is empty")
    if "/" in patient_id or "\\" in patient_id or patient_id in {".", ".."}:
        raise InvalidRequestError("context.patientId must be an id without a type")
    if len(patient_id) > limits.id_characters or " " in patient_id or not patient_id.isprintable():
        raise InvalidRequestError("context.patientId is not an id")
    if not _USER.fullmatch(context.user_id):
        raise InvalidRequestError(
            "context.userId must be a Practitioner, PractitionerRole, Patient or RelatedPerson/id"
        )
    if envelope.fhir_server == "":
        raise InvalidRequestError("fhirServer is empty")
    token, encounter = _token(envelope), context.encounter_id
    names_one = isinstance(encounter, str) and _ID.fullmatch(encounter)
    return HookRequest(
        hook=hook,
        instance=envelope.hook_instance,
        patient_id=patient_id,
        user_id=context.user_id,
        encounter=f"Encounter/{encounter}" if names_one else "",
        fhir_server=envelope.fhir_server or "",
        token=token,
        token_ignored=envelope.fhir_authorization is not None and not token,
        prefetch=prefetch,
    )


def _token(envelope: Envelope) -> str:
    """Return the access token, or nothing where `fhirAuthorization` is unusable."""
    authorization = envelope.fhir_authorization
    if authorization is None:
        return ""
    if not envelope.fhir_server:
        raise InvalidRequestError("fhirAuthorization needs fhirServer")
    if authorization.patient is not None and authorization.patient != envelope.context.patient_id:
        raise InvalidRequestError("fhirAuthorization.patient is not context.patientId")
    token = authorization.access_token or ""
    bearer = (authorization.token_type or "").lower() == "bearer"
    return token if bearer and _TOKEN.fullmatch(token) else ""
