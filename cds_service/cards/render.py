"""Assessment → CDS Hooks cards: identity, suggestions as FHIR resources, override reasons. The words are in `card_text`.

One card for a chart. The profile is the strictest common one: no null, no empty element, one `create` action in each
suggestion, `selectionBehavior` exactly where there are suggestions, no HTML.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fhir.resources.R4B.appointment import Appointment
from fhir.resources.R4B.servicerequest import ServiceRequest

from cds_service.cards.assessment import Assessment
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.why import speaks
from cds_service.cards.words import detail, summary
from models.artefact import Model, Orderable, Policy
from models.policy import SuggestedOrder

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
    state = _state(assessment, settings)
    card: Card = {
        "uuid": _uuid(state, settings),
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
        card["suggestions"] = [_suggestion(order, state, assessment, settings) for order in orders]
        card["selectionBehavior"] = "any"
    return card


def _state(assessment: Assessment, settings: CardSettings) -> list[Any]:
    """What makes two cards the same: client, patient, service, band, predictor states, follow-up states.

    A possible relapse belongs to it: a card that was dismissed before must not silence that headline.
    """
    findings, advice = assessment.findings, assessment.advice
    return [
        settings.client,
        findings.patient_id,
        settings.service,
        (advice.band if advice else None) or [assessment.outcome_name, findings.eligibility.state],
        [[name, str(f.state), f.stale] for name, f in findings.features.items()],
        [[item.item, item.state] for item in (advice.follow_up if advice else ())],
        findings.possible_relapse,
    ]


def _uuid(state: list[Any], settings: CardSettings) -> str:
    """A UUID of version 8: 60 bits that stay the same while the state does, 62 bits of the hook instance."""
    said = hmac.new(settings.secret, json.dumps(state).encode(), hashlib.sha256).digest()
    instance = hashlib.sha256(settings.instance.encode()).digest()
    stable = int.from_bytes(said[:8]) >> 4
    here = int.from_bytes(instance[:8]) >> 2
    custom_a, custom_b = stable >> 12, stable & 0xFFF
    return str(UUID(int=custom_a << 80 | 8 << 76 | custom_b << 64 | 2 << 62 | here))


def _suggestion(
    order: SuggestedOrder, state: list[Any], assessment: Assessment, settings: CardSettings
) -> Card:
    day = assessment.findings.today.isoformat()
    subject = f"Patient/{assessment.findings.patient_id}"
    codings = _codings(order, settings)
    label = order.label
    if order.kind == "appointment":
        resource = proposed_appointment(label, codings, subject, day)
    else:
        resource = draft_order(label, codings, subject, day)
    verb = "Book" if order.kind == "appointment" else "Order"
    return {
        "label": f"{verb}: {label}",
        "uuid": _uuid([*state, order.item], settings),
        "actions": [{"type": "create", "description": f"{verb}: {label}", "resource": resource}],
    }


def _codings(order: SuggestedOrder, settings: CardSettings) -> list[dict[str, str]]:
    own = settings.order_codes.get(order.item)
    return [dict(own)] if own else [_coding(code) for code in order.codes]


def _coding(code: Orderable) -> dict[str, str]:
    return {"system": code.system, "code": code.code, "display": code.display}


def draft_order(label: str, codings: list[dict[str, str]], subject: str, day: str) -> dict[str, Any]:
    """A ServiceRequest that a clinician may accept: status draft, intent proposal."""
    return {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "code": {"coding": codings, "text": label},
        "subject": {"reference": subject},
        "authoredOn": day,
    }


def proposed_appointment(label: str, codings: list[dict[str, str]], subject: str, day: str) -> dict[str, Any]:
    """An Appointment that a clinician may accept: status proposed, no time yet."""
    return {
        "resourceType": "Appointment",
        "status": "proposed",
        "specialty": [{"coding": [coding]} for coding in codings],
        "description": label,
        "created": day,
        "participant": [{"actor": {"reference": subject}, "status": "needs-action"}],
    }


def check_suggestions(model: Model, order_codes: Mapping[str, Mapping[str, str]]) -> None:
    """Build and validate, against FHIR R4, one resource for every suggestion that can occur; for start-up and `check`.

    Raises pydantic's ValidationError where a policy or a client's codes would give an invalid resource.
    """
    settings = CardSettings(order_codes=order_codes)
    for order in possible_orders(model.policy):
        codings = _codings(order, settings)
        if order.kind == "appointment":
            Appointment.model_validate(proposed_appointment(order.label, codings, "Patient/p", "2026-01-01"))
        else:
            ServiceRequest.model_validate(draft_order(order.label, codings, "Patient/p", "2026-01-01"))


def possible_orders(policy: Policy) -> list[SuggestedOrder]:
    """Every suggestion that a policy can lead to: one for each item of the table, one for each deciding test."""
    items = [
        SuggestedOrder(item.kind, name, tuple(code for codes in item.parts.values() for code in codes))
        for name, item in policy.items.items()
    ]
    tests = [SuggestedOrder("order", name, test.orders) for name, test in policy.tests.items()]
    return [order for order in items + tests if order.codes]
