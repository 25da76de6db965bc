"""Assessment → CDS Hooks cards: summary and detail, source, suggestions, override reasons.

One card for a chart. The profile is the strictest common one: no null, no empty element, `create` actions alone,
`selectionBehavior` exactly where there are suggestions, no HTML.
"""

from typing import Any

from cds_service.cards.assessment import Assessment
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.identity import state_of, uuid_of
from cds_service.cards.orders import suggestion
from cds_service.cards.why import speaks
from cds_service.cards.words import detail, summary

Card = dict[str, Any]

SOURCE_URL = (
    "https://acrabstracts.org/abstract/clinical-characterization-and-recurrence-prediction-model-for-"
    "immune-mediated-necrotizing-myopathy"
)
_TOPIC = {
    "system": "http://snomed.info/sct",
    "code": "715863001",
    "display": "Autoimmune necrotizing myopathy",
}
_REASONS = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
OVERRIDE_REASONS = [
    {"system": _REASONS, "code": "cds-not-applicable", "display": "Does not apply to this patient"},
    {"system": _REASONS, "code": "action-completed", "display": "Already done"},
    {"system": _REASONS, "code": "patient-refuses", "display": "Patient declines"},
    {
        "system": _REASONS,
        "code": "recipient-disagrees-evidence",
        "display": "I do not agree with the evidence",
    },
]


def render(assessment: Assessment, settings: CardSettings) -> list[Card]:
    """The cards of an assessment: none where there is nothing to advise, else one."""
    return [_card(assessment, settings)] if speaks(assessment, settings) else []


def _card(assessment: Assessment, settings: CardSettings) -> Card:
    state = state_of(assessment, settings)
    card: Card = {
        "uuid": uuid_of(state, settings),
        "summary": summary(assessment),
        "detail": detail(assessment, settings.use_instead),
        "indicator": assessment.advice.indicator if assessment.advice else "info",
        "source": {
            "label": f"imnm-cds: {assessment.model.evidence} model",
            "url": SOURCE_URL,
            "topic": _TOPIC,
        },
        "overrideReasons": OVERRIDE_REASONS,
    }
    orders = assessment.advice.suggestions if assessment.advice else ()
    if orders:
        card["suggestions"] = [suggestion(order, state, assessment, settings) for order in orders]
        card["selectionBehavior"] = "any"
    return card
