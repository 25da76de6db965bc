"""Whose a resource of R4 is, what it is, and the rest of it in the neutral terms of `neutral.py`."""

from collections.abc import Iterator

from fhir_mapping.record import Coding, Concept, Number, Value
from fhir_mapping.versions import neutral
from fhir_mapping.versions.linked import Linked, Named
from fhir_mapping.versions.r4_elements import Elements
from fhir_mapping.versions.r4_medication import medication, named, what_is_taken
from fhir_mapping.versions.r4_resources import (
    R4AnyResource,
    R4Appointment,
    R4Coding,
    R4Concept,
    R4Condition,
    R4DiagnosticReport,
    R4Encounter,
    R4Measured,
    R4Medicated,
    R4Observation,
    R4Patient,
    R4Procedure,
    R4Ratio,
    R4ReferenceRange,
    R4ServiceRequest,
)


def is_patient(reference: str) -> bool:
    """Say whether a resolved reference leads to a Patient, this one or another (F1)."""
    return f"/{reference}".rpartition("/")[0].endswith("/Patient")


def subjects(resource: R4AnyResource, read: Elements) -> tuple[str, ...] | None:
    """Resolve the references that say whose the resource is (F1); None for a Patient."""
    if isinstance(resource, R4Patient):
        return None
    if isinstance(resource, R4Appointment):
        actors = [read.refers(part.actor) for part in resource.participant or ()]
        return tuple(actor for actor in actors if is_patient(actor))
    return (read.refers(resource.subject),)


def led_to(resource: R4AnyResource, linked: Linked) -> Named:
    """Follow the references by which a medication resource says what it is, an Encounter with whom (T1, V4)."""
    match resource:
        case R4Medicated():
            return named(resource, linked)
        case R4Encounter():
            participants = [part.individual for part in resource.participant or ()]
            return linked.specialties(participants, resource.contained)
        case _:
            return Named()


def what_it_is(resource: R4AnyResource, read: Elements, found: Named) -> tuple[Concept, ...]:
    """Collect the concepts that say what the resource is (F4, U3); `found` is what it is `led_to`."""
    match resource:
        case R4Patient() | R4Encounter() | R4Appointment():
            return ()
        case R4Medicated():
            return what_is_taken(resource, read, found)
        case _:
            return (read.concept(resource.code),) if resource.code else ()


def kinds_of_contact(resource: R4AnyResource, read: Elements, found: Named) -> tuple[Coding, ...]:
    """Collect the codings that say what an Encounter or an Appointment is (V3, V4); of others none."""
    match resource:
        case R4Encounter():
            return (*_service(resource, read, found), *_kinds(resource, read), *_class(resource, read))
        case R4Appointment():
            return (*_booked(resource, read), *read.codings(resource.appointment_type))
        case _:
            return ()


def texts_of(resource: R4Observation) -> Iterator[str]:
    """Every text of an Observation that a laboratory's words are looked for in."""
    for part in (resource, *(resource.component or ())):
        value, ranges = part.value_codeable_concept or R4Concept(), part.reference_range or ()
        said = (*(part.interpretation or ()), *(of.type for of in ranges if of.type))
        texts = (part.value_string, value.text, *(one.text for one in said), *(of.text for of in ranges))
        yield from filter(None, texts)


def content(resource: R4AnyResource, read: Elements, linked: Linked) -> neutral.Content:
    """Read the rest of a resource."""
    match resource:
        case R4Observation():
            return _observation(resource, read)
        case R4Condition():
            return _condition(resource, read)
        case R4Procedure():
            when = read.when(resource.performed_date_time, resource.performed_period)
            return neutral.Performed(when, start=read.period(resource.performed_period).start)
        case R4DiagnosticReport():
            return _report(resource, read)
        case R4Encounter():
            service = _service(resource, read, led_to(resource, linked))
            return neutral.Contact(read.period(resource.period), service, _kinds(resource, read))
        case R4Appointment():
            return _booking(resource, read)
        case R4ServiceRequest():
            authored = read.time(resource.authored_on)
            return neutral.Order(resource.intent or "", resource.do_not_perform is True, authored)
        case R4Patient():
            return _person(resource, read)
        case _:
            return medication(resource, read, linked)


def _observation(resource: R4Observation, read: Elements) -> neutral.Observation:
    return neutral.Observation(
        own=neutral.Measurement(*_measured(resource, read)),
        when=read.when(
            resource.effective_date_time,
            resource.effective_period,
            resource.effective_instant,
            resource.issued,
        ),
        focus=tuple(map(read.refers, resource.focus or ())),
        specimen=read.refers(resource.specimen),
        members=tuple(map(read.refers, resource.has_member or ())),
        components=tuple(
            [
                neutral.MeasuredPart(*_measured(part, read), read.concept(part.code))
                for part in resource.component or ()
            ]
        ),
    )


def _measured(
    written: R4Measured, read: Elements
) -> tuple[Value, tuple[Coding, ...], str, tuple[neutral.Range, ...]]:
    """Read what a `neutral.Measurement` holds, in its order."""
    said, words = written.interpretation or (), ""
    if said:
        words = read.text("; ".join([concept.text for concept in said if concept.text]))
    ranges = tuple([_range(part, read) for part in written.reference_range or ()])
    return _value(written, read), read.codings(*said), words, ranges


def _value(written: R4Measured, read: Elements) -> Value:
    """Read value[x]; of several, which no valid resource has, the first in this order."""
    absent = _absence(written.data_absent_reason)
    if number := read.number(written.value_quantity):
        return Value(number=number, absent=absent)
    if written.value_integer is not None:
        return Value(integer=written.value_integer, absent=absent)
    if ratio := _ratio(written.value_ratio, read):
        return Value(ratio=ratio, absent=absent)
    if interval := read.interval(written.value_range):
        return Value(number=interval, absent=absent)
    if written.value_codeable_concept is not None:
        return Value(concept=read.concept(written.value_codeable_concept), absent=absent)
    return Value(text=read.text(written.value_string), boolean=written.value_boolean, absent=absent)


def _absence(reason: R4Concept | None) -> str:
    """Give the code of a reason why there is no value; empty: none is written."""
    if reason is None:
        return ""
    return next((part.code for part in reason.coding or () if part.code), "unknown")


def _ratio(written: R4Ratio | None, read: Elements) -> tuple[Number, Number] | None:
    if written is None:
        return None
    numerator, denominator = read.number(written.numerator), read.number(written.denominator)
    return (numerator, denominator) if numerator and denominator else None


def _range(written: R4ReferenceRange, read: Elements) -> neutral.Range:
    kind, age = written.type, written.age
    return neutral.Range(
        low=read.number(written.low),
        high=read.number(written.high),
        kinds=read.codings(kind),
        kind_written=kind is not None,
        groups=tuple([read.codings(group) for group in written.applies_to or ()]),
        age_low=read.number(age.low) if age else None,
        age_high=read.number(age.high) if age else None,
        text=read.text(written.text),
        kind_text=read.text(kind.text) if kind else "",
    )


def _condition(resource: R4Condition, read: Elements) -> neutral.Condition:
    onset = resource.onset_period.start if resource.onset_period else None
    abated = (
        resource.abatement_date_time,
        resource.abatement_period,
        resource.abatement_age,
        resource.abatement_range,
        resource.abatement_string,
    )
    return neutral.Condition(
        clinical=_status(resource.clinical_status, read),
        verification=_status(resource.verification_status, read),
        certainties=_certainties(resource.code, read),
        onset=read.when(resource.onset_date_time, None, onset, resource.recorded_date),
        recorded=read.time(resource.recorded_date),
        abated=any(part is not None for part in abated),
        abatement=read.when(resource.abatement_date_time, resource.abatement_period),
    )


def _status(written: R4Concept | None, read: Elements) -> Concept | None:
    """Read a status; one without codings and without words is not there."""
    return read.concept(written) if written and (written.coding or written.text) else None


def _certainties(code: R4Concept | None, read: Elements) -> tuple[tuple[Coding, Coding], ...]:
    """Find the German certainty of a diagnosis at each of its codings that has one (M1)."""
    return tuple(
        (read.coding(part.system or "", part.code or ""), certainty)
        for part in (code.coding or () if code else ())
        for certainty in read.certainties(part.extension)
    )


def _report(resource: R4DiagnosticReport, read: Elements) -> neutral.Performed:
    when = read.when(resource.effective_date_time, resource.effective_period, resource.issued)
    return neutral.Performed(when, tuple(read.refers(result) for result in resource.result or ()))


def _class(resource: R4Encounter, read: Elements) -> tuple[Coding, ...]:
    written = resource.class_
    if isinstance(written, R4Coding):
        return read.codings(R4Concept([written]))
    return read.codings(*(written or ()))


def _service(resource: R4Encounter, read: Elements, found: Named) -> tuple[Coding, ...]:
    """Collect serviceType and the specialties of the participants (V4)."""
    written = resource.service_type
    types = written if isinstance(written, list) else [written]
    return read.codings(*types, *found.concepts)


def _kinds(resource: R4Encounter, read: Elements) -> tuple[Coding, ...]:
    of_participants = [kind for part in resource.participant or () for kind in part.type or ()]
    return read.codings(*(resource.type or ()), *of_participants)


def _booked(resource: R4Appointment, read: Elements) -> tuple[Coding, ...]:
    return read.codings(*(resource.service_type or ()), *(resource.specialty or ()))


def _booking(resource: R4Appointment, read: Elements) -> neutral.Booking:
    return neutral.Booking(
        start=read.time(resource.start),
        created=read.time(resource.created),
        service=_booked(resource, read),
        kinds=read.codings(resource.appointment_type),
    )


def _person(resource: R4Patient, read: Elements) -> neutral.Person:
    return neutral.Person(
        sex=resource.gender or "",
        birth_date=resource.birth_date or "",
        died=bool(resource.deceased_boolean or resource.deceased_date_time),
        death=read.time(resource.deceased_date_time),
    )
