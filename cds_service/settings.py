"""What the operator decides (`Settings`, from a TOML file and the environment) and what we bound (`Limits`).

Every setting and every limit is described in `docs/configuration.md`; a test fails for one that is not.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableVariableError

from cds_service.errors import first_problem
from fhir_mapping.versions import is_read
from models.inputs import PartName
from models.registry import default_folder

ENVIRONMENT_PREFIX = "IMNM_CDS_"
_PLAIN = {"extra_forbidden": "there is no such setting", "missing": "is missing"}
SECRET_AT_LEAST = 16  # characters


class SettingsError(ValueError):
    """The configuration cannot be used; the message is one line that names the file and the key."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound on the outside world, with its unit and its reason."""

    body_bytes: int = (
        16 * 1024 * 1024
    )  # a chart of 2,000 results is 4 MB; parsing 16 MiB stops the loop for 20 ms
    envelope_bytes: int = 256 * 1024  # a request without its prefetch is a few kB, with a long token 20 kB
    json_depth: int = 64  # levels; FHIR resources that we read have fewer than 20
    id_characters: int = 256  # FHIR ids have 64, Epic's opaque ones 54
    answer_seconds: float = 2.0  # the whole answer; CDS Hooks clients give up soon after, users before
    render_seconds: float = 0.4  # of these, kept for assessing and rendering what was read by then
    response_bytes: int = 8 * 1024 * 1024  # one page of 100 resources of a verbose server is 0.5 MB
    chart_bytes: int = 24 * 1024 * 1024  # all pages of one chart: memory of one call
    chart_requests: int = 120  # 17 queries, their pages, and medications by reference
    query_pages: int = 20  # 2,000 resources a query
    parallel_requests: int = 8  # towards one FHIR server for one chart: an EHR must not feel us
    url_characters: int = 1500  # proxies cut at 2,000 and more; longer queries go by POST _search
    retry_seconds: float = 0.5  # the longest Retry-After that is worth waiting for
    parallel_calls: int = 100  # hook calls at once in one process; beyond it 503
    connections: int = 100  # sockets to FHIR servers in one process, beside those for a second try
    feedback_bytes: int = 1024 * 1024  # a batch of 1,000 items with comments is 0.5 MB
    store_seconds: float = 1.5  # waiting for the disk or another process before feedback ends with 503
    memory_seconds: float = 0.1  # waiting for what the store knows of a card before the card is shown

    @property
    def gather_seconds(self) -> float:
        """The time until which the record must be read, from the start of the call."""
        return self.answer_seconds - self.render_seconds


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
                raise ValueError(f"client {client}: {key}: {_PLAIN.get(kind, message)}") from None
        return codes


class Settings(BaseSettings):
    """The configuration of one service. The environment (`IMNM_CDS_…`) wins over the file."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=ENVIRONMENT_PREFIX)

    cors_origins: tuple[Origin, ...] = ()
    services: tuple[str, ...] | None = None
    client: tuple[Client, ...] = ()
    model: Path = Field(default_factory=default_folder)
    store: Path | None = None
    card_secret: SecretStr | None = Field(default=None, min_length=SECRET_AT_LEAST)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over what is given, and read no other place."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    @model_validator(mode="after")
    def _clients_can_be_told_apart(self) -> "Settings":
        for what, values in (
            ("name", [c.name for c in self.client]),
            ("fhir_base", [c.fhir_base for c in self.client]),  # two open clients are two equal bases
        ):
            if len(set(values)) < len(values):
                raise ValueError(f"two [[client]] blocks have the same {what}")
        return self


def load_settings(file: Path | None = None) -> Settings:
    """Read the settings from `file` (none: defaults) and the environment; raises SettingsError in one line."""
    values = _read(file) if file else {}
    if "card_secret" in values:
        raise SettingsError(
            f"{file}: card_secret: belongs in the environment, as {ENVIRONMENT_PREFIX}CARD_SECRET"
        )
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise SettingsError(_first_problem(file, values, error)) from None
    except UnreadableVariableError as error:
        raise SettingsError(f"environment: {error}") from None
    return settings


def _read(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file}: is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: is not TOML: {error}") from None
    _resolve_paths(file, values)
    return values


def _resolve_paths(file: Path, values: dict[str, Any]) -> None:
    """Read paths as relative to the file that names them."""
    blocks = values.get("client")
    holders = [(values, "model"), (values, "store")]
    holders += [(b, "site_map") for b in (blocks if isinstance(blocks, list) else []) if isinstance(b, dict)]
    for holder, name in holders:
        if isinstance(holder.get(name), str):
            holder[name] = file.parent / holder[name]


def _first_problem(file: Path | None, values: Mapping[str, Any], error: ValidationError) -> str:
    """Say in one line where the first problem stands and what it is, without repeating the value."""
    where, kind, message = first_problem(error)
    variable = ENVIRONMENT_PREFIX + re.split(r"[.[]", where)[0].upper()
    in_environment = where not in values and any(name.upper() == variable for name in os.environ)
    place = f"environment {variable}" if in_environment else f"{file or 'settings'}: {where or 'client'}"
    return f"{place}: {_PLAIN.get(kind, message)}"
