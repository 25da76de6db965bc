"""Assessment → CDS Hooks cards: summary and detail, source, suggestions, override reasons.

One card for a chart. The profile is the strictest common one: no null, no empty element, `create` actions alone,
`selectionBehavior` exactly where there are suggestions, no HTML.
"""

from typing import Any

from cds_service.cards.assessment import Assessment
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.detail import detail
from cds_service.cards.gate import gated
from cds_service.cards.identity import state_of, uuid_of
from cds_service.cards.orders import coding, suggestions
from cds_service.cards.reasons import override_reasons
from cds_service.cards.summary import summary
from cds_service.cards.why import speaks
from cds_service.cards.words import say

Card = dict[str, Any]

SOURCE_URL = (
    "https://acrabstracts.org/abstract/clinical-characterization-and-recurrence-prediction-model-for-"
    "immune-mediated-necrotizing-myopathy"
)


def render(assessment: Assessment, settings: CardSettings) -> list[Card]:
    """The cards of an assessment: none where there is nothing to advise, else one."""
    if not speaks(assessment, settings):
        return []
    assessment = gated(assessment, settings)
    state = state_of(assessment, settings)
    card: Card = {
        "uuid": uuid_of(state, settings),
        "summary": summary(assessment),
        "detail": detail(assessment, settings.use_instead),
        "indicator": assessment.advice.indicator if assessment.advice else "info",
        "source": {
            "label": say("card.source", evidence=assessment.model.evidence),
            "url": SOURCE_URL,
            "topic": coding(assessment.model.policy.disease),
        },
        "overrideReasons": override_reasons(assessment),
    }
    if settings.about_model:
        card["links"] = [{"label": say("card.about"), "url": settings.about_model, "type": "absolute"}]
    if offered := suggestions(state, assessment, settings):
        card["suggestions"] = offered
        card["selectionBehavior"] = "any"
    return [card]
