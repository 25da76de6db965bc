"""What we ask for, by prefetch key, and what of it a request already holds.

The templates of `cds-hooks.json` and the searches that fill the gaps are the same queries, written from the tables:
codes without their system, so that a result coded with an OID finds its way too, one page of 100, no `_sort`, no
`date`, nothing but parameters of FHIR R4 that servers accept. A client's own codes are added where we ask ourselves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from cds_service.fhir.bundle import SearchSet, UnreadableError, read_page, read_resource
from fhir_mapping.record import Source, SourceKey
from fhir_mapping.terms import Tables
from fhir_mapping.terms.roles import RoleWord

Parameters = tuple[tuple[str, str], ...]

PAGE_SIZE = ("_count", "100")
PATIENT = "{{context.patientId}}"
_CONDITIONS = ("problem-list-item", "encounter-diagnosis")  # categories
# Many a server has no such Conditions
MAY_BE_REFUSED: Parameters = (("category", "health-concern"), PAGE_SIZE)
_LABORATORY = ("laboratory",)
_ANY_TEST = ("laboratory", "imaging", "procedure", "exam")


@dataclass(frozen=True, slots=True)
class Query:
    """One prefetch key. `roles`: the Observations asked for; `categories`: where to find them without codes."""

    key: SourceKey
    resource_type: str
    roles: tuple[RoleWord, ...] = ()
    categories: tuple[str, ...] = ()
    status: str = ""

    def parameters(self, tables: Tables) -> Parameters:
        """Return what is searched for beside the patient."""
        codes = list(dict.fromkeys(c.code for role in self.roles for c in tables.codes("observations", role)))
        chosen = [("code", ",".join(_escaped(code) for code in codes))] if self.roles else []
        chosen += [("status", self.status)] if self.status else []
        return (*chosen, PAGE_SIZE)

    def instead(self) -> tuple[tuple[Parameters, ...], ...]:
        """Return other ways to ask a server that wants a category or cannot search by code, best first.

        A way is the searches that answer the query together.
        """
        if self.categories:
            by_category = (("category", ",".join(self.categories)), PAGE_SIZE)
            return ((by_category,),)
        if self.resource_type == "Condition":
            by_kind = [(("category", kind), PAGE_SIZE) for kind in _CONDITIONS]
            everything: Parameters = ()
            return (*by_kind, MAY_BE_REFUSED), (everything,)
        return ()


PHASE_1: tuple[SourceKey, ...] = ("patient", "conditions", "antibodies")
QUERIES = (
    Query("patient", "Patient"),
    Query("conditions", "Condition"),
    Query("antibodies", "Observation", ("anti-srp", "anti-hmgcr", "other-msa"), _LABORATORY),
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
            "necrotizing-biopsy",
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
BY_KEY: Mapping[SourceKey, Query] = {query.key: query for query in QUERIES}


def search_value(patient_id: str) -> str:
    """Write an id as the value of a reference parameter: no part of it can become an operator of the search."""
    return _escaped(patient_id)


def address(base: str, resource_type: str, parameters: Iterable[tuple[str, str]]) -> str:
    """Return the address of a search."""
    return f"{base}/{resource_type}?{form(parameters)}"


def form(parameters: Iterable[tuple[str, str]]) -> str:
    """Write search parameters, everything reserved percent-encoded: the body of a POST and the query of a GET."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters)


def supplied(query: Query, value: bytes, patient_id: str) -> Source | None:
    """Return what the request holds for a key: `read` if it is whole, `failed` with what is there if not.

    None: it holds something else. null and an empty Bundle say "none found", but a chart without Patient cannot be: null
    there is "not supplied".
    """
    if value == b"null":
        return None if query.key == "patient" else Source("read")
    try:
        if query.key == "patient":
            return Source("read", (read_resource(value, "Patient", patient_id),))
        page = read_page(value, query.resource_type)
    except UnreadableError:
        return None
    held = SearchSet()
    held.add(page)
    held.close()
    entries, asked = tuple(held.entries), frozenset(query.roles)
    if page.next_link:
        return Source("failed", entries, "prefetch holds the first page only", asked)
    if held.failure:
        return Source("failed", entries, f"prefetch: {held.failure}", asked)
    return Source("read", entries, asked=asked)


def _escaped(value: str) -> str:
    for character in "\\,|$":
        value = value.replace(character, f"\\{character}")
    return value
