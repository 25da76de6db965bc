"""The limits that a result is compared with (F8)."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from fhir_mapping.checks.judging import Case, completed_years
from fhir_mapping.record import Moment, Number, ReferenceLimits, Value
from fhir_mapping.terms import Role, Tables
from fhir_mapping.terms.roles import RoleWord
from fhir_mapping.terms.units import UCUM
from fhir_mapping.versions.neutral import Range

NO_UNIT = Number(Decimal(0))
_SEXES: frozenset[RoleWord] = frozenset({"male", "female"})


def limits_of(ranges: Iterable[Range], value: Value, role: Role, when: Moment, case: Case) -> ReferenceLimits:
    """Find the laboratory's limits for this patient, else our default upper limit, else none (F8).

    Each limit is that of the most specific range that has it, of equally specific ones the first.
    """
    fitting = sorted(
        (part for part in ranges if _fits(part, when, case)),
        key=lambda part: bool(part.groups) + part.has_age,
        reverse=True,
    )
    number = value.number or NO_UNIT
    lows = (_bound(part.low, number, role, case.tables) for part in fitting)
    highs = (_bound(part.high, number, role, case.tables) for part in fitting)
    low = next((bound for bound in lows if bound is not None), None)
    high = next((bound for bound in highs if bound and _is_usable(bound, role, case.tables)), None)
    default = f"upper_limit.{role.word}"
    if high is None and default in case.tables.rules:
        return ReferenceLimits(low, case.tables.rules.number(default), default=True)
    return ReferenceLimits(low, high)


def plausible_range(role: Role, tables: Tables) -> tuple[Decimal, Decimal]:
    """The lowest and the highest plausible value of an analyte that has such a range (F5)."""
    name = f"plausible.{role.plausible}"
    return tables.rules.number(f"{name}_low"), tables.rules.number(f"{name}_high")


def _is_usable(bound: Decimal, role: Role, tables: Tables) -> bool:
    """An upper limit of zero, or one that no plausible value reaches or keeps to, is none."""
    if bound <= 0 or not role.plausible or not role.dimension:
        return bound > 0
    low, high = plausible_range(role, tables)
    return low <= bound <= high


def _fits(part: Range, when: Moment, case: Case) -> bool:
    is_normal = case.tables.means("qualifiers", part.kinds, "normal-range")
    return (is_normal or not part.kind_written) and _fits_sex(part, case) and _fits_age(part, when, case)


def _fits_sex(part: Range, case: Case) -> bool:
    """A group that is no sex (pregnancy, descent) fits nobody: the record does not say whether it applies."""
    sexes = [case.tables.words("qualifiers", group) & _SEXES for group in part.groups]
    return all(case.patient and case.patient.sex in named for named in sexes)


def _fits_age(part: Range, when: Moment, case: Case) -> bool:
    """Ages in years are counted by birthdays, all others in days; both limits are inclusive."""
    if not part.has_age:
        return True
    patient, day = case.patient, when.day(case.mapping.time_zone)
    if patient is None or patient.birth_last is None:
        return False
    units = case.tables.units
    year = units.factors["time", "ucum", "a"]
    for number, is_low in ((part.age_low, True), (part.age_high, False)):
        if number is None:
            continue
        limit, factor = units.convert(number, "time"), units.factor(number, "time")
        in_years = factor == year
        age = completed_years(patient.birth_last, day) if in_years else (day - patient.birth_last).days
        bound = number.value if in_years else limit
        if bound is None or (age < bound if is_low else age > bound):
            return False
    return True


def _bound(bound: Number | None, number: Number, role: Role, tables: Tables) -> Decimal | None:
    """Write a limit in the unit of the result; its own unit counts, else that of the value (F8)."""
    if bound is None:
        return None
    if role.dimension:
        has_own_unit = bound.unit.strip() or (bound.unit_code and bound.unit_system == UCUM)
        taken = bound if has_own_unit else replace(number, value=bound.value)
        return tables.units.convert(taken, role.dimension)
    return bound.value if _same_text(bound, number) else None


def _same_text(bound: Number, number: Number) -> bool:
    """Antibodies are compared only with a limit of the same unit text; a limit without one has the value's (F6)."""
    texts = {bound.unit.strip(), bound.unit_code} - {""}
    return not texts or number is NO_UNIT or bool(texts & {number.unit.strip(), number.unit_code})
