"""What a card suggests, as FHIR resources (V7): one for each thing that can be ordered."""

from collections.abc import Mapping
from typing import Any

from fhir.resources.R4B.servicerequest import ServiceRequest

from cds_service.cards.assessment import Assessment
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.identity import uuid_of
from models.advice import SuggestedOrder
from models.artefact import Code, Model, Orderable

Json = dict[str, Any]


def suggestion(
    order: SuggestedOrder, state: list[Any], assessment: Assessment, settings: CardSettings
) -> Json:
    """One suggestion: a `create` action for each open part."""
    day = assessment.findings.today.isoformat()
    subject = f"Patient/{assessment.findings.patient_id}"
    label = f"Order: {', '.join(part.part for part in order.orders)}"
    return {
        "label": label,
        "uuid": uuid_of([*state, order.item], settings),
        "actions": [
            {
                "type": "create",
                "description": label,
                "resource": draft_order(part, subject, day, settings.order_codes),
            }
            for part in order.orders
        ],
    }


def draft_order(part: Orderable, subject: str, day: str, own: Mapping[str, Mapping[str, str]]) -> Json:
    """A ServiceRequest that a clinician may accept: status draft, intent proposal."""
    code = dict(own[part.part]) if part.part in own else coding(part.code)
    return {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "proposal",
        "category": [{"coding": [coding(part.category)]}],
        "code": {"coding": [code], "text": part.part},
        "subject": {"reference": subject},
        "authoredOn": day,
    }


def coding(code: Code) -> dict[str, str]:
    """A code as FHIR and CDS Hooks write it."""
    return {"system": code.system, "code": code.code, "display": code.display}


def check_suggestions(model: Model, order_codes: Mapping[str, Mapping[str, str]]) -> None:
    """Build and validate, against FHIR R4, one resource for every suggestion that can occur; for start-up and `check`.

    Raises pydantic's ValidationError where a policy or a client's codes would give an invalid resource.
    """
    for part in model.policy.orders.values():
        ServiceRequest.model_validate(draft_order(part, "Patient/p", "2026-01-01", order_codes))
