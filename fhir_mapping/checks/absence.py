"""Why a value is not there: whether there may be one all the same (U1)."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from fhir_mapping.laboratory.answers import says_no_result
from fhir_mapping.record import Coding, Component, Concept, Value
from fhir_mapping.terms import Tables
from fhir_mapping.terms.roles import RoleWord
from fhir_mapping.terms.words import fold
from fhir_mapping.versions import neutral

_ABSENCE = "http://terminology.hl7.org/CodeSystem/data-absent-reason"  # of a reason without a system


def is_withheld(value: Value, tables: Tables) -> bool | None:
    """Whether a value is absent for a reason that says there may be one; None: its reason cannot be read.

    Of several reasons any such code decides, and words for one leave open what another code says.
    """
    reason = value.absent or Concept()
    codings = [coding if coding.system else Coding(_ABSENCE, coding.code) for coding in reason.codings]
    if tables.means("qualifiers", codings, "withheld"):
        return True
    texts = [text for text in (reason.text, *reason.displays) if text]
    if any(is_called(text, "withheld", tables) for text in texts):
        return None
    if tables.means("qualifiers", codings, "no-value"):
        return False
    is_none = any(is_called(text, "no-value", tables) or says_no_result(text, tables) for text in texts)
    return False if is_none else None


def may_be_there(value: Value, tables: Tables) -> bool:
    """Whether a value is said to be absent, and not for a reason that says there is none: of two readings the safer."""
    return value.absent is not None and is_withheld(value, tables) is not False


def is_part_withheld(
    components: Iterable[neutral.MeasuredPart | Component], roles: AbstractSet[RoleWord], tables: Tables
) -> bool:
    """Whether a component may have a value that is not there; of what is a magnitude no rule reads components."""
    if any(tables.roles[role].dimension for role in roles):
        return False
    of_components = ((part.value, tables.words("observations", part.code.codings)) for part in components)
    return any(
        may_be_there(value, tables)
        for value, about in of_components
        if not about or not about.isdisjoint(roles)
    )


def is_called(text: str, role: RoleWord, tables: Tables) -> bool:
    """Whether a text is a code of this role, or what that is called."""
    said = fold(text)
    return any(said in {fold(row.code), fold(row.display)} for row in tables.codes("qualifiers", role))
