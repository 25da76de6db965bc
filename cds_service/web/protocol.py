"""The wire: what a CDS Hooks request and the discovery document look like (CDS Hooks 2.0.1).

Requests are msgspec Structs; unknown members are ignored.
Discovery is pydantic: it is checked once, at start-up.
"""

import msgspec
from pydantic import BaseModel, ConfigDict, Field


class Context(msgspec.Struct, gc=False, rename="camel"):
    """`context` of patient-view; an `encounterId` of the wrong type is as good as none."""

    patient_id: str
    user_id: str
    encounter_id: object = None


class Authorization(msgspec.Struct, gc=False):
    """`fhirAuthorization`, as far as it is used: expiry, scope and subject are the FHIR server's business."""

    access_token: str | None = None
    token_type: str | None = None
    patient: str | None = None


class Envelope(msgspec.Struct, gc=False, rename="camel"):
    """The whole request but for its prefetch."""

    hook: str
    hook_instance: str
    context: Context
    fhir_server: str | None = None
    fhir_authorization: Authorization | None = None


class DiscoveredService(BaseModel):
    """One service of the discovery document; members of later CDS Hooks versions may stand beside these."""

    model_config = ConfigDict(frozen=True, extra="allow")

    hook: str = Field(min_length=1)
    id: str = Field(pattern=r"^[A-Za-z0-9._~-]+$")
    title: str = Field(min_length=1)
    description: str = Field(min_length=1)
    prefetch: dict[str, str] = Field(min_length=1)


class Discovery(BaseModel):
    """The discovery document, `cds-hooks.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    services: tuple[DiscoveredService, ...] = Field(min_length=1)
