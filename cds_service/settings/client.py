"""One `[[client]]` block: what the operator decides about one CDS client. Described in `docs/configuration.md`."""

import re
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from cds_service.errors import first_problem
from fhir_mapping.versions import is_read
from models.inputs import PartName

PLAIN = {
    "extra_forbidden": "there is no such setting",
    "missing": "is missing",
    "too_short": "names none: leave it out, or name one",
}
"""What pydantic says in its own words, in ours."""


def _base_url(url: str) -> str:
    """Check an absolute http(s) address without user, query or fragment, and cut its trailing slashes."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be an absolute http or https address")
    if parts.query or parts.fragment or not url.isascii() or any(c <= " " or c == "\\" for c in url):
        raise ValueError("must be an address without query, fragment, spaces or non-ASCII characters")
    _ = parts.port  # raises ValueError for a port that is none
    return url.rstrip("/")


def _origin(url: str) -> str:
    """Check a web origin, `https://host[:port]`; `*` allows every origin."""
    if url != "*" and urlsplit(_base_url(url)).path:
        raise ValueError("must be an origin like https://host:port, without a path")
    return url.rstrip("/")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("unknown time zone") from None
    return name


def _fhir_version(name: str) -> str:
    if not is_read(name):
        raise ValueError("there is no mapping for this FHIR version in fhir_mapping/versions")
    return name


FhirVersion = Annotated[str, AfterValidator(_fhir_version)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
Origin = Annotated[str, AfterValidator(_origin)]
Zone = Annotated[str, AfterValidator(_zone)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$")]


def _code_system(text: str) -> str:
    """Check the address of a code system: FHIR refuses a relative one."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+", text):
        raise ValueError('must be an address that begins like "urn:" or "https:", without blanks')
    return text


def _code(text: str) -> str:
    if not re.fullmatch(r"[!-~]+( [!-~]+)*", text):
        raise ValueError("must be a code: letters, digits and signs, at most one blank between them")
    return text


def _display(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be words on one line")
    return text


class OrderCode(BaseModel):
    """The code that a client's order entry understands, in place of ours (V7)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: Annotated[str, AfterValidator(_code_system)]
    code: Annotated[str, AfterValidator(_code)]
    display: Annotated[str, AfterValidator(_display)]


class Client(BaseModel):
    """One CDS client: a `[[client]]` block."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Word
    fhir_base: BaseUrl | None = None
    also_known_as: tuple[BaseUrl, ...] = ()
    mode: Literal["live", "silent", "off"] = "live"
    use_instead: BaseUrl | None = None
    fhir_version: FhirVersion = "R4"
    time_zone: Zone = "UTC"
    accept_unknown_status: bool = False
    any_encounter_counts: bool = True
    not_offered: frozenset[str] = frozenset()  # prefetch keys, checked where clients are made
    site_map: Path | None = None
    when_eligibility_unknown: Literal["412", "card"] = "412"
    show_possible: bool = True
    quiet_low: bool = True
    order_codes: dict[PartName, OrderCode] = Field(default_factory=dict)
    one_action: bool = False
    visit_as: Literal["referral", "appointment"] = "referral"

    @field_validator("order_codes", mode="before")
    @classmethod
    def _known_parts(cls, codes: object, info: ValidationInfo) -> object:
        """Name the client and the key of what is wrong, and the parts that there are."""
        client, known = info.data.get("name", "unnamed"), get_args(PartName)
        for part, code in codes.items() if isinstance(codes, dict) else ():
            if part not in known:
                raise ValueError(f"client {client}: {part!r} cannot be ordered; what can: {', '.join(known)}")
            try:
                OrderCode.model_validate(code)
            except ValidationError as error:
                where, kind, message = first_problem(error)
                key = ".".join(filter(None, (part, where)))
                raise ValueError(f"client {client}: {key}: {PLAIN.get(kind, message)}") from None
        return codes
