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
    advice, possible = assessment.advice, assessment.findings.eligibility.state == "possible"
    asks_for_action = False
    if advice and not possible:
        is_open = any(item.open_parts for item in advice.follow_up)
        asks_for_action = bool(advice.suggestions or advice.statin or is_open)
    reasons = []
    for code in _CODES:
        if asks_for_action or code not in _OF_ACTIONS:
            name = "another-diagnosis" if possible and code == _NOT_APPLICABLE else code
            reasons.append({"system": SYSTEM, "code": code, "display": say(f"override.{name}")})
    return reasons
