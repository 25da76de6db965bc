"""Plain Observations straight to results: the steps of `judge` for those of which each step is a glance.

A `neutral.Plain` is judged here if it is this patient's (F1), has words that name nothing (U3), and either

- has codes of our table, for one magnitude (F4), nothing that changes its meaning (F2), a final status and a time that is
  past (F3), a unit that is known (F6), a plausible value (F5), and no limits that disagree where that decides (F8): of it
  comes the result that `judge_observation` would make; or
- has no code of our table: it is left out in silence.

Any other is judged as everything else is. Nothing is refused or doubted here, and nothing here is another answer:
`tests/hostile/test_every_way_to_read_is_one.py` takes both ways and compares.
"""

from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from fhir_mapping.checks.extensions import not_understood
from fhir_mapping.checks.judging import Case
from fhir_mapping.checks.limits import limits_of, plausible_range
from fhir_mapping.checks.observations import INVERSE, OWN_LIMIT_ALONE
from fhir_mapping.checks.statuses import status_problem
from fhir_mapping.record import Amount, Number, ReferenceLimits, Result, Value
from fhir_mapping.terms import Role
from fhir_mapping.terms.roles import Analyte
from fhir_mapping.terms.units import UnitFactor
from fhir_mapping.versions import neutral

_NONE = frozenset[str]()
_UNBOUNDED = Decimal("-Infinity"), Decimal("Infinity")


class _Scale(Struct, frozen=True, gc=False, eq=False):
    """An analyte beside one unit as it is written: how a value becomes a magnitude, and which are plausible."""

    analyte: Analyte
    role: Role
    factor: UnitFactor | None  # None: the value is the magnitude
    canonical: str
    behind: str  # the digits, as the laboratory writes it
    lowest: Decimal
    highest: Decimal


class PlainJudge:
    """Judges the plain Observations of one record; what several of them share is found once."""

    def __init__(self, case: Case) -> None:
        self._case, self._own = case, f"Patient/{case.patient_id}"
        self._is_final: dict[str, bool] = {}
        self._quiet: set[str] = set()  # texts that name nothing
        self._scales: dict[tuple[frozenset[Analyte], neutral.WrittenUnit], _Scale | None] = {}
        self._limits: dict[tuple[_Scale, neutral.Beside], ReferenceLimits] = {}

    def results(self, plain: Iterable[neutral.Plain]) -> tuple[list[Result], list[neutral.Plain]]:
        """Give the results, and those that are to be judged as any other."""
        own, quiet, result_of = self._own, self._quiet, self._result
        results: list[Result] = []
        left: list[neutral.Plain] = []
        for each in plain:
            codes = each.codes
            if each.subject != own or not (quiet.issuperset(codes.texts) or self._names_nothing(codes.texts)):
                left.append(each)
            elif codes.meaning.words:
                result = result_of(each)
                if result is None:
                    left.append(each)
                else:
                    results.append(result)
        return results, left

    def _result(self, plain: neutral.Plain) -> Result | None:
        meaning, unit, beside, when = plain.codes.meaning, plain.unit, plain.beside, plain.when
        try:
            is_final, scale = self._is_final[plain.status], self._scales[meaning.analytes, unit]
        except KeyError:
            is_final, scale = self._learn(plain)
        case = self._case
        if not is_final or scale is None or when.last > case.as_of:
            return None
        value = magnitude = Decimal(plain.number)
        if scale.factor:
            magnitude = case.tables.units.times(value, scale.factor, scale.role.dimension) or value
        if not scale.lowest <= magnitude <= scale.highest:
            return None
        if not_understood(plain):
            return None
        whole = Value(Number(value, "", unit.text, unit.code, unit.system))
        if (limits := self._limits.get((scale, beside))) is None:
            limits = limits_of(beside.ranges, whole, scale.role, when, case)
            self._limits[scale, beside] = limits
        if limits.highs and scale.analyte in OWN_LIMIT_ALONE:
            return None
        name, specimen = plain.name, plain.specimen
        return Result(
            name,
            meaning.words,
            scale.analyte,
            when,
            whole,
            Amount(magnitude, scale.canonical, "", plain.number + scale.behind),
            limits,
            beside.interpretation,
            (),
            (),
            f"{name}{specimen}" if specimen.startswith("#") else specimen,
            case.reports.get(name, _NONE),
            beside.interpretation_text,
            meaning.codings,
        )

    def _names_nothing(self, texts: Iterable[str]) -> bool:
        """U3: whether none of the words beside the codes names anything."""
        names = self._case.tables.vocabulary.names
        self._quiet.update(text for text in texts if not names("Observation", text))
        return self._quiet.issuperset(texts)

    def _learn(self, plain: neutral.Plain) -> tuple[bool, _Scale | None]:
        accept, analytes = self._case.mapping.accept_unknown_status, plain.codes.meaning.analytes
        is_final = not status_problem("Observation", plain.status, accept_unknown=accept)
        scale = self._scale(next(iter(analytes)), plain.unit) if len(analytes) == 1 else None
        self._is_final[plain.status], self._scales[analytes, plain.unit] = is_final, scale
        return is_final, scale

    def _scale(self, analyte: Analyte, unit: neutral.WrittenUnit) -> _Scale | None:
        """Look up what one unit of an analyte means; None where it is no magnitude, or the unit is none of its own."""
        tables = self._case.tables
        role, written = tables.roles[analyte], Number(Decimal(0), "", unit.text, unit.code, unit.system)
        factor = (
            tables.units.factor(written, role.dimension) if role.dimension and analyte != INVERSE else None
        )
        if factor is None:
            return None
        is_magnitude = factor.top == factor.bottom and role.dimension != "fraction"
        lowest, highest = plausible_range(role, tables) if role.plausible else _UNBOUNDED
        return _Scale(
            analyte,
            role,
            None if is_magnitude else factor,
            tables.units.canonical[role.dimension],
            f" {unit.text or unit.code}".rstrip(),
            lowest,
            highest,
        )
