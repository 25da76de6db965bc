"""Why there is, or is no, card: the one decision, in a few words for the audit and in a sentence for people."""

from cds_service.cards.assessment import Assessment, EligibilityUnknown
from cds_service.cards.card_settings import CardSettings
from fhir_mapping.evidence import Eligibility
from models.risk import Abstained

_NOTHING = "nothing to say"
_ABSTAINED = {"too-few-predictors": "too little known", "record-incomplete": "record incomplete"}
_LOW_BAND = {"overdue": "follow-up missing", "never": "follow-up missing", "warn": "statin"}  # first match


def speaks(assessment: Assessment, settings: CardSettings) -> bool:
    """Whether there is a card. Silence means: assessed, or not an IMNM patient, and nothing to advise (V6, E3–E5)."""
    return why(assessment, settings) != _NOTHING


def why(assessment: Assessment, settings: CardSettings) -> str:
    """Say in a few words why there is a card for this patient, the most pressing thing alone, or "nothing to say"."""
    findings, advice, outcome = assessment.findings, assessment.advice, assessment.outcome
    if isinstance(outcome, EligibilityUnknown):
        return "eligibility unknown"
    if advice is None or findings.eligibility.state == "possible":
        return _not_scored(findings.eligibility, settings)
    if findings.phase == "relapse":
        return "possible relapse"
    if isinstance(outcome, Abstained):
        return _ABSTAINED[outcome.code]
    if advice.band != "low":
        return f"{advice.band} band"
    states = {item.state for item in advice.follow_up}
    if pressing := next((words for state, words in _LOW_BAND.items() if state in states), ""):
        return pressing
    if findings.failed:
        return "record incomplete"
    if findings.doubts:
        return "could not be used"
    return _NOTHING if advice.quiet and settings.quiet_low else "low band"


def silence(eligibility: str, band: str) -> str:
    """Say in a sentence why a chart of this eligibility and risk band was assessed and has no card."""
    match eligibility:
        case "none":
            return (
                "Assessed: nothing on this chart says immune-mediated necrotizing myopathy. "
                "On such a chart the service never speaks."
            )
        case "possible":
            return (
                "Assessed: IMNM is possible and not confirmed; this client wants no card that asks about it."
            )
        case "unknown":
            return "Not assessed: it is not known whether this is an IMNM patient."
        case "excluded":
            return "Not assessed: the patient has died."
        case _:
            return (
                f"Assessed: {eligibility} IMNM, risk band {band}, nothing overdue or never done, no statin to warn of, "
                "no sign of a relapse. Such a chart stays quiet."
            )


def _not_scored(eligibility: Eligibility, settings: CardSettings) -> str:
    if eligibility.state == "possible" and settings.show_possible:
        return "IMNM not confirmed"
    if eligibility.state == "excluded" and eligibility.reason != "deceased":
        return "not for this patient"
    return _NOTHING
