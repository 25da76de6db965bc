"""What the operator decides, from a TOML file and the environment.

Every setting is described in `docs/configuration.md`; a test fails for one that is not.
"""

import ipaddress
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableVariableError

from cds_service.errors import first_problem
from cds_service.settings.client import PLAIN, Client, NamedPath, Origin, SecureUrl, printable
from cds_service.settings.limits import Limits
from models.registry import default_folder

ENVIRONMENT_PREFIX = "IMNM_CDS_"
SECRET_AT_LEAST = 16  # characters
_PATHS, _PATHS_OF_CLIENT = ("model", "store"), ("site_map", "jwks_file", "ca_file")
_THIS_MACHINE = ("localhost", "127.0.0.1", "[::1]")  # for probes and tests of the operator's own

_NO_SETTING = frozenset({"FHIR_TOKEN"})  # read by `check --connect` alone


def _secret(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value().strip()) < SECRET_AT_LEAST:
        raise ValueError(f"must have at least {SECRET_AT_LEAST} characters, blanks around them not counted")
    return value


def _host_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\]", value):
        raise ValueError("must be a host name without port, like cds.hospital.example")
    return value.lower()


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError("must be the address of a proxy, or a network like 10.1.2.0/24") from None


Secret = Annotated[SecretStr, AfterValidator(_secret)]
HostName = Annotated[str, AfterValidator(_host_name)]
Network = Annotated[str, AfterValidator(_network)]


class SettingsError(ValueError):
    """The configuration cannot be used; the message is one line that names the file and the key."""


class Settings(BaseSettings):
    """The configuration of one service. The environment (`IMNM_CDS_…`) wins over the file."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=ENVIRONMENT_PREFIX)

    cors_origins: tuple[Origin, ...] = ()
    services: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    prefetch: Literal["lean", "full"] = "lean"
    public_url: SecureUrl | None = None
    client: tuple[Client, ...] = ()
    model: NamedPath = Field(default_factory=default_folder)
    store: NamedPath | None = None
    card_secret: Secret | None = None
    audit_secret: Secret | None = None
    hosts: tuple[HostName, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    when_events_are_lost: Literal["drop-and-count", "refuse"] = "drop-and-count"
    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    metrics_host: Annotated[str, Field(min_length=1), AfterValidator(printable)] = "127.0.0.1"

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
            ("fhir_base", [base for c in self.client for base in c.fhir_base or ("",)]),  # none: one at most
            ("issuer and tenant", [(i, c.tenant) for c in self.client for i in c.issuer]),
        ):
            if len(set(values)) < len(values):
                raise ValueError(f"two [[client]] blocks have the same {what}")
        return self

    @model_validator(mode="after")
    def _tokens_can_be_checked(self) -> "Settings":
        """Refuse a door that looks shut and is not."""
        proving = [client.name for client in self.client if client.auth == "jwt"]
        unproved = [client.name for client in self.client if client.auth == "none"]
        if proving and not self.store:
            raise ValueError(f'client {proving[0]}: auth = "jwt" needs store: a token must not be used twice')
        if proving and "*" in self.cors_origins:
            raise ValueError(f'client {proving[0]}: auth = "jwt" needs cors_origins by name, not "*"')
        if unproved and self.public_url:
            raise ValueError(f'client {unproved[0]}: a service with a public_url needs auth = "jwt"')
        if unproved and self.trusted_proxies:
            raise ValueError(f'client {unproved[0]}: a service behind trusted_proxies needs auth = "jwt"')
        if unproved and (named := [client.name for client in self.client if client.audience]):
            raise ValueError(f'client {unproved[0]}: needs auth = "jwt": client {named[0]} has an audience')
        return self

    @property
    def served_hosts(self) -> tuple[str, ...]:
        """The names under which the service is called; none means any."""
        if self.hosts or not self.public_url:
            return self.hosts
        name = urlsplit(self.public_url).hostname or ""
        return (f"[{name}]" if ":" in name else name, *_THIS_MACHINE)

    @property
    def about_model(self) -> str:
        """The address of the page about the served model from outside; empty where nobody outside can be told one."""
        return f"{self.public_url.rstrip('/')}/model" if self.public_url else ""

    @property
    def longest_answer_seconds(self) -> float:
        """The longest that an answer may take: a worker that ends must wait for it."""
        usual = Limits().answer_seconds
        return max((client.answer_seconds or usual for client in self.client), default=usual)


def load_settings(file: Path | None = None) -> Settings:
    """Read the settings from `file` (none: defaults) and the environment; raises SettingsError in one line."""
    values = _read(file) if file else {}
    for secret in {"card_secret", "audit_secret"} & values.keys():
        raise SettingsError(
            f"{file}: {secret}: belongs in the environment, as {ENVIRONMENT_PREFIX}{secret.upper()}"
        )
    _check_environment()
    try:
        return Settings(**values)
    except ValidationError as error:
        where, kind, message = first_problem(error)
        variable = ENVIRONMENT_PREFIX + re.split(r"[.[]", where)[0].upper()
        in_environment = where not in values and any(name.upper() == variable for name in os.environ)
        place = f"environment {variable}" if in_environment else f"{file or 'settings'}: {where or 'client'}"
        raise SettingsError(f"{place}: {PLAIN.get(kind, message)}") from None
    except UnreadableVariableError as error:
        # Its value stays unsaid
        named = re.search(r'field "(\w+)"', str(error))
        place = f"environment {ENVIRONMENT_PREFIX}{named[1].upper()}" if named else "environment"
        raise SettingsError(f'{place}: must be JSON, a list like ["a", "b"]') from None


def _check_environment() -> None:
    """Refuse a variable that would set nothing: a slip in its name would leave a default in force."""
    known = {name.upper() for name in Settings.model_fields} | _NO_SETTING
    for name in sorted(os.environ):
        upper = name.upper()
        if upper.startswith(ENVIRONMENT_PREFIX) and upper[len(ENVIRONMENT_PREFIX) :] not in known:
            raise SettingsError(f"environment {name}: there is no such setting")


def _read(file: Path) -> dict[str, Any]:
    """The values of a file, in it paths relative to the file; raises SettingsError."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file}: is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: is not TOML: {error}") from None
    except RecursionError:
        raise SettingsError(f"{file}: is nested too deeply") from None
    except ValueError:
        raise SettingsError(f"{file}: is not TOML: a number in it has too many digits") from None
    _place_paths(values, _PATHS, file.parent)
    blocks = values.get("client")
    for block in blocks if isinstance(blocks, list) else ():
        if isinstance(block, dict):
            _place_paths(block, _PATHS_OF_CLIENT, file.parent)
    return values


def _place_paths(values: dict[str, Any], names: tuple[str, ...], folder: Path) -> None:
    for name in names:
        if isinstance(values.get(name), str):
            values[name] = folder / values[name]
