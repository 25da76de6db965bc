"""The data types of R4 in neutral terms: canonical codings, moments, resolved references, numbers as written."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import tzinfo
from typing import Any

from msgspec import Raw, Struct
from msgspec.structs import replace

from fhir_mapping.record import NO_PERIOD, Coding, Concept, Moment, Number, Period
from fhir_mapping.terms.systems import CodeSystems
from fhir_mapping.terms.words import LONGEST_TEXT
from fhir_mapping.versions.neutral import Regimen
from fhir_mapping.versions.r4_resources import (
    R4Coding,
    R4Concept,
    R4Period,
    R4Quantity,
    R4Range,
    R4Reference,
    decimal,
)
from fhir_mapping.versions.references import References
from fhir_mapping.versions.times import moment
from fhir_mapping.versions.untyped import listed, untyped

_NO_CONCEPT = Concept()
CERTAINTY = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"


class Elements(Struct, frozen=True):
    """Reads the elements of one record; `zone` is that of times without a zone."""

    systems: CodeSystems
    zone: tzinfo
    references: References
    # What is written again and again, by its text
    _times: dict[str, Moment | None] = {}
    _codings: dict[tuple[str | None, str], Coding] = {}
    _resolved: dict[str, str] = {}
    _concepts: dict[tuple[Any, ...], Concept] = {}
    regimens: dict[tuple[Any, ...], Regimen] = {}

    def coding(self, system: str, code: str) -> Coding:
        """Write a coding in canonical terms (F4)."""
        return Coding(*self.systems.normal(system, code))

    def codings(self, *concepts: R4Concept | None) -> tuple[Coding, ...]:
        """Collect the codings of concepts; one without a code says nothing."""
        codings: list[Coding] = []
        for concept in concepts:
            if concept is not None and concept.coding:
                codings += self.coded(concept.coding)
        return tuple(codings)

    def coded(self, parts: Iterable[R4Coding]) -> list[Coding]:
        """Read the codings that have a code."""
        known, codings = self._codings, []
        for part in parts:
            if code := part.code:
                if (coding := known.get((part.system, code))) is None:
                    coding = Coding(*self.systems.normal(part.system or "", code))
                    known[part.system, code] = coding
                codings.append(coding)  # no comprehension: one or two are a loop, which costs less
        return codings

    @staticmethod
    def text(written: str | None) -> str:
        """Read a text as far as texts are read; the one character more says that it was cut (U1)."""
        return (written or "")[: LONGEST_TEXT + 1]

    def concept(self, written: R4Concept | None) -> Concept:
        """Read a CodeableConcept; a display that is no text says nothing. Those written alike are one."""
        if written is None:
            return _NO_CONCEPT
        parts: list[Any] = [written.text]
        for part in written.coding or ():
            parts += (part.system, part.code, part.display)
        alike = tuple(parts)
        try:
            known = self._concepts.get(alike)
        except TypeError:  # a display that is a list or an object
            return self._concept(written)
        if known is None:
            known = self._concepts[alike] = self._concept(written)
        return known

    def _concept(self, written: R4Concept) -> Concept:
        parts = written.coding or ()
        displays = [part.display for part in parts if part.display and isinstance(part.display, str)]
        return Concept(
            tuple(self.coded(parts)),
            self.text(written.text),
            tuple(map(self.text, displays)),
        )

    def certainties(self, extensions: Raw) -> Iterator[Coding]:
        """Find the codes of the extension Diagnosesicherheit; an empty one where it is there and has no code (M1)."""
        json = bytes(extensions)
        if b"sicherheit" not in json and b"\\u" not in json:
            return
        for extension in listed(untyped(json)):
            if isinstance(extension, dict) and extension.get("url") == CERTAINTY:
                said = extension.get("valueCoding", {"code": extension.get("valueCode")})
                written = (said.get("system"), said.get("code")) if isinstance(said, dict) else ("", "")
                yield self.coding(*(text if isinstance(text, str) else "" for text in written))

    def time(self, text: str | None) -> Moment | None:
        """Read a date or a time; None also where it is no date."""
        if not text:
            return None
        if (when := self._times.get(text)) is None:
            when = self._times[text] = moment(text, self.zone)
        return when

    def period(self, written: R4Period | None) -> Period:
        """Read a Period; one with an end that cannot be read is none (F3: an open end would stand in for it)."""
        if written is None:
            return NO_PERIOD
        start, end = self.time(written.start), self.time(written.end)
        if (start is None and written.start is not None) or (end is None and written.end is not None):
            return NO_PERIOD
        return Period(start, end)

    def when(self, instant: str | None, period: R4Period | None, *others: str | None) -> Moment | None:
        """Read the first of the times that is written, the end of a period before its start (F3).

        Where that cannot be read there is no time: no other stands in for it.
        """
        if instant is not None:
            return self.time(instant)
        ends = (period.end, period.start) if period else ()
        return self.time(next((text for text in (*ends, *others) if text is not None), None))

    def can_tell(self, *ways: Sequence[str | None]) -> bool:
        """Say whether the first of several ways to write a time that is used is used readably, or none is (F3)."""
        for way in ways:
            is_used = False
            for text in way:
                if text is not None:
                    is_used = True
                    if self.time(text) is None:
                        return False
            if is_used:
                break
        return True

    def refers(self, reference: R4Reference | None) -> str:
        """Resolve a reference to `Type/id`; empty where there is no address."""
        if reference is None or not (address := reference.reference):
            return ""
        if (known := self._resolved.get(address)) is None:
            known = self._resolved[address] = self.references.resolve(address)
        return known

    def number(self, written: R4Quantity | None) -> Number | None:
        """Read a Quantity; None where it has no value."""
        if written is None or (value := decimal(written.value)) is None:
            return None
        system = self.systems.canonical(written.system or "")
        return Number(value, written.comparator or "", written.unit or "", written.code or "", system)

    def interval(self, written: R4Range | None) -> Number | None:
        """Read a Range as a number and its other end (F5); an open side is a comparator.

        None where it has no value, and where its ends are not those of an interval of one unit.
        """
        low, high = (self.number(written.low), self.number(written.high)) if written else (None, None)
        ends = [end for end in (low, high) if end]
        if not ends or any(end.comparator for end in ends):
            return None
        if low is None or high is None:
            return replace(ends[0], comparator=">=" if low else "<=")
        unit = next((end for end in ends if end.unit or end.unit_code), low)
        units = {(end.unit, end.unit_code) for end in ends}
        if low.value > high.value or not units <= {("", ""), (unit.unit, unit.unit_code)}:
            return None
        return replace(unit, value=low.value, upto=high.value)
