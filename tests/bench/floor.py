"""The floor: what no implementation in Python avoids, in one loop, written as plainly and as cheaply as it can be.

A hook call is decoded once, into exactly the elements that a rule reads. Then each Observation is asked, by tables that
were compiled beforehand: whose it is (F1), which status and time it has (F3), what its codes are (F4), its value in the
unit of its analyte (F6) and whether that is plausible (F5), its upper limit (F8), and whether its words name what its
codes do not (U3). Medicines, Encounters, reports and Conditions are asked for what the rules ask of them. Nothing is
remembered for a card: no provenance, no versions, no salvage, no rules. Of the product only the tables are used.

Of a chart without the disease the floor is to cut the body into its keys and to decode the three that are read.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from fhir_mapping.terms import Tables
from fhir_mapping.terms.words import fold
from tests.bench.elements import (
    Bundle,
    Condition,
    Cut,
    Observation,
    Patient,
    Whole,
)

PATIENT = "Patient/p1"
FINAL = frozenset({"final", "amended", "corrected", "appended", "unknown"})
ACTIVE = frozenset({"active", "completed", "stopped", "on-hold", "in-progress"})
NOT_UNDERSTOOD = (b"modifierExtension", b"implicitRules", b"\\u")  # F2
_WHOLE = msgspec.json.Decoder(Whole)
_CUT = msgspec.json.Decoder(Cut)
_READ_OF_ALL: Mapping[str, msgspec.json.Decoder[Any]] = {
    "patient": msgspec.json.Decoder(Patient),
    "conditions": msgspec.json.Decoder(Bundle[Condition]),
    "antibodies": msgspec.json.Decoder(Bundle[Observation]),
}

Key = tuple[str | None, str | None]  # system and code, or unit and code of a unit, as they are written


@dataclass(frozen=True, slots=True)
class Analyte:
    """What a code of an Observation stands for, with all that is asked of its value."""

    name: str
    factors: Mapping[Key, Decimal]
    low: Decimal | None
    high: Decimal | None
    limit: Decimal | None


@dataclass(frozen=True, slots=True)
class Compiled:
    """The tables by what is written in a chart."""

    analytes: Mapping[Key, Analyte]
    conditions: Mapping[Key, str]
    ingredients: Mapping[Key, str]
    visits: Mapping[Key, str]
    doses: Mapping[Key, Decimal]
    names: re.Pattern[str]
    latest: datetime


def compiled(tables: Tables, as_of: datetime) -> Compiled:
    """Compile the tables, once."""
    factors: dict[str, dict[Key, Decimal]] = {}
    for row in tables.units.rows:
        factor = row.factor.top / row.factor.bottom
        factors.setdefault(row.dimension, {})[row.unit, row.unit] = factor
    rules = tables.rules

    def analyte(word: str) -> Analyte:
        role = next(role for name, role in tables.roles.items() if name == word)
        low, high = (
            rules.number(f"plausible.{role.plausible}_{end}") if role.plausible else None for end in ("low", "high")
        )  # fmt: skip
        default = f"upper_limit.{word}"
        limit = rules.number(default) if default in rules else None
        return Analyte(word, factors.get(role.dimension, {}), low, high, limit)

    named = {role: tables.vocabulary.by_role[role] for role in ("core", "anti-srp", "anti-hmgcr")}
    words = (re.escape(word.removesuffix("*")) for spelt in named.values() for word in spelt)
    return Compiled(
        _spelled(tables, "observations", analyte),
        _spelled(tables, "conditions", str),
        _spelled(tables, "medications", str),
        _spelled(tables, "visits", str),
        factors["dose"],
        re.compile(rf"\b(?:{'|'.join(words)})"),
        as_of + timedelta(days=1),
    )


def _spelled(tables: Tables, name: Any, meaning: Callable[[str], Any]) -> dict[Key, Any]:
    """Everything by which a code of a table is known, to what its first word means."""
    names: dict[str, list[str]] = {}
    for alias, address in tables.systems.aliases.items():
        names.setdefault(address, [address]).append(alias)
    meanings = {row.words[0]: meaning(row.words[0]) for row in tables.tables[name].codes}
    return {
        (alias, row.code): meanings[row.words[0]]
        for row in tables.tables[name].codes
        for alias in names.get(row.system, [row.system])
    }


def keys_alone(body: bytes) -> list[Any]:
    """The floor of a chart without the disease: the body cut into keys, and those decoded that say so."""
    held = _CUT.decode(body).prefetch
    return [decoder.decode(getattr(held, key)) for key, decoder in _READ_OF_ALL.items()]


def chart(body: bytes, known: Compiled) -> tuple[list[tuple], ...]:
    """The floor of a chart with the disease: results, diagnoses, treatments, visits, reports and doubts."""
    if any(name in body for name in NOT_UNDERSTOOD):
        raise NotImplementedError("F2")
    held = _WHOLE.decode(body).prefetch
    doubts: dict[str, str] = {}
    read: dict[str, bool] = {}
    tests = (
        held.antibodies,
        held.ana,
        held.enzymes,
        held.blood_count,
        held.cardiac_tests,
        held.lung_function,
    )
    results = [one for page in tests for one in _results(page.entry, known, read, doubts)]
    results.sort()
    medicines = (held.medication_requests, held.medication_dispenses, held.medication_administrations)
    treatments = [one for page in medicines for one in _treatments(page.entry, known)]
    return (
        results,
        _diagnoses(held.conditions.entry, known, read, doubts),
        treatments + _listed(held.medication_statements.entry, known),
        _visits(held.encounters.entry, known),
        _reports(held.reports.entry, known),
        sorted(doubts.items()),
    )


def _results(entries: list, known: Compiled, read: dict[str, bool], doubts: dict[str, str]) -> list[tuple]:
    analytes, latest, results = known.analytes, known.latest, []
    for entry in entries:
        one = entry.resource
        if one.subject.reference != PATIENT or one.status not in FINAL:
            continue
        when = datetime.fromisoformat(one.effective_date_time)
        if when > latest:
            continue
        concept, analyte = one.code, None
        for coding in concept.coding:
            if (found := analytes.get((coding.system, coding.code))) is not None:
                if analyte is not None and found is not analyte:
                    doubts[one.id] = "conflicting codes"
                analyte = found
            if coding.display is not None and _names(coding.display, read, known):
                doubts[one.id] = "named, not coded"
        if concept.text is not None and _names(concept.text, read, known):
            doubts[one.id] = "named, not coded"
        if analyte is None:
            continue
        value, limit = one.value_string, None
        quantity = one.value_quantity
        if quantity is not None:
            factor = analyte.factors.get((quantity.unit, quantity.code))
            if factor is None:
                doubts[one.id] = "unknown unit"
                continue
            value = quantity.value * factor
            if analyte.low is not None and not analyte.low <= value <= analyte.high:
                doubts[one.id] = "implausible"
                continue
            limit = _limit(one.reference_range, analyte, factor)
        results.append((analyte.name, when, one.id, value, quantity and quantity.comparator, limit))
    return results


def _names(text: str, read: dict[str, bool], known: Compiled) -> bool:
    """Whether a text names the disease or an antibody; each text of a chart is looked at once."""
    named = read.get(text)
    if named is None:
        named = read[text] = known.names.search(fold(text)) is not None
    return named


def _limit(ranges: list | None, analyte: Analyte, factor: Decimal) -> Decimal | None:
    limit = analyte.limit
    for part in ranges or ():
        if part.high is not None:
            limit = part.high.value * analyte.factors.get((part.high.unit, part.high.code), factor)
    return limit


def _diagnoses(entries: list, known: Compiled, read: dict[str, bool], doubts: dict[str, str]) -> list[tuple]:
    diagnoses = []
    for entry in entries:
        one = entry.resource
        if one.subject.reference != PATIENT:
            continue
        role = None
        for coding in one.code.coding:
            role = known.conditions.get((coding.system, coding.code)) or role
            if coding.display is not None and _names(coding.display, read, known):
                doubts[one.id] = "named, not coded"
        if one.code.text is not None and _names(one.code.text, read, known):
            doubts[one.id] = "named, not coded"
        if role is None:
            continue
        began = one.onset_date_time or one.recorded_date
        clinical = one.clinical_status and one.clinical_status.coding[0].code
        verified = one.verification_status and one.verification_status.coding[0].code
        diagnoses.append((role, datetime.fromisoformat(began), clinical, verified, one.id))
    return diagnoses


def _ingredient(concept: Any, known: Compiled) -> str | None:
    for coding in concept.coding:
        if found := known.ingredients.get((coding.system, coding.code)):
            return found
    return None


def _dose(dosages: list | None, known: Compiled) -> tuple | None:
    for dosage in dosages or ():
        if dosage.dose_and_rate:
            dose, repeat = dosage.dose_and_rate[0].dose_quantity, dosage.timing.repeat
            factor = known.doses.get((dose.unit, dose.code))
            return factor and dose.value * factor, repeat.frequency, repeat.period, repeat.period_unit
    return None


def _treatments(entries: list, known: Compiled) -> list[tuple]:
    treatments = []
    for entry in entries:
        one = entry.resource
        if one.subject.reference != PATIENT or one.status not in ACTIVE or one.intent not in {"order", None}:
            continue
        if (ingredient := _ingredient(one.medication_codeable_concept, known)) is None:
            continue
        written = one.authored_on or one.when_handed_over or one.effective_date_time
        asked = one.dispense_request and one.dispense_request.expected_supply_duration
        supply = asked or one.days_supply
        began = datetime.fromisoformat(written)
        if began > known.latest:
            continue
        dose = _dose(one.dosage_instruction, known)
        treatments.append((ingredient, began, supply and supply.value, dose, one.status, one.id))
    return treatments


def _listed(entries: list, known: Compiled) -> list[tuple]:
    treatments = []
    for entry in entries:
        one = entry.resource
        if one.subject.reference != PATIENT or one.status not in ACTIVE:
            continue
        if (ingredient := _ingredient(one.medication_codeable_concept, known)) is None:
            continue
        began, ended = map(datetime.fromisoformat, (one.effective_period.start, one.effective_period.end))
        if began <= known.latest:
            treatments.append((ingredient, began, ended, _dose(one.dosage, known), one.status, one.id))
    return treatments


def _visits(entries: list, known: Compiled) -> list[tuple]:
    visits = []
    for entry in entries:
        one = entry.resource
        if one.subject.reference != PATIENT or one.status != "finished":
            continue
        began, ended = map(datetime.fromisoformat, (one.period.start, one.period.end))
        if ended > known.latest:
            continue
        kinds = [known.visits.get((one.class_.system, one.class_.code))]
        kinds += [known.visits.get((part.system, part.code)) for kind in one.type for part in kind.coding]
        visits.append((ended, began, kinds, one.id))
    return visits


def _reports(entries: list, known: Compiled) -> list[tuple]:
    reports = []
    for entry in entries:
        one = entry.resource
        if one.subject.reference != PATIENT or one.status not in FINAL:
            continue
        when = datetime.fromisoformat(one.effective_date_time)
        kinds = [known.analytes.get((part.system, part.code)) for part in one.code.coding]
        if when <= known.latest:
            reports.append((when, kinds, [listed.reference for listed in one.result], one.id))
    return reports
