"""What a resource may be that does not say what it is (U1): its code is of the wrong shape, or is not there.

Real records hold results that words alone name ("ALT"), and diagnoses without a code. Of such a one every word was read,
and it is what the words say (U3). So only what no real server sends is unsaid: a coding that lost its shape or its
system, an Observation without a code and without words, and one without a code that was found by its code.
"""

from collections.abc import Iterable, Mapping

from fhir_mapping.checks.judging import Case
from fhir_mapping.checks.statuses import MEDICATIONS
from fhir_mapping.record import Coding, Concept
from fhir_mapping.terms.roles import RoleTable, RoleWord
from fhir_mapping.terms.words import NamedIn
from fhir_mapping.versions import neutral

TABLE: Mapping[str, RoleTable] = {"Condition": "conditions", "Observation": "observations"}
KINDS: Mapping[str, NamedIn] = {  # in what the words of a resource name something (U3)
    "Condition": "Condition",
    "Observation": "Observation",
    **dict.fromkeys(MEDICATIONS, "medication"),
}
NEED_NO_CODE = frozenset({"Patient", "Appointment", "Encounter"})  # the last two may count so (V3, V4)
_ANYTHING: Mapping[str, frozenset[RoleWord]] = {  # what is a doubt by code, and decides most
    "Condition": frozenset({"core", "cardiac-a"}),
    "Observation": frozenset(
        {
            *("ast", "alt", "ast-alt-ratio", "ck", "ana", "titre", "anti-srp", "anti-hmgcr"),
            *("lvef", "troponin-i", "troponin-t", "nt-probnp"),
        }
    ),
}


def is_beside_the_point(resource: neutral.Resource, case: Case) -> bool:
    """Whether a resource of no code of ours is whole, and says in words what it is, which is none of ours either (U3).

    Of such a one nothing is asked further. What is not as clear at a glance may be all the same.
    """
    kind = KINDS.get(resource.type)
    if kind is None:
        return resource.readable and resource.type not in NEED_NO_CODE
    if not resource.readable or resource.lost or resource.asked:
        return False
    asked = kind, resource.codings, resource.concepts
    if (known := case.beside_the_point.get(asked)) is None:
        has_systems = all(coding.system for coding in resource.codings)
        texts = _texts(resource.concepts) if has_systems else []
        known = bool(texts) and not _names_something(texts, kind, case)
        case.beside_the_point[asked] = known
    return known


def _texts(concepts: Iterable[Concept]) -> list[str]:
    return [text for concept in concepts for text in (concept.text, *concept.displays) if text]


def _names_something(texts: Iterable[str], kind: NamedIn, case: Case) -> bool:
    return any(case.tables.vocabulary.names(kind, text) for text in texts)


def may_be(resource: neutral.Resource, case: Case) -> frozenset[RoleWord]:
    """Collect what a resource without a role by code may be all the same; empty: it is none of ours."""
    table = TABLE.get(resource.type)
    if table is None:
        return frozenset()
    # A code whose system is lost is read as that of each system in which our table has codes
    bare = [coding.code for coding in resource.codings if not coding.system]
    systems = {row.system for row in case.tables.tables[table].codes} if bare else ()
    codings = (Coding(system, code) for system in systems for code in bare)
    if by_code := case.tables.words(table, codings):
        return by_code
    texts = _texts(resource.concepts)
    has_no_code = resource.type == "Observation" and not resource.codings
    if not (resource.unsure or (has_no_code and (resource.asked or not texts))):
        return frozenset()
    if _names_something(texts, KINDS[resource.type], case):
        return frozenset()  # its words say which it is (U3)
    roles = _ANYTHING[resource.type]
    if not resource.asked:
        return roles
    return roles & (resource.asked | {"titre"} if "ana" in resource.asked else resource.asked)
