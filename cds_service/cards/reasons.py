"""The reasons that a clinician may give for dismissing a card; each fits the card."""

from typing import Final

from cds_service.cards.assessment import Assessment
from cds_service.cards.words import say

SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
_NOT_APPLICABLE = "cds-not-applicable"
_CODES = (_NOT_APPLICABLE, "action-completed", "patient-refuses", "recipient-disagrees-evidence")
_OF_ACTIONS = frozenset({"action-completed", "patient-refuses"})


def override_reasons(assessment: Assessment) -> list[dict[str, str]]:
    """Codings of CDS Hooks: those about an action only where something is to be done; "another diagnosis" for E3."""
    possible = assessment.findings.eligibility.state == "possible"
    act = _something_to_do(assessment) and not possible
    return [
        {"system": SYSTEM, "code": code, "display": _display(code, possible=possible)}
        for code in _CODES
        if act or code not in _OF_ACTIONS
    ]


def name_of(code: str) -> str:
    """What a reason says, for a report. Raises KeyError for a code that is not ours."""
    return say(f"override.{code}")


def _display(code: str, *, possible: bool) -> str:
    return say("override.another-diagnosis") if possible and code == _NOT_APPLICABLE else name_of(code)


def _something_to_do(assessment: Assessment) -> bool:
    advice = assessment.advice
    if advice is None:
        return False
    return bool(advice.suggestions or advice.statin or any(item.open_parts for item in advice.follow_up))
