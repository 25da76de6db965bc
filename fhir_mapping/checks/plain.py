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
from fhir_mapping.terms import Meaning
from fhir_mapping.terms.roles import Analyte
from fhir_mapping.terms.units import UnitFactor
from fhir_mapping.versions import neutral

_NONE = frozenset[str]()
_UNBOUNDED = Decimal("-Infinity"), Decimal("Infinity")


class _Alike(Struct, frozen=True, gc=False, eq=False):
    """What is alike in results of one meaning, unit and status, with the same flags and ranges beside them."""

    meaning: Meaning
    analyte: Analyte
    dimension: str
    factor: UnitFactor | None  # None: the value is the magnitude
    canonical: str
    behind: str  # the digits, as the laboratory writes it
    lowest: Decimal
    highest: Decimal
    limits: ReferenceLimits


class PlainJudge:
    """Judges the plain Observations of one record; what several of them share is found once."""

    def __init__(self, case: Case) -> None:
        self._case, self._own = case, f"Patient/{case.patient_id}"
        self._quiet: set[str] = set()  # texts that name nothing
        self._alike: dict[tuple[Meaning, neutral.WrittenUnit, neutral.Beside, str], _Alike | None] = {}

    def results(self, plain: Iterable[neutral.Plain]) -> tuple[list[Result], list[neutral.Plain]]:
        """Give the results, and those that are to be judged as any other."""
        own, quiet, result_of = self._own, self._quiet, self._result
        names = self._case.tables.vocabulary.names
        results: list[Result] = []
        left: list[neutral.Plain] = []
        for observation in plain:
            codes, is_plain = observation.codes, observation.subject == own
            if is_plain and not quiet.issuperset(codes.texts):
                # None of the words beside the codes may name anything (U3)
                quiet.update(text for text in codes.texts if not names("Observation", text))
                is_plain = quiet.issuperset(codes.texts)
            if not is_plain:
                left.append(observation)
            elif codes.meaning.words:
                if (result := result_of(observation)) is None:
                    left.append(observation)
                else:
                    results.append(result)
        return results, left

    def _result(self, plain: neutral.Plain) -> Result | None:
        unit, beside, when, case = plain.unit, plain.beside, plain.when, self._case
        shared = plain.codes.meaning, unit, beside, plain.status
        try:
            alike = self._alike[shared]
        except KeyError:
            alike = self._alike[shared] = self._learn(plain)
        if alike is None or when.last > case.as_of:
            return None
        value = magnitude = Decimal(plain.number)
        if alike.factor:
            magnitude = case.tables.units.times(value, alike.factor, alike.dimension) or value
        is_understood = plain.entry.unchanged or not not_understood(plain)
        if not (is_understood and alike.lowest <= magnitude <= alike.highest):
            return None
        name, specimen = plain.name, plain.specimen
        return Result(
            name,
            alike.meaning.words,
            alike.analyte,
            when,
            Value(Number(value, "", unit.text, unit.code, unit.system)),
            Amount(magnitude, alike.canonical, "", plain.number + alike.behind),
            alike.limits,
            beside.interpretation,
            (),
            (),
            f"{name}{specimen}" if specimen.startswith("#") else specimen,
            case.reports.get(name, _NONE),
            beside.interpretation_text,
            alike.meaning.codings,
        )

    def _learn(self, plain: neutral.Plain) -> _Alike | None:
        """Learn what is alike; None where it takes more than a glance."""
        case, analytes, unit = self._case, plain.codes.meaning.analytes, plain.unit
        accept = case.mapping.accept_unknown_status
        if len(analytes) != 1 or status_problem("Observation", plain.status, accept_unknown=accept):
            return None
        (analyte,), tables = analytes, case.tables
        role, written = tables.roles[analyte], Number(Decimal(0), "", unit.text, unit.code, unit.system)
        is_scaled = role.dimension and analyte != INVERSE
        factor = tables.units.factor(written, role.dimension) if is_scaled else None
        limits = limits_of(plain.beside.ranges, Value(written), role, plain.when, case)
        if factor is None or (limits.highs and analyte in OWN_LIMIT_ALONE):
            return None
        is_magnitude = factor.top == factor.bottom and role.dimension != "fraction"
        return _Alike(
            plain.codes.meaning,
            analyte,
            role.dimension,
            None if is_magnitude else factor,
            tables.units.canonical[role.dimension],
            f" {unit.text or unit.code}".rstrip(),
            *(plausible_range(role, tables) if role.plausible else _UNBOUNDED),
            limits,
        )
