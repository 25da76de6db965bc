"""Why there is, or is no, card: the one decision, in a few words for the audit and in a sentence for people."""

from collections.abc import Iterator

from cds_service.cards.assessment import Assessment, EligibilityUnknown, NotShown
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.gate import gated
from cds_service.cards.words import say
from models.advice import Advice
from models.inputs import Phase
from models.risk import Abstained

NOTHING = "nothing to say"
_PRESSING: dict[Phase, str] = {
    "relapse": "possible relapse",
    "rising": "CK rising",
    "active": "active disease",
}
_ABSTAINED = {"too-few-predictors": "too little known", "record-incomplete": "record incomplete"}
_NOT_CONTROLLED: dict[Phase, str] = {"improving": "CK still raised", "unknown": "disease not known"}
_GAPS = {"overdue", "never"}
_SENTENCES = frozenset({"none", "possible", "unknown", "excluded"})


def speaks(assessment: Assessment, settings: CardSettings) -> bool:
    """Whether there is a card. Silence means: assessed, or not an IMNM patient, and nothing to advise (V6, E3–E5)."""
    return why(assessment, settings) != NOTHING


def why(assessment: Assessment, settings: CardSettings) -> str:
    """Say in a few words why there is a card for this patient, the most pressing thing alone, or "nothing to say"."""
    assessment = gated(assessment, settings)
    findings, advice, who = assessment.findings, assessment.advice, assessment.findings.eligibility
    if isinstance(assessment.outcome, EligibilityUnknown):
        return "eligibility unknown"
    if who.state == "possible":
        if settings.show_possible:
            return "IMNM not confirmed"
        if findings.failed:  # what keeps it open who it is cannot be switched off (F9, U4)
            return "record incomplete"
        return "could not be used" if who.barred_by else NOTHING
    if advice is None:
        left_out = who.state == "excluded" and who.reason != "deceased"
        return "not for this patient" if left_out else NOTHING
    return next(filter(None, _reasons(assessment, advice, settings)), NOTHING)


def _reasons(assessment: Assessment, advice: Advice, settings: CardSettings) -> Iterator[str]:
    """Whatever bars silence (V6), the most pressing first; empty for what does not."""
    findings = assessment.findings
    yield _PRESSING.get(findings.phase, "")
    yield "statin" if advice.statin else ""
    if isinstance(assessment.outcome, Abstained):
        yield _ABSTAINED[assessment.outcome.code]
    yield "risk not shown" if isinstance(assessment.outcome, NotShown) else ""
    yield f"{advice.band} band" if advice.band in {"intermediate", "high"} else ""
    has_gaps = any(part.state in _GAPS for item in advice.follow_up for part in item.parts)
    yield "follow-up missing" if has_gaps and not advice.quiet else ""
    yield _NOT_CONTROLLED.get(findings.phase, "")
    yield "record incomplete" if findings.failed else ""
    yield "could not be used" if findings.doubts else ""
    yield "" if advice.quiet and settings.quiet_low else f"{advice.band} band"


def silence(eligibility: str, band: str) -> str:
    """Say in a sentence why a chart of this eligibility and risk band was assessed and has no card."""
    if eligibility in _SENTENCES:
        return say(f"silence.{eligibility}")
    return say("silence.quiet", eligibility=eligibility, band=band)
