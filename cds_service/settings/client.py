"""One `[[client]]` block: what the operator decides about one CDS client. Described in `docs/configuration.md`."""

import ipaddress
import re
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cds_service.errors import first_problem
from cds_service.settings.addresses import refusal_of_url
from fhir_mapping.versions import is_read
from models.inputs import PartName

ACCEPTED_BY_AT_MOST = 120  # characters: a name and a role

PLAIN = {
    "extra_forbidden": "there is no such setting",
    "missing": "is missing",
    "too_short": "names none: leave it out, or name one",
}
"""What pydantic says in its own words, in ours."""


def printable(value: str | Path) -> str | Path:
    """Check a name of a file or a host: with NUL it breaks only where it is used, with a line break the log does."""
    if any(character < " " or character == "\x7f" for character in str(value)):
        raise ValueError("must not contain control characters, such as NUL or a line break")
    return value


def _base_url(url: str) -> str:
    """Check an absolute http(s) address without user, query or fragment, and cut its trailing slashes."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be an absolute http or https address")
    if parts.query or parts.fragment or not url.isascii() or any(c <= " " or c == "\\" for c in url):
        raise ValueError("must be an address without query, fragment, spaces or non-ASCII characters")
    _ = parts.port  # raises ValueError for a port that is none
    return url.rstrip("/")


def _secure_url(url: str) -> str:
    """Check an address of which TLS says whose it is; plain http stays on this machine."""
    parts = urlsplit(_base_url(url))
    if parts.scheme != "https":
        host = parts.hostname or ""
        try:
            is_loopback = ipaddress.ip_address(host).is_loopback
        except ValueError:
            is_loopback = host == "localhost"
        if not is_loopback:
            raise ValueError("must be an https address")
    return url


def _listed(value: object) -> object:
    """Take a single text for a list of one."""
    return (value,) if isinstance(value, str) else value


def _origin(url: str) -> str:
    """Check a web origin, `https://host[:port]`, and write it as a browser does; `*` allows every origin."""
    if url == "*":
        return url
    parts = urlsplit(_base_url(url))
    if parts.path:
        raise ValueError("must be an origin like https://host:port, without a path")
    name = parts.hostname or ""
    host = f"[{name}]" if ":" in name else name
    is_usual = parts.port in {None, {"http": 80, "https": 443}[parts.scheme]}
    return f"{parts.scheme}://{host}" + ("" if is_usual else f":{parts.port}")


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


def _matching(pattern: str, must: str, text: str) -> str:
    """Check a text against a pattern; `must` says how it is written."""
    if not re.fullmatch(pattern, text):
        raise ValueError(f"must be {must}")
    return text


def _display(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be words on one line")
    return text


def _day(value: object) -> object:
    """Check a day as TOML or ISO 8601 writes it; a number or a moment is none."""
    if type(value) is date:
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("must be a day like 2026-03-01") from None


Algorithm = Literal["ES384", "RS384", "ES256", "RS256"]  # of signatures of tokens, the preferred first
FhirVersion = Annotated[str, AfterValidator(_fhir_version)]
NamedPath = Annotated[Path, AfterValidator(printable)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
Origin = Annotated[str, AfterValidator(_origin)]
Zone = Annotated[str, AfterValidator(_zone)]
SecureUrl = Annotated[str, AfterValidator(_secure_url)]
# Of an issuer, audience or tenant: compared as it stands
Name = Annotated[str, Field(pattern=r"^[!-~]{1,256}$")]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$")]
_URI = r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+"  # FHIR refuses a relative one
_A_URI = 'an address that begins like "urn:" or "https:", without blanks'
CodeSystem = Annotated[str, AfterValidator(partial(_matching, _URI, _A_URI))]
_CODE = r"[!-~]+( [!-~]+)*"
_A_CODE = "a code: letters, digits and signs, at most one blank between them"
Code = Annotated[str, AfterValidator(partial(_matching, _CODE, _A_CODE))]
_USER = r"Practitioner(Role)?/[A-Za-z0-9.-]{1,64}"  # as `context.userId` names a clinician
_A_USER = 'a user like "Practitioner/123"'
User = Annotated[str, AfterValidator(partial(_matching, _USER, _A_USER))]


class OrderCode(BaseModel):
    """The code that a client's order entry understands, in place of ours (V7)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: CodeSystem
    code: Code
    display: Annotated[str, AfterValidator(_display)]


class Client(BaseModel):
    """One CDS client: a `[[client]]` block."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Word
    fhir_base: Annotated[tuple[BaseUrl, ...], BeforeValidator(_listed)] = ()
    auth: Literal["none", "jwt"] = "none"
    issuer: Annotated[tuple[Name, ...], BeforeValidator(_listed)] = ()
    tenant: Name | None = None
    jwks_url: SecureUrl | None = None
    jwks_file: NamedPath | None = None
    algorithms: tuple[Algorithm, ...] = ("ES384", "RS384")
    audience: dict[str, Annotated[tuple[Name, ...], BeforeValidator(_listed)]] = Field(default_factory=dict)
    feedback_a_day: int = Field(default=2000, ge=1, le=1_000_000)
    feedback_days: int = Field(default=400, ge=1, le=3650)
    also_known_as: tuple[BaseUrl, ...] = ()
    mode: Literal["live", "silent", "pilot", "off"] = "live"
    pilot_users: frozenset[User] = frozenset()
    accepted_by: Annotated[str, Field(max_length=ACCEPTED_BY_AT_MOST), AfterValidator(_display)] | None = None
    accepted_on: Annotated[date, BeforeValidator(_day)] | None = None
    ca_file: NamedPath | None = None
    private_network: bool = False
    plain_http: bool = False
    answer_seconds: Annotated[float, Field(ge=0.5, le=10)] | None = None
    use_instead: BaseUrl | None = None
    fhir_version: FhirVersion = "R4"
    time_zone: Zone = "UTC"
    accept_unknown_status: bool = False
    any_encounter_counts: bool = True
    not_offered: frozenset[str] = frozenset()  # prefetch keys, checked where clients are made
    site_map: NamedPath | None = None
    when_eligibility_unknown: Literal["412", "card"] = "412"
    show_possible: bool = True
    quiet_low: bool = True
    order_codes: dict[PartName, OrderCode] = Field(default_factory=dict)
    one_action: bool = False
    visit_as: Literal["referral", "appointment"] = "referral"

    @model_validator(mode="after")
    def _proves_itself_or_is_open(self) -> "Client":
        if self.auth == "none":
            for_tokens = ("issuer", "tenant", "jwks_url", "jwks_file", "audience")
            if given := [name for name in for_tokens if getattr(self, name)]:
                raise ValueError(f'client {self.name}: {given[0]} is for auth = "jwt"')
        elif not self.issuer:
            raise ValueError(f'client {self.name}: auth = "jwt" needs issuer')
        elif bool(self.jwks_url) == bool(self.jwks_file):
            raise ValueError(f'client {self.name}: auth = "jwt" needs one of jwks_url and jwks_file')
        elif not self.algorithms:
            raise ValueError(f"client {self.name}: algorithms is empty")
        return self

    @model_validator(mode="after")
    def _bases_may_be_connected_to(self) -> "Client":
        named = [("fhir_base", url) for url in self.fhir_base]
        named += [("jwks_url", self.jwks_url)] if self.jwks_url else []
        for setting, url in named:
            if why := refusal_of_url(url, private_network=self.private_network, plain_http=self.plain_http):
                raise ValueError(f"client {self.name}: {setting}: {why}")
        return self

    @field_validator("order_codes", mode="before")
    @classmethod
    def _known_parts(cls, codes: object, info: ValidationInfo) -> object:
        """Name the client and the key of what is wrong, and the parts that there are."""
        if not isinstance(codes, dict):
            return codes
        client, known = info.data.get("name", "unnamed"), get_args(PartName)
        for part, code in codes.items():
            if part not in known:
                raise ValueError(f"client {client}: {part!r} cannot be ordered; what can: {', '.join(known)}")
            try:
                OrderCode.model_validate(code)
            except ValidationError as error:
                where, kind, message = first_problem(error)
                key = ".".join(filter(None, (part, where)))
                raise ValueError(f"client {client}: {key}: {PLAIN.get(kind, message)}") from None
        return codes

    @model_validator(mode="after")
    def _acceptance_is_whole(self) -> "Client":
        """Who accepted the model and when belong together, and it has happened."""
        if (self.accepted_by is None) != (self.accepted_on is None):
            raise ValueError(f"client {self.name}: accepted_by and accepted_on: give both, or neither")
        if self.accepted_on and self.accepted_on > datetime.now(ZoneInfo(self.time_zone)).date():
            raise ValueError(f"client {self.name}: accepted_on: must not be a day in the future")
        return self

    @model_validator(mode="after")
    def _pilot_is_proved(self) -> "Client":
        """Only a token proves whose caller names the user, and a pilot is for somebody."""
        if self.mode == "pilot" and self.auth != "jwt":
            raise ValueError(f'client {self.name}: mode = "pilot" needs auth = "jwt"')
        if self.mode == "pilot" and not self.pilot_users:
            raise ValueError(f'client {self.name}: mode = "pilot" needs pilot_users')
        return self

    def shows_cards_to(self, user: str) -> bool:
        """Whether this user sees cards: everybody of a live client, of a pilot those who take part in it."""
        return self.mode == "live" or (self.mode == "pilot" and user in self.pilot_users)
