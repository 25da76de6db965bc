"""The limits that a result is compared with (F8).

In: the reference ranges beside a value. Out: the lower and the upper limit for this patient, in this order:

1. Leave out the ranges of another type, of another sex or group, and of another age.
2. Write the bounds of the others in the unit of the result; one in a unit that does not fit, or that no plausible value
   reaches, is none.
3. For each limit take the most specific of them; of several the one that says normal or negative, else all.
4. Of an antibody the titled bands decide before any limit (`laboratory.bands`). One that was left out, although it may be
   this patient's, leaves open what it would have decided otherwise.
5. Without an upper limit take ours, where there is one.
"""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct, json
from msgspec.structs import replace

from fhir_mapping.checks.judging import Case, completed_years
from fhir_mapping.laboratory.bands import Band, Title, highest_end, title_of
from fhir_mapping.laboratory.numbers import number_of, read_number
from fhir_mapping.laboratory.phrases import plain, sounds_weak, verdict
from fhir_mapping.record import NO_LIMITS, Moment, Number, ReferenceLimits, Value
from fhir_mapping.terms import Role, Tables
from fhir_mapping.terms.roles import RoleWord
from fhir_mapping.terms.units import UCUM, spelled
from fhir_mapping.versions.neutral import Range

_NO_UNIT = Number(Decimal(0))
_SEXES: frozenset[RoleWord] = frozenset({"male", "female"})


class _Fitting(Struct, frozen=True, gc=False, eq=False):
    """A range that fits the patient, with its bounds in the unit of the result."""

    written: Range
    low: Decimal | None
    high: Decimal | None
    specificity: int
    is_below: bool  # its upper limit is written with `<`


def limits_of(
    ranges: tuple[Range, ...], value: Value, role: Role, when: Moment, case: Case
) -> ReferenceLimits:
    """Find the laboratory's limits for this patient, else our default upper limit, else none (F8).

    Each limit is that of the most specific range that has it; `highs` are all upper limits where several are left. A
    magnitude's are found once a record for the same ranges beside the same unit, unless its day decides about an age.
    """
    if not ranges:
        return _or_ours(NO_LIMITS, role, case.tables)
    number = number_of(value, case.tables)
    if not role.dimension or any(part.has_age for part in ranges):
        return _limits(ranges, number, role, when, case)
    beside = number or _NO_UNIT
    unit = beside.unit, beside.unit_code, beside.unit_system
    asked = role.word, unit, json.encode(ranges)  # as a text, for 200 is 200.0, and is not shown so
    if (limits := case.limits.get(asked)) is None:
        limits = case.limits[asked] = _limits(ranges, number, role, when, case)
    return limits


def _limits(
    ranges: Sequence[Range], number: Number | None, role: Role, when: Moment, case: Case
) -> ReferenceLimits:
    fitting = [
        _fitting(part, number or _NO_UNIT, role, case.tables)
        for part in ranges
        if _fits(part, role, when, case)
    ]
    lows = _left([(part.low, part) for part in fitting if part.low is not None], role, case.tables)
    upper = [(part.high, part) for part in fitting if part.high is not None]
    highs = _left(upper, role, case.tables)
    band: Title | None = ""
    if number and not role.dimension:
        others = [
            part for part in ranges if not (_fits(part, role, when, case) or _is_for_others(part, when, case))
        ]
        left_out = [_fitting(part, number, role, case.tables) for part in others]
        band = _band(number, fitting, left_out, role, case.tables)
    if band is None:  # what its bands leave open, no limit decides
        highs = ()
    limits = ReferenceLimits(
        low=lows[0] if len(lows) == 1 else None,
        high=highs[0] if len(highs) == 1 else None,
        highs=highs if len(highs) > 1 else (),
        is_below=bool(highs)
        and highs == _left([bound for bound in upper if bound[1].is_below], role, case.tables),
        band=band,
    )
    return _or_ours(limits, role, case.tables)


def _or_ours(limits: ReferenceLimits, role: Role, tables: Tables) -> ReferenceLimits:
    """Let our upper limit stand in for the laboratory's, where there is one."""
    if limits.high is None and (ours := tables.rules.thresholds.get(f"upper_limit.{role.word}")):
        return replace(limits, high=ours.value, default=True)
    return limits


def _left(bounds: Sequence[tuple[Decimal, _Fitting]], role: Role, tables: Tables) -> tuple[Decimal, ...]:
    """The bounds of the most specific ranges; of several that of the one that says normal or negative, else all."""
    if len(bounds) <= 1:
        return tuple([bound for bound, _ in bounds])
    most = max(part.specificity for _, part in bounds)
    left = [(bound, part) for bound, part in bounds if part.specificity == most]
    normal = []
    for bound, part in left:
        written = part.written
        texts = (text for text in (written.text, written.kind_text) if text)
        coded = tables.means("qualifiers", written.kinds, "normal-range")
        if coded or any(_says_normal(text, role, tables) for text in texts):
            normal.append((bound, part))
    return tuple(sorted({bound for bound, _ in (normal if len(normal) == 1 else left)}))


def _band(
    number: Number,
    fitting: Sequence[_Fitting],
    left_out: Sequence[_Fitting],
    role: Role,
    tables: Tables,
) -> Title | None:
    """The title of the band that holds a number; None: they leave it open, or a band that may hold it was left out.

    That is one of which nobody can say whether it fits this patient, or where it lies: perhaps above all others; or one
    that fits less well than another. It takes nothing from a band that fits best and holds the number.
    """
    own, outside = (
        [(part, title) for part in parts if (title := _title_of(part.written, role, tables))]
        for parts in (fitting, left_out)
    )
    most = max((part.specificity for part, _ in own if _is_placed(part)), default=0)
    bands, rest = [], outside
    for part, title in own:
        if _is_placed(part) and part.specificity == most:
            bands.append(_as_band(part, title))
        else:
            rest.append((part, title))
    band = title_of(number, bands)
    if not rest or any(part.holds(number) for part in bands):
        return band
    others = [_as_band(part, title) for part, title in rest if _is_placed(part)]
    if not bands:
        return None if title_of(number, others) == "weak" else band
    if (top := highest_end(bands)) is not None:
        others += [Band(top, None, title) for part, title in rest if not _is_placed(part)]
    return band if title_of(number, [*bands, *others]) == band else None


def _is_placed(part: _Fitting) -> bool:
    """Whether a bound of a range can be compared with the result."""
    return (part.low, part.high) != (None, None)


def _as_band(part: _Fitting, title: Title) -> Band:
    return Band(part.low, part.high, title)


def plausible_range(role: Role, tables: Tables) -> tuple[Decimal, Decimal]:
    """The lowest and the highest plausible value of an analyte that has such a range (F5)."""
    name = f"plausible.{role.plausible}"
    return tables.rules.number(f"{name}_low"), tables.rules.number(f"{name}_high")


def _fitting(part: Range, number: Number, role: Role, tables: Tables) -> _Fitting:
    low, high = part.low, part.high
    if low is None and high is None and not role.dimension:
        # Those of an antibody may be a text that is wholly `<`, `≤` or a range and a number (E7)
        written = read_number(part.text, tables.vocabulary)
        if written and written.upto is not None and not (written.ambiguous or written.comparator):
            low, high = replace(written, upto=None), replace(written, value=written.upto, upto=None)
        elif written and written.upto is None and not written.ambiguous:
            high = written if written.comparator in {"<", "<="} else None
    is_below = high is not None and high.comparator == "<"
    upper = _bound(high, number, role, tables)
    # An upper limit of zero, or one that no plausible value reaches or keeps to, is none
    if upper is not None and upper <= 0:
        upper = None
    elif upper is not None and role.plausible and role.dimension:
        lowest, highest = plausible_range(role, tables)
        upper = upper if lowest <= upper <= highest else None
    return _Fitting(
        part,
        low=_bound(low, number, role, tables),
        high=upper,
        specificity=bool(part.groups) + part.has_age,
        is_below=is_below,
    )


def _title_of(part: Range, role: Role, tables: Tables) -> Title:
    """What the own text or type of a range answers, read like the words of a result (E7)."""
    texts = (text for text in (part.text, part.kind_text) if text)
    return next((title for text in texts if (title := _title(text, role, tables))), "")


def _title(text: str, role: Role, tables: Tables) -> Title:
    said = plain(text)
    if sounds_weak(said, tables.vocabulary, role.word):
        return "weak"
    return verdict(said, tables.vocabulary, role.word) or ""


def _says_normal(text: str, role: Role, tables: Tables) -> bool:
    named = tables.vocabulary.roles(text)
    is_normal = "normal" in named and "negation" not in named
    return is_normal or _title(text, role, tables) == "negative"


def _fits(part: Range, role: Role, when: Moment, case: Case) -> bool:
    """Whether a range is one for this patient, as far as it says for whom it is.

    It is of type normal or of none; one whose type is only written says so in words, or is a titled band. A group that is
    no sex (pregnancy, descent) fits nobody: the record does not say whether it applies.
    """
    tables, kind = case.tables, part.kind_text
    if part.kinds:
        if not tables.means("qualifiers", part.kinds, "normal-range"):
            return False
    elif part.kind_written and not (_says_normal(kind, role, tables) or _title(kind, role, tables)):
        return False
    for group in part.groups:
        if not (case.patient and case.patient.sex in tables.words("qualifiers", group) & _SEXES):
            return False
    return _fits_age(part, when, case)


def _is_for_others(part: Range, when: Moment, case: Case) -> bool:
    """Whether a range surely is for another sex or age."""
    patient = case.patient
    if patient is None:
        return False
    sexes = [case.tables.words("qualifiers", group) & _SEXES for group in part.groups]
    is_of_other_sex = patient.sex in _SEXES and any(named and patient.sex not in named for named in sexes)
    ages = [age for age in (part.age_low, part.age_high) if age]
    can_tell = patient.birth_last and all(case.tables.units.factor(age, "time") for age in ages)
    return is_of_other_sex or bool(can_tell and not _fits_age(part, when, case))


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
        factor = tables.units.factor(bound if has_own_unit else number, role.dimension)
        return tables.units.times(bound.value, factor, role.dimension) if factor else None
    # Antibodies are compared only with a limit of the same unit text; a limit without one has the value's (F6)
    ours, theirs = (
        {spelled(written.unit, "text"), spelled(written.unit_code, "text")} - {""}
        for written in (number, bound)
    )
    return bound.value if not theirs or number is _NO_UNIT or ours & theirs else None
