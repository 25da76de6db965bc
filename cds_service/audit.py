"""What the audit event of a hook call says about the assessment: counts and words of ours, never the record itself."""

import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cds_service.assessment import Assessment, EligibilityUnknown
from cds_service.cards import Card
from cds_service.fhir.gather import Gathering
from models.risk import Abstained

_NOT_SCORED = {"possible": "IMNM not confirmed", "excluded": "not for this patient"}
_LOW_BAND = {"overdue": "follow-up missing", "never": "follow-up missing", "warn": "statin"}  # first match


def audited(gathering: Gathering, assessment: Assessment) -> dict[str, Any]:
    """Return the fields of `Event.HOOK_CALL` that the assessment fills."""
    findings, advice = assessment.findings, assessment.advice
    sources = gathering.gathered.sources
    return {
        "outcome": assessment.outcome_name,
        "eligibility": findings.eligibility.state,
        "band": (advice and advice.band) or "none",
        "reason": reason(assessment),
        "resources": sum(len(source.entries) for source in sources.values()),
        "refused": Counter(refused.reason for refused in findings.refused),
        "failed": {key: source.detail for key, source in sources.items() if source.state == "failed"},
        "not_offered": {
            key: source.detail for key, source in sources.items() if source.state == "not-offered"
        },
        "fhir_requests": gathering.fhir_requests,
        "fhir_bytes": gathering.fhir_bytes,
        "fhir_warnings": gathering.warnings,
    }


def shown(cards: Sequence[Card]) -> dict[str, Any]:
    """Return the fields that the cards fill; the identity of the card links later feedback to this event."""
    return {"cards": len(cards)} | ({"card": cards[0]["uuid"]} if cards else {})


def reason(assessment: Assessment) -> str:
    """Say in a few words why there is something to say to this patient: the most pressing thing alone."""
    findings, advice = assessment.findings, assessment.advice
    if isinstance(assessment.outcome, EligibilityUnknown):
        return "eligibility unknown"
    if advice is None:
        return _NOT_SCORED.get(findings.eligibility.state, "nothing to say")
    if findings.activity and findings.activity.possible_relapse:
        return "possible relapse"
    if isinstance(assessment.outcome, Abstained):
        return "too little known"
    if advice.band != "low":
        return f"{advice.band} band"
    states = {item.state for item in advice.follow_up}
    return next((why for state, why in _LOW_BAND.items() if state in states), "nothing to say")


def crash(error: Exception) -> dict[str, str]:
    """Say which kind of error was raised, and in which file and line; its message may hold data of the record."""
    cause: BaseException = error
    while isinstance(cause, BaseExceptionGroup):  # several tasks at once: the first one that failed
        cause = cause.exceptions[0]
    frame = traceback.extract_tb(cause.__traceback__)[-1]
    return {"error": type(cause).__name__, "place": f"{Path(frame.filename).name}:{frame.lineno}"}
