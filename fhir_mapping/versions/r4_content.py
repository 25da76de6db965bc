"""Whose a resource of R4 is, what it is, and the rest of it in the neutral terms of `neutral.py`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from fhir_mapping.record import Coding, Concept, Entry, Value
from fhir_mapping.terms import Meaning, Tables
from fhir_mapping.versions import neutral
from fhir_mapping.versions.linked import NOTHING, Linked, Named
from fhir_mapping.versions.r4_elements import Elements
from fhir_mapping.versions.r4_medication import beside, medication
from fhir_mapping.versions.r4_plain import DecodedPlain, FlagsAndRanges, texts_beside
from fhir_mapping.versions.r4_resources import (
    R4AnyMedicated,
    R4AnyResource,
    R4Appointment,
    R4Coding,
    R4Concept,
    R4Condition,
    R4DiagnosticReport,
    R4Encounter,
    R4Measured,
    R4Observation,
    R4Patient,
    R4Procedure,
    R4ReferenceRange,
    R4ServiceRequest,
)

_UNREAD: Any = object()  # None is an answer
_Says = Callable[[Any, Elements, Linked], "Said"]


class Said(Struct, frozen=True, gc=False):
    """Whose a resource is (F1; None: a Patient), what it says that it is (F4, U3), and how the rest of it is read.

    Every reference is resolved. `named` is what those led to that say what it is (T1, V4).
    """

    subjects: tuple[str, ...] | None
    codings: tuple[Coding, ...]
    concepts: tuple[Concept, ...]
    content: Callable[[], neutral.Content]
    named: Named = NOTHING


def texts_of(resource: R4Observation) -> Iterator[str]:
    """Every text of an Observation that a laboratory's words are looked for in."""
    for part in (resource, *(resource.component or ())):
        value = part.value_codeable_concept
        yield from filter(None, (part.value_string, value and value.text))
        yield from texts_beside(part.interpretation or (), part.reference_range or ())


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
    ranges = tuple([reference_range(part, read) for part in written.reference_range or ()])
    return _value(written, read), *_interpretation(written.interpretation or (), read), ranges


def _interpretation(said: Sequence[R4Concept], read: Elements) -> tuple[tuple[Coding, ...], str]:
    """Read the codes of flags, and the words beside them."""
    if not said:
        return (), ""
    return read.codings(*said), read.text("; ".join([concept.text for concept in said if concept.text]))


def _value(written: R4Measured, read: Elements) -> Value:
    """Read value[x]; of several, which no valid resource has, the first in this order."""
    reason = written.data_absent_reason
    absent = read.concept(reason) if reason else None
    if number := read.number(written.value_quantity):
        return Value(number=number, absent=absent)
    if written.value_integer is not None:
        return Value(integer=written.value_integer, absent=absent)
    if ratio := written.value_ratio:
        numerator, denominator = read.number(ratio.numerator), read.number(ratio.denominator)
        if numerator and denominator:
            return Value(ratio=(numerator, denominator), absent=absent)
    if interval := read.interval(written.value_range):
        return Value(number=interval, absent=absent)
    if written.value_codeable_concept is not None:
        return Value(concept=read.concept(written.value_codeable_concept), absent=absent)
    return Value(
        text=read.text(written.value_string),
        boolean=written.value_boolean,
        absent=absent,
        is_unread=written.value_ratio is not None or written.value_range is not None,
    )


def reference_range(written: R4ReferenceRange, read: Elements) -> neutral.Range:
    """Read a reference range as it is written."""
    kind, age, kind_text = written.type, written.age, ""
    if kind:
        called = read.concept(kind)
        kind_text = called.text or "; ".join(called.displays)
    return neutral.Range(
        low=read.number(written.low),
        high=read.number(written.high),
        kinds=read.codings(kind),
        kind_written=kind is not None,
        groups=tuple([read.codings(group) for group in written.applies_to or ()]),
        age_low=read.number(age.low) if age else None,
        age_high=read.number(age.high) if age else None,
        text=read.text(written.text),
        kind_text=kind_text,
    )


def _condition(resource: R4Condition, read: Elements) -> neutral.Condition:
    onset = resource.onset_period.start if resource.onset_period else None
    abatement = read.when(resource.abatement_date_time, resource.abatement_period)
    untimed = (resource.abatement_age, resource.abatement_range, resource.abatement_string)
    codings = resource.code.coding or () if resource.code else ()
    certainties = [  # the German extension, of each coding that has it (M1)
        (read.coding(coding.system or "", coding.code or ""), certainty)
        for coding in codings
        for certainty in read.certainties(coding.extension)
    ]
    return neutral.Condition(
        clinical=_status(resource.clinical_status, read),
        verification=_status(resource.verification_status, read),
        certainties=tuple(certainties),
        onset=read.when(resource.onset_date_time, None, onset, resource.recorded_date),
        recorded=read.time(resource.recorded_date),
        abated=abatement is not None or any(part is not None for part in untimed),
        abatement=abatement,
    )


def _status(written: R4Concept | None, read: Elements) -> Concept | None:
    """Read a status; one without codings and without words is not there."""
    return read.concept(written) if written and (written.coding or written.text) else None


def _report(resource: R4DiagnosticReport, read: Elements) -> neutral.Performed:
    when = read.when(resource.effective_date_time, resource.effective_period, resource.issued)
    return neutral.Performed(when, tuple(read.refers(result) for result in resource.result or ()))


def _procedure(resource: R4Procedure, read: Elements) -> neutral.Performed:
    when = read.when(resource.performed_date_time, resource.performed_period)
    return neutral.Performed(when, start=read.period(resource.performed_period).start)


def _order(resource: R4ServiceRequest, read: Elements) -> neutral.Order:
    authored = read.time(resource.authored_on)
    return neutral.Order(resource.intent or "", resource.do_not_perform is True, authored)


def _by_code(of: Callable[[Any, Elements], neutral.Content]) -> _Says:
    """Read what says by its code alone what it is."""

    def said(resource: Any, read: Elements, _: Linked) -> Said:
        subjects, content = (read.refers(resource.subject),), partial(of, resource, read)
        if resource.code is None:
            return Said(subjects, (), (), content)
        concept = read.concept(resource.code)
        return Said(subjects, concept.codings, (concept,), content)

    return said


def _patient(resource: R4Patient, read: Elements, _: Linked) -> Said:
    return Said(None, (), (), partial(_person, resource, read))


def _person(resource: R4Patient, read: Elements) -> neutral.Person:
    death = read.time(resource.deceased_date_time)
    return neutral.Person(
        sex=resource.gender or "",
        birth_date=resource.birth_date or "",
        died=resource.deceased_boolean is True or death is not None,
        death=death,
    )


def _medicine(resource: R4AnyMedicated, read: Elements, linked: Linked) -> Said:
    """Collect the product, its ingredients, and the words beside a reference (T1, U3)."""
    named = NOTHING
    product: tuple[Concept, ...] = ()
    if reference := resource.medication_reference:
        named = linked.product(reference, resource.contained)
        product = tuple([read.concept(written) for written in named.concepts])
    if own := resource.medication_codeable_concept:
        concept = read.concept(own)
        if product:  # it is written twice: one concept with the codings and the words of each (F4)
            words = [text for other in product for text in (other.text, *other.displays) if text]
            joined = _codings((concept, *product))
            concept = Concept(joined, concept.text, (*concept.displays, *words))
        product = (concept,)
    codings = product[0].codings if len(product) == 1 else _codings(product)
    concepts = (*product, *beside(resource, read)) if resource.medication_reference else product
    content = partial(medication, resource, read, named, product)
    return Said((read.refers(resource.subject),), codings, concepts, content, named)


def _codings(concepts: tuple[Concept, ...]) -> tuple[Coding, ...]:
    return tuple([coding for concept in concepts for coding in concept.codings])


def _contact(resource: R4Encounter, read: Elements, linked: Linked) -> Said:
    """Collect what an Encounter is, with the specialties of its participants (V4)."""
    kinds, individuals = [*(resource.type or ())], []
    for part in resource.participant or ():
        individuals.append(part.individual)
        kinds += part.type or ()
    named = linked.specialties(individuals, resource.contained)
    service = named.concepts
    if written := resource.service_type:
        service = (*(written if isinstance(written, list) else (written,)), *service)
    services, of_kinds = read.codings(*service) if service else (), read.codings(*kinds)
    classes: Iterable[R4Coding]
    if isinstance(resource.class_, R4Coding):
        classes = (resource.class_,)
    else:  # concepts, as in R5
        classes = [coding for concept in resource.class_ or () for coding in concept.coding or ()]
    codings = (*services, *of_kinds, *read.coded(classes))
    content = partial(_met, resource, read, services, of_kinds)
    return Said((read.refers(resource.subject),), codings, (), content, named)


def _met(
    resource: R4Encounter, read: Elements, service: tuple[Coding, ...], kinds: tuple[Coding, ...]
) -> neutral.Contact:
    return neutral.Contact(read.period(resource.period), service, kinds)


def _appointment(resource: R4Appointment, read: Elements, _: Linked) -> Said:
    service = read.codings(*(resource.service_type or ()), *(resource.specialty or ()))
    kinds = read.codings(resource.appointment_type)
    actors = [read.refers(part.actor) for part in resource.participant or ()]
    # A Patient, this one or another (F1)
    subjects = tuple([actor for actor in actors if f"/{actor}".rpartition("/")[0].endswith("/Patient")])
    return Said(subjects, (*service, *kinds), (), partial(_booking, resource, read, service, kinds))


def _booking(
    resource: R4Appointment, read: Elements, service: tuple[Coding, ...], kinds: tuple[Coding, ...]
) -> neutral.Booking:
    return neutral.Booking(read.time(resource.start), read.time(resource.created), service, kinds)


# What each type says that it is; the rest is left to be read when it is asked for
SAYS: Mapping[type[R4AnyResource], _Says] = {
    R4Observation: _by_code(_observation),
    R4Condition: _by_code(_condition),
    R4Procedure: _by_code(_procedure),
    R4DiagnosticReport: _by_code(_report),
    R4ServiceRequest: _by_code(_order),
    R4Patient: _patient,
    R4Encounter: _contact,
    R4Appointment: _appointment,
    **dict.fromkeys(R4AnyMedicated.__args__, _medicine),
}


class Plainly:
    """Reads the plain Observations of one record in neutral terms; what several of them share is read once."""

    def __init__(self, read: Elements, tables: Tables, whole: Callable[[Entry], neutral.Resource]) -> None:
        self._read, self._tables, self._whole = read, tables, whole
        # What is shared, by its identity: the entries hold it as long as their record is read
        self._codes: dict[int, neutral.Codes | None] = {}
        self._beside: dict[int, neutral.Beside | None] = {}
        self._units: dict[tuple[str | None, str | None, str | None], neutral.WrittenUnit] = {}
        # By system as it is written: whether our table has rows in it; None: it is no system
        self._has_rows: dict[str | None, bool | None] = {}
        self._meanings: dict[tuple[tuple[str, str], ...], Meaning] = {}

    def observation(self, entry: Entry, plain: DecodedPlain) -> neutral.Plain | None:
        """Read one; None where its codes have no system, its ranges are for some ages, or its time is none."""
        read, concept, said, written = self._read, plain.concept, plain.beside, plain.unit
        if (codes := self._codes.get(id(concept), _UNREAD)) is _UNREAD:
            codes = self._codes[id(concept)] = self._codes_of(concept)
        if (beside := self._beside.get(id(said), _UNREAD)) is _UNREAD:
            beside = self._beside[id(said)] = self._beside_of(said)
        when = read.time(plain.when)
        if codes is None or beside is None or when is None:
            return None
        if (unit := self._units.get(written)) is None:
            text, code, system = written
            canonical = read.systems.canonical(system or "")
            unit = self._units[written] = neutral.WrittenUnit(text or "", code or "", canonical)
        return neutral.Plain(
            plain.name,
            entry,
            self._whole,
            read.refers(plain.subject),
            plain.status or "",
            codes,
            when,
            plain.number,
            unit,
            beside,
            read.refers(plain.specimen),
        )

    def _codes_of(self, concept: R4Concept) -> neutral.Codes | None:
        """Look codes up; those of systems in which our table has no row are passed over."""
        written: list[tuple[str, str]] = []
        texts = [concept.text] if concept.text else []
        is_coded = False
        for part in concept.coding or ():
            if part.display and isinstance(part.display, str):
                texts.append(part.display)
            if code := part.code:
                if (has_rows := self._has_rows.get(part.system, _UNREAD)) is _UNREAD:
                    system, observations = part.system or "", self._tables.tables["observations"]
                    has_rows = observations.has_rows_in(system) if system.strip("/ ") else None
                    self._has_rows[part.system] = has_rows
                if has_rows is None or code.isspace():
                    return None
                is_coded = True
                if has_rows:
                    written.append((part.system or "", code))
        if not is_coded:
            return None
        asked = tuple(written)
        if (meaning := self._meanings.get(asked)) is None:
            codings = [self._read.coding(*coding) for coding in asked]
            meaning = self._meanings[asked] = self._tables.meaning("observations", codings)
        return neutral.Codes(meaning, tuple(texts))

    def _beside_of(self, beside: FlagsAndRanges) -> neutral.Beside | None:
        if any(part.age for part in beside.ranges):
            return None
        interpretation = _interpretation(beside.said, self._read)
        ranges = tuple([reference_range(part, self._read) for part in beside.ranges])
        return neutral.Beside(*interpretation, ranges)
