"""The elements of each R4 resource in the neutral terms of `reading.py`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal

from fhir_mapping import reading
from fhir_mapping.record import Coding, Concept, Moment, Number, Period, Value
from fhir_mapping.terms import Tables
from fhir_mapping.times import moment
from fhir_mapping.units import UCUM
from fhir_mapping.versions import r4_resources as r4
from fhir_mapping.versions.products import Named, Products
from fhir_mapping.versions.references import References


def is_patient(reference: str) -> bool:
    """Say whether a resolved reference leads to a Patient, this one or another (F1)."""
    return f"/{reference}".rpartition("/")[0].endswith("/Patient")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one resource at a time; `zone` is that of times without a zone."""

    tables: Tables
    zone: tzinfo
    references: References
    products: Products

    # Whose it is, and what it is

    def subjects(self, resource: r4.AnyResource) -> tuple[str, ...] | None:
        """Resolve the references that say whose the resource is (F1); None for a Patient."""
        if isinstance(resource, r4.Patient):
            return None
        if isinstance(resource, r4.Appointment):
            actors = [self.refers(part.actor) for part in resource.participant or ()]
            return tuple(actor for actor in actors if is_patient(actor))
        return (self.refers(resource.subject),)

    def what_it_is(self, resource: r4.AnyResource) -> tuple[Coding, ...]:
        """Collect the codings that say what the resource is (F4)."""
        if isinstance(resource, r4.Patient):
            return ()
        if isinstance(resource, r4.Medicated):
            return tuple(code for concept in self.named(resource).concepts for code in self.codings(concept))
        if isinstance(resource, r4.Encounter):
            contact = self._contact(resource)
            return (*contact.service, *contact.kinds, *self._class(resource))
        if isinstance(resource, r4.Appointment):
            booking = self._booking(resource)
            return (*booking.service, *booking.kinds)
        return self.codings(resource.code)

    def content(self, resource: r4.AnyResource) -> reading.Content:
        """Read the rest of the resource."""
        match resource:
            case r4.Observation():
                return self._observation(resource)
            case r4.Condition():
                return self._condition(resource)
            case r4.Procedure():
                return reading.Performed(self._when(resource.performed_date_time, resource.performed_period))
            case r4.DiagnosticReport():
                return self._report(resource)
            case r4.Encounter():
                return self._contact(resource)
            case r4.Appointment():
                return self._booking(resource)
            case r4.ServiceRequest():
                return reading.Order(
                    resource.intent or "", resource.do_not_perform is True, self.time(resource.authored_on)
                )
            case r4.Patient():
                return self._person(resource)
            case _:
                return self._medication(resource)

    # Elements

    def coding(self, system: str, code: str) -> Coding:
        """Write a coding in canonical terms (F4)."""
        return Coding(*self.tables.systems.normal(system, code))

    def codings(self, *concepts: r4.Concept | None) -> tuple[Coding, ...]:
        """Collect the codings of concepts; one without a code says nothing."""
        return tuple(
            self.coding(part.system or "", part.code)
            for concept in concepts
            for part in (concept.coding or () if concept else ())
            if part.code
        )

    def concept(self, written: r4.Concept | None) -> Concept:
        """Read a CodeableConcept."""
        return Concept(self.codings(written), (written.text or "") if written else "")

    def time(self, text: str | None) -> Moment | None:
        """Read a date or a time; None also where it is no date."""
        return moment(text, self.zone) if text else None

    def period(self, written: r4.Period | None) -> Period:
        """Read a Period."""
        return Period(self.time(written.start), self.time(written.end)) if written else Period()

    def refers(self, reference: r4.Reference | None) -> str:
        """Resolve a reference to `Type/id`; empty where there is no address."""
        return self.references.resolve(reference.reference or "") if reference else ""

    def number(self, written: r4.Quantity | None) -> Number | None:
        """Read a Quantity; None where it has no value."""
        value = written.decimal() if written else None
        if written is None or value is None:
            return None
        system = self.tables.system(written.system or "")
        return Number(value, written.comparator or "", written.unit or "", written.code or "", system)

    def _when(self, instant: str | None, period: r4.Period | None, *others: str | None) -> Moment | None:
        """Read the first of the times that is written: the end of a period before its start (F3)."""
        written = (instant, period.end if period else None, period.start if period else None, *others)
        return self.time(next((text for text in written if text), None))

    # Resources

    def _observation(self, resource: r4.Observation) -> reading.Observation:
        specimen = self.refers(resource.specimen)
        return reading.Observation(
            own=self._measurement(resource),
            when=self._when(
                resource.effective_date_time,
                resource.effective_period,
                resource.effective_instant,
                resource.issued,
            ),
            has_focus=bool(resource.focus),
            specimen=specimen,
            members=tuple(self.refers(member) for member in resource.has_member or ()),
            components=tuple(self._measurement(part) for part in resource.component or ()),
        )

    def _measurement(self, written: r4.Measured | r4.Observation) -> reading.Measurement:
        said = written.interpretation or ()
        return reading.Measurement(
            code=self.concept(written.code),
            value=self._value(written),
            interpretation=self.codings(*said),
            interpretation_text="; ".join(concept.text for concept in said if concept.text),
            ranges=tuple(self._range(part) for part in written.reference_range or ()),
        )

    def _value(self, written: r4.Measured | r4.Observation) -> Value:
        """Read value[x]; of several, which no valid resource has, the first in this order."""
        absent = written.data_absent_reason is not None
        if (number := self.number(written.value_quantity)) is not None:
            return Value(number=number, absent=absent)
        if written.value_integer is not None:
            return Value(integer=written.value_integer, absent=absent)
        if ratio := self._ratio(written.value_ratio):
            return Value(ratio=ratio, absent=absent)
        if written.value_codeable_concept is not None:
            return Value(concept=self.concept(written.value_codeable_concept), absent=absent)
        return Value(text=written.value_string or "", boolean=written.value_boolean, absent=absent)

    def _ratio(self, written: r4.Ratio | None) -> tuple[Number, Number] | None:
        top, bottom = (self.number(written.numerator), self.number(written.denominator)) if written else (None, None)
        return (top, bottom) if top and bottom else None

    def _range(self, written: r4.ReferenceRange) -> reading.Range:
        age = written.age or r4.Range()
        return reading.Range(
            low=self.number(written.low),
            high=self.number(written.high),
            kinds=self.codings(written.type),
            kind_written=written.type is not None,
            groups=tuple(self.codings(group) for group in written.applies_to or ()),
            age_low=self.number(age.low),
            age_high=self.number(age.high),
        )

    def _condition(self, resource: r4.Condition) -> reading.Condition:
        onset = resource.onset_period.start if resource.onset_period else None
        abated = (
            resource.abatement_date_time,
            resource.abatement_period,
            resource.abatement_age,
            resource.abatement_range,
            resource.abatement_string,
        )
        return reading.Condition(
            clinical=_code(resource.clinical_status),
            verification=_code(resource.verification_status),
            onset=self.time(resource.onset_date_time or onset),
            recorded=self.time(resource.recorded_date),
            abated=any(part is not None for part in abated),
            abatement=self._when(resource.abatement_date_time, resource.abatement_period),
        )

    def _report(self, resource: r4.DiagnosticReport) -> reading.Performed:
        when = self._when(resource.effective_date_time, resource.effective_period, resource.issued)
        return reading.Performed(when, tuple(self.refers(result) for result in resource.result or ()))

    def _class(self, resource: r4.Encounter) -> tuple[Coding, ...]:
        written = resource.class_
        if isinstance(written, r4.Coding):
            return self.codings(r4.Concept([written]))
        return self.codings(*(written or ()))

    def _contact(self, resource: r4.Encounter) -> reading.Contact:
        service = resource.service_type
        listed = service if isinstance(service, list) else [service]
        types = [kind for part in resource.participant or () for kind in part.type or ()]
        return reading.Contact(
            period=self.period(resource.period),
            service=self.codings(*listed),
            kinds=self.codings(*(resource.type or ()), *types),
        )

    def _booking(self, resource: r4.Appointment) -> reading.Booking:
        return reading.Booking(
            start=self.time(resource.start),
            created=self.time(resource.created),
            service=self.codings(*(resource.service_type or ()), *(resource.specialty or ())),
            kinds=self.codings(resource.appointment_type),
        )

    def _person(self, resource: r4.Patient) -> reading.Person:
        return reading.Person(
            sex=resource.gender or "",
            birth_date=resource.birth_date or "",
            died=bool(resource.deceased_boolean or resource.deceased_date_time),
            death=self.time(resource.deceased_date_time),
        )
