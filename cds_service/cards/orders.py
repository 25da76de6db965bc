"""What a card suggests, as FHIR resources (V7): one for each thing that can be ordered."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from fhir.resources.R4B.appointment import Appointment
from fhir.resources.R4B.servicerequest import ServiceRequest
from msgspec import Struct
from msgspec.structs import replace
from pydantic import ValidationError

from cds_service.cards.assessment import Assessment
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.figures import capital
from cds_service.cards.identity import uuid_of
from cds_service.cards.words import parts_named, say
from cds_service.errors import first_problem
from models.advice import SuggestedOrder
from models.artefact import Code, Model, ModelError, Orderable, Policy
from models.inputs import FOLLOW_UP_PARTS, PartName

_Json = dict[str, Any]

_ID = r"/(?!\.{1,2}$)[A-Za-z0-9.-]{1,64}"  # FHIR's, but for two that a path means otherwise
_CONDITION = re.compile(f"Condition{_ID}")
_CLINICIAN = re.compile(f"(Practitioner|PractitionerRole){_ID}")


class _CodedOrder(Struct, frozen=True):
    """What is ordered under one code: ours of one part, or a client's own, which may stand for several parts."""

    parts: tuple[Orderable, ...]
    coding: Mapping[str, str]
    own: bool  # the client's code
    until: date
    note: str

    @property
    def names(self) -> tuple[PartName, ...]:
        """The names of its parts."""
        return tuple([part.part for part in self.parts])

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same as another one."""
        return self.coding["system"], self.coding["code"]


class _OrderContext(Struct, frozen=True):
    """What all resources of a card have in common. References like "Encounter/1" are empty where there is none.

    `condition` is the one that made the patient eligible; `disease` is None where that is still asked (E3).
    """

    patient: str
    today: date
    urgent: bool = False
    encounter: str = ""
    requester: str = ""
    condition: str = ""
    disease: Code | None = None


def suggestions(state: list[Any], assessment: Assessment, settings: CardSettings) -> list[_Json]:
    """The suggestions of a card, the most pressing first: a `create` action for each order.

    A client that takes one action at a time gets one suggestion for each. A code is suggested once.
    """
    context, policy = _context(assessment, settings), assessment.model.policy
    taken: set[tuple[str, str]] = set()
    made = []
    for suggested in assessment.advice.suggestions if assessment.advice else ():
        orders = [each for each in _orders(suggested, assessment, settings) if each.key not in taken]
        taken.update(order.key for order in orders)
        buttons = [[order] for order in orders] if settings.one_action else [orders]
        for together in filter(None, buttons):
            parts = [name for order in together for name in order.names]
            made.append(
                {
                    "label": label(parts, settings),
                    "uuid": uuid_of([*state, suggested.item, *parts], settings),
                    "actions": [_action(order, context, settings, policy) for order in together],
                }
            )
    return made


def label(parts: Sequence[PartName], settings: CardSettings) -> str:
    """What a button says that orders these parts; a visit is always alone."""
    kind = settings.visit_as if "visit" in parts else "order"
    return say(f"orders.{kind}", what=parts_named(parts))


def _action(order: _CodedOrder, context: _OrderContext, settings: CardSettings, policy: Policy) -> _Json:
    """Its description reads well alone: some clients show nothing else."""
    said = say("orders.by", label=label(order.names, settings), until=order.until)
    if "visit" in order.names and settings.visit_as == "appointment":
        resource = _appointment(order, context, policy)
    else:
        resource = _service_request(order, context)
    return {"type": "create", "description": said, "resource": resource}


def _service_request(order: _CodedOrder, context: _OrderContext) -> _Json:
    """An order that a clinician may accept: status draft, intent proposal."""
    return _filled(
        resourceType="ServiceRequest",
        status="draft",
        intent="proposal",
        category=[_concept(coding(order.parts[0].category))],
        priority="urgent" if context.urgent else "routine",
        code=_concept(order.coding) | {"text": parts_named(order.names)},
        subject={"reference": context.patient},
        encounter=_reference(context.encounter),
        occurrencePeriod=_period(order, context),
        authoredOn=context.today.isoformat(),
        requester=_reference(context.requester),
        reasonCode=[_concept(coding(context.disease))] if context.disease else None,
        reasonReference=_references(context.condition),
        note=[{"text": order.note}],
    )


def _appointment(order: _CodedOrder, context: _OrderContext, policy: Policy) -> _Json:
    """A visit to be booked: status proposed. A client's own code says which service."""
    service = order.coding if order.own else coding(policy.service_type)
    return _filled(
        resourceType="Appointment",
        status="proposed",
        serviceType=[_concept(service)],
        specialty=[_concept(coding(policy.specialty))],
        reasonReference=_references(context.condition),
        description=order.note,
        created=context.today.isoformat(),
        participant=[{"actor": {"reference": context.patient}, "status": "needs-action"}],
        requestedPeriod=[_period(order, context)],
    )


def check_suggestions(model: Model, settings: CardSettings) -> None:
    """Build and validate, against FHIR R4, what a client may be sent; for start-up and `check`.

    Raises ModelError, one line, where the policy or the client's codes would give an invalid resource.
    """
    for resource in possible(model, settings):
        kind = Appointment if resource["resourceType"] == "Appointment" else ServiceRequest
        try:
            kind.model_validate(resource)
        except ValidationError as error:
            where, _, message = first_problem(error)
            raise ModelError(
                f"client {settings.client}: a suggested {resource['resourceType']} is no valid FHIR: {where}: "
                f"{message}; correct policy.toml or order_codes"
            ) from None


def possible(model: Model, settings: CardSettings) -> Iterator[_Json]:
    """A resource for each part that can be ordered, with as little and as much around it as can be; visits both ways."""
    day = date(2026, 1, 1)
    bare = _OrderContext("Patient/p", day)
    whole = replace(
        bare,
        urgent=True,
        encounter="Encounter/e",
        requester="Practitioner/u",
        condition="Condition/c",
        disease=model.policy.disease,
    )
    for part in model.policy.orders.values():
        coding, own = _code_of(part, settings)
        note = say("orders.never", name=parts_named([part.part]))
        order = _CodedOrder((part,), coding, own, day, note)
        for context in (bare, whole):
            yield _service_request(order, context)
            if part.part == "visit":
                yield _appointment(order, context, model.policy)


def _context(assessment: Assessment, settings: CardSettings) -> _OrderContext:
    findings = assessment.findings
    certain = findings.eligibility.is_established
    cited = (evidence.resource for evidence in findings.eligibility.evidence)
    return _OrderContext(
        patient=f"Patient/{findings.patient_id}",
        today=findings.today,
        urgent=bool(assessment.advice and assessment.advice.urgent),
        encounter=settings.encounter,
        requester=settings.user if _CLINICIAN.fullmatch(settings.user) else "",
        condition=next(filter(_CONDITION.fullmatch, cited), ""),
        disease=assessment.model.policy.disease if certain else None,
    )


def _orders(suggested: SuggestedOrder, assessment: Assessment, settings: CardSettings) -> list[_CodedOrder]:
    """What to order for a suggestion; parts to which the client gives one code are one order."""
    alike: dict[tuple[str, str], list[Orderable]] = {}
    for part in suggested.orders:
        coding, _ = _code_of(part, settings)
        alike.setdefault((coding["system"], coding["code"]), []).append(part)
    orders = []
    for parts in alike.values():
        coding, own = _code_of(parts[0], settings)
        note = capital("; ".join([_why(part, suggested, assessment) for part in parts]))
        orders.append(_CodedOrder(tuple(parts), coding, own, suggested.until, f"{note}."))
    return orders


def _code_of(part: Orderable, settings: CardSettings) -> tuple[Mapping[str, str], bool]:
    own = settings.order_codes.get(part.part)
    return (own, True) if own else (coding(part.code), False)


def _why(part: Orderable, suggested: SuggestedOrder, assessment: Assessment) -> str:
    """Why one part is to be done: what it would tell, or its own state in the follow-up table."""
    name, row = parts_named([part.part]), None
    test = assessment.model.policy.tests.get(suggested.item)
    if not (test and part in test.orders):
        follow_up = assessment.advice.follow_up if assessment.advice else ()
        row = next((row for item in follow_up for row in item.parts if row.part == part.part), None)
    if row is None:
        return say(f"orders.{suggested.why}", name=name, last="")
    key = "once" if row.part in FOLLOW_UP_PARTS["antibodies"] else row.state
    return say(f"orders.{key}", name=name, last=row.last)


def _period(order: _CodedOrder, context: _OrderContext) -> _Json:
    return {"start": context.today.isoformat(), "end": order.until.isoformat()}


def coding(code: Code) -> dict[str, str]:
    """A code as FHIR and CDS Hooks write it."""
    return {"system": code.system, "code": code.code, "display": code.display}


def _concept(coding: Mapping[str, str]) -> _Json:
    return {"coding": [dict(coding)]}


def _reference(to: str) -> _Json | None:
    return {"reference": to} if to else None


def _references(to: str) -> list[_Json] | None:
    return [{"reference": to}] if to else None


def _filled(**members: Any) -> _Json:
    return {name: value for name, value in members.items() if value is not None}
