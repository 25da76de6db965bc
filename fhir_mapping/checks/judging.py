"""What every check needs to know beside the resource itself."""

from collections.abc import Callable, Hashable, Mapping
from datetime import date, datetime, timedelta
from functools import cached_property

from msgspec import Struct

from fhir_mapping.record import Dosage, Fact, MappingSettings, Moment, Patient, ReferenceLimits
from fhir_mapping.terms import Tables
from fhir_mapping.terms.roles import Analyte
from fhir_mapping.versions.neutral import Regimen
from fhir_mapping.versions.times import clamped

# The facts that a resource gives (none: it is left out without a word), or the reason why it is refused.
Verdict = tuple[Fact, ...] | str


class Case(Struct, frozen=True, dict=True):
    """One record as of one moment.

    `reports` names, by Observation, the reports that list it; `analytes_of` what the other Observations are about;
    `conditions` says of each Condition, in whatever state, why its subject is not the patient (F1).
    """

    as_of: datetime
    mapping: MappingSettings
    patient: Patient | None
    patient_id: str
    reports: Mapping[str, frozenset[str]] = {}
    analytes_of: Callable[[str], frozenset[Analyte]] = lambda _observation: frozenset()
    conditions: Mapping[str, str] = {}
    # What was found once is remembered: what is not understood of a product, limits by all that they follow from, and of
    # concepts, with what they stand in, whether they are none of ours and what they name beside their codes. Dosages by
    # the identity of their regimen, which is kept with them: equal ones may have other digits.
    products: dict[bytes, str] = {}
    dosages: dict[int, tuple[Regimen, Dosage]] = {}
    limits: dict[Hashable, ReferenceLimits] = {}
    beside_the_point: dict[Hashable, bool] = {}
    named: dict[Hashable, frozenset[str]] = {}

    @cached_property
    def tables(self) -> Tables:
        """The client's."""
        return self.mapping.tables

    @cached_property
    def tolerance(self) -> timedelta:
        """How far in the future something may lie (F3)."""
        return self.tables.rules.days("facts.future_tolerance")

    def time_problem(self, when: Moment | None) -> str:
        """Give the reason of F3: `undated`, `future`, or nothing."""
        if when is None:
            return "undated"
        return "future" if self.is_future(when) else ""

    def is_future(self, when: Moment) -> bool:
        """Say whether the first possible instant lies after `as_of` by more than the tolerance (F3)."""
        return when.first - self.as_of > self.tolerance

    def at(self, when: Moment) -> Moment:
        """Cut a moment at `as_of` (F3)."""
        return clamped(when, self.as_of)


def completed_years(born: date, day: date) -> int:
    """Count birthdays (E5)."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
