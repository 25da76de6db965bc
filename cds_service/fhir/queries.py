"""What we ask for, by prefetch key, and what of it a request already holds.

The templates of `cds-hooks.json` and the searches that fill the gaps are the same queries, written from the tables:
codes without their system, so that a result coded with an OID finds its way too, one page of 100, no `_sort`, no
`date`, nothing but parameters of FHIR R4 that servers accept. A client's own codes are added where we ask ourselves.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cds_service.fhir.bundle import UnreadableError, read_page, read_resource
from cds_service.web.protocol import Discovery
from fhir_mapping.record import Source
from fhir_mapping.terms import Tables

Parameters = tuple[tuple[str, str], ...]

PAGE_SIZE = ("_count", "100")
PATIENT = "{{context.patientId}}"
TEMPLATE_CHARACTERS = 1500
_LABORATORY = ("laboratory",)
_ANY_TEST = ("laboratory", "imaging", "procedure", "exam")


@dataclass(frozen=True, slots=True)
class Query:
    """One prefetch key. `roles`: the Observations asked for; `categories`: where to find them without codes."""

    key: str
    resource_type: str
    roles: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    status: str = ""

    def parameters(self, tables: Tables) -> Parameters:
        """Return what is searched for beside the patient."""
        codes = list(dict.fromkeys(c.code for role in self.roles for c in tables.codes("observations", role)))
        chosen = [("code", ",".join(_escaped(code) for code in codes))] if self.roles else []
        chosen += [("status", self.status)] if self.status else []
        return (*chosen, PAGE_SIZE)

    def instead(self) -> tuple[tuple[Parameters, ...], ...]:
        """Return other ways to ask a server that wants a category or cannot search by code, best first."""
        if self.categories:
            return (((("category", ",".join(self.categories)), PAGE_SIZE),),)
        if self.resource_type == "Condition":
            kinds = ("problem-list-item", "encounter-diagnosis")
            return tuple((("category", kind), PAGE_SIZE) for kind in kinds), ((),)
        return ()


PHASE_1 = ("patient", "conditions", "antibodies")
QUERIES = (
    Query("patient", "Patient"),
    Query("conditions", "Condition"),
    Query("antibodies", "Observation", ("anti-srp", "anti-hmgcr"), _LABORATORY),
    Query("ana", "Observation", ("ana",), _LABORATORY),
    Query(
        "enzymes",
        "Observation",
        (
            "ast",
            "alt",
            "ast-alt-ratio",
            "alt-ast-ratio",
            "ck",
            "ldh",
            "hbdh",
            "severe-weakness",
            "refractory",
        ),
        _LABORATORY,
    ),
    Query("bloodCount", "Observation", ("lymphocytes", "neutrophils"), _LABORATORY),
    Query("cardiacTests", "Observation", ("troponin-i", "troponin-t", "nt-probnp", "lvef"), _ANY_TEST),
    Query("lungFunction", "Observation", ("fvc", "dlco"), _ANY_TEST),
    Query("medicationRequests", "MedicationRequest"),
    Query("medicationStatements", "MedicationStatement"),
    Query("medicationDispenses", "MedicationDispense"),
    Query("medicationAdministrations", "MedicationAdministration"),
    Query("encounters", "Encounter"),
    Query("appointments", "Appointment", status="booked"),
    Query("orders", "ServiceRequest", status="active"),
    Query("procedures", "Procedure"),
    Query("reports", "DiagnosticReport"),
)
BY_KEY: Mapping[str, Query] = {query.key: query for query in QUERIES}
NEVER_OFF = frozenset({"patient", "conditions"})  # never "not offered" (F9)


class DiscoveryError(ValueError):
    """The discovery document cannot be served; the message is one line that says what to do."""


def templates(tables: Tables) -> dict[str, str]:
    """Return the prefetch templates by key, phase-1 keys first."""
    return {query.key: _template(query, tables) for query in QUERIES}


def search_value(patient_id: str) -> str:
    """Write an id as the value of a reference parameter: no part of it can become an operator of the search."""
    return _escaped(patient_id)


def address(base: str, resource_type: str, parameters: Iterable[tuple[str, str]]) -> str:
    """Return the address of a search."""
    return f"{base}/{resource_type}?{form(parameters)}"


def form(parameters: Iterable[tuple[str, str]]) -> str:
    """Write search parameters, everything reserved percent-encoded: the body of a POST and the query of a GET."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters)


def supplied(query: Query, prefetch: Mapping[str, bytes], patient_id: str, depth: int) -> Source | None:
    """Return what the request holds for a key: `read` if it is whole, `failed` with what is there if not.

    None: the client did not supply it, or supplied something else. null and an empty Bundle say "none found", but a
    chart without Patient cannot be: null there is "not supplied".
    """
    value = prefetch.get(query.key)
    if value is None or (value == b"null" and query.key == "patient"):
        return None
    if value == b"null":
        return Source("read")
    try:
        if query.key == "patient":
            return Source("read", (read_resource(value, "Patient", patient_id, depth),))
        return _bundle(value, query, depth)
    except UnreadableError:
        return None


def _bundle(value: bytes, query: Query, depth: int) -> Source:
    page = read_page(value, query.resource_type, depth)
    if page.broken:
        return Source("failed", page.entries, "prefetch has an unreadable entry")
    if page.next_link or (page.total or 0) > page.matches:
        return Source("failed", page.entries, "prefetch holds the first page only")
    return Source("read", page.entries)


def _template(query: Query, tables: Tables) -> str:
    if query.key == "patient":
        return f"Patient/{PATIENT}"
    parameters = query.parameters(tables)
    if ("code", "") in parameters:  # to some servers an empty value means everything
        raise DiscoveryError(f"prefetch {query.key}: the tables hold no code for it")
    rest = "&".join(f"{name}={value}" for name, value in parameters)
    template = f"{query.resource_type}?patient={PATIENT}&{rest}"
    if len(template) > TEMPLATE_CHARACTERS:
        raise DiscoveryError(
            f"prefetch {query.key}: more than {TEMPLATE_CHARACTERS} characters; use fewer codes"
        )
    return template


def _escaped(value: str) -> str:
    for character in "\\,|$":
        value = value.replace(character, f"\\{character}")
    return value


def discovery_file() -> Path:
    """Return where the discovery document lies: in the package once installed, else at the top of the project."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "cds-hooks.json"
    return packaged if packaged.exists() else package.parent / "cds-hooks.json"


def read_discovery(file: Path) -> dict[str, Any]:
    """Read the discovery document; raises DiscoveryError."""
    try:
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        Discovery.model_validate(document)
    except (OSError, ValueError) as error:
        reason = "cannot be read" if isinstance(error, OSError) else "is not a CDS Hooks discovery document"
        raise DiscoveryError(f"{file}: {reason}") from None
    return document


def check_discovery(document: Mapping[str, Any], tables: Tables) -> None:
    """Raise DiscoveryError if a service's prefetch differs from what the tables say."""
    expected = templates(tables)
    for service in document["services"]:
        if list(service["prefetch"].items()) != list(expected.items()):
            raise DiscoveryError(
                f"cds-hooks.json: the prefetch of {service['id']} differs from the tables: run `imnm-cds check --write`"
            )


def write_discovery(file: Path, tables: Tables) -> None:
    """Write the prefetch templates into the discovery document; everything else in it stays."""
    document = json.loads(file.read_text(encoding="utf-8"))
    for service in document["services"]:
        service["prefetch"] = templates(tables)
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
