"""The data types of R4 in neutral terms: canonical codings, moments, resolved references, numbers as written."""

from dataclasses import dataclass
from datetime import tzinfo

from fhir_mapping.record import Coding, Concept, Moment, Number, Period
from fhir_mapping.terms.systems import CodeSystems
from fhir_mapping.versions.r4_resources import (
    R4Concept,
    R4Period,
    R4Quantity,
    R4Reference,
)
from fhir_mapping.versions.references import References
from fhir_mapping.versions.times import moment


@dataclass(frozen=True, slots=True)
class Elements:
    """Reads elements; `zone` is that of times without a zone."""

    systems: CodeSystems
    zone: tzinfo
    references: References

    def coding(self, system: str, code: str) -> Coding:
        """Write a coding in canonical terms (F4)."""
        return Coding(*self.systems.normal(system, code))

    def codings(self, *concepts: R4Concept | None) -> tuple[Coding, ...]:
        """Collect the codings of concepts; one without a code says nothing."""
        return tuple(
            self.coding(part.system or "", part.code)
            for concept in concepts
            for part in (concept.coding or () if concept else ())
            if part.code
        )

    def concept(self, written: R4Concept | None) -> Concept:
        """Read a CodeableConcept."""
        return Concept(self.codings(written), (written.text or "") if written else "")

    def time(self, text: str | None) -> Moment | None:
        """Read a date or a time; None also where it is no date."""
        return moment(text, self.zone) if text else None

    def period(self, written: R4Period | None) -> Period:
        """Read a Period."""
        return Period(self.time(written.start), self.time(written.end)) if written else Period()

    def when(self, instant: str | None, period: R4Period | None, *others: str | None) -> Moment | None:
        """Read the first of the times that is written: the end of a period before its start (F3)."""
        ends = (period.end, period.start) if period else ()
        return self.time(next((text for text in (instant, *ends, *others) if text), None))

    def refers(self, reference: R4Reference | None) -> str:
        """Resolve a reference to `Type/id`; empty where there is no address."""
        return self.references.resolve(reference.reference or "") if reference else ""

    def number(self, written: R4Quantity | None) -> Number | None:
        """Read a Quantity; None where it has no value."""
        value = written.decimal() if written else None
        if written is None or value is None:
            return None
        system = self.systems.canonical(written.system or "")
        return Number(value, written.comparator or "", written.unit or "", written.code or "", system)
