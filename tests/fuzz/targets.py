"""What is fuzzed: each target takes bytes as a server could send them, and calls our own readers as the service does.

Nothing here needs atheris: `feed` is also how an input that was found is read again.
"""

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from cds_service.fhir.bundle import ANY_TYPE, SearchSet, UnreadableError, read_page
from fhir_mapping.checks import judge
from fhir_mapping.checks.judging import Case
from fhir_mapping.checks.limits import limits_of, plausible_range
from fhir_mapping.findings import find
from fhir_mapping.laboratory.answers import says_no_result, says_something
from fhir_mapping.laboratory.antibody import read_answer, why_unanswered
from fhir_mapping.laboratory.bounds import is_raised
from fhir_mapping.laboratory.numbers import as_written, measured, number_of, readings
from fhir_mapping.laboratory.titres import written_titres
from fhir_mapping.record import Entry, Gathered, MappingSettings, Number, Result, Source, Value
from fhir_mapping.terms import Role, load_tables
from fhir_mapping.terms.units import UCUM, spelled
from fhir_mapping.terms.words import LONGEST_TEXT
from fhir_mapping.versions import version
from fhir_mapping.versions.neutral import Range
from fhir_mapping.versions.times import clamped, dates, moment
from tests.support.changes import replace

LONGEST_S = (
    1.0  # of CPU for one input, with the counting of what is reached; honest ones of this length take 0.01 s
)
AS_OF = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
ZONES = (UTC, ZoneInfo("Europe/Zurich"), ZoneInfo("Pacific/Kiritimati"))
TABLES = load_tables()
MAPPING = MappingSettings(TABLES, ZONES[1])
CASE = Case(AS_OF, MAPPING, None, "p1")
NOON = moment("2026-02-01T12:00:00Z", UTC)
ANALYTES = tuple(TABLES.roles[word] for word in ("ck", "lymphocytes", "lvef", "ana", "anti-srp"))
DIMENSIONS = sorted(TABLES.units.dimensions)
# Who is at hand when a resource is read: with her diagnosis all rules ask
AROUND = (
    b'{"resourceType":"Patient","id":"p1","gender":"female","birthDate":"1970-05-17"}',
    (
        b'{"resourceType":"Condition","id":"c0","clinicalStatus":{"coding":[{"system":'
        b'"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]},"code":{"coding":[{"system":'
        b'"http://snomed.info/sct","code":"715863001"}]},"subject":{"reference":"Patient/p1"},'
        b'"onsetDateTime":"2024-11-03"}'
    ),
)


class TooSlowError(Exception):
    """Reading an input took longer than any honest input of its length."""


@dataclass(frozen=True)
class Target:
    """How bytes are read. `declared` errors may come out; `share` is its part of the time, of all shares."""

    read: Callable[[bytes], None]
    share: int
    declared: tuple[type[Exception], ...] = ()
    is_json: bool = False


def feed(target: Target, data: bytes) -> None:
    """Read an input; raises TooSlowError, and whatever comes out that is not declared."""
    begun = time.thread_time()
    with suppress(*target.declared):
        target.read(data)
    if (took := time.thread_time() - begun) > LONGEST_S:
        raise TooSlowError(f"{len(data)} bytes took {took:.1f} s, and may take {LONGEST_S:.0f} s")


def _lines(data: bytes, count: int) -> list[str]:
    """So many lines of text; those that are not there are empty."""
    return [*data.decode("utf-8", "replace").split("\n", count - 1), *[""] * count][:count]


def _laboratory(data: bytes) -> None:
    """First line: the text of a value. Second: that of its reference range. Third: that of its interpretation."""
    tables = TABLES.for_one_record()  # as `judge` does
    case = replace(CASE, mapping=replace(MAPPING, tables=tables), limits={})
    text, limits, interpretation = (line[: LONGEST_TEXT + 1] for line in _lines(data, 3))
    span = Range(None, None, (), False, (), None, None, text=limits)
    says_no_result(text, tables)
    for role in ANALYTES:
        value = Value(text=text)
        found = limits_of((span,), value, role, NOON, case)
        number = number_of(value, tables)
        amount = None
        if number and role.dimension:
            amount, _ = measured(number, role.dimension, tables.units, lambda _: True)
        result = Result(
            "Observation/o1",
            frozenset({role.word}),
            role.word,
            NOON,
            value,
            amount,
            found,
            interpretation_text=interpretation,
        )
        assert read_answer(result, tables) in {"positive", "weak", "negative", None}
        why_unanswered(result, tables)
        says_something(result, tables)
        if amount:
            is_raised(result)
        if number:
            _sound(number, role)
        for titre_code in (True, False):
            for titre in written_titres(value, tables.vocabulary, role.word, titre_code=titre_code):
                assert titre.upto is None or titre.upto > titre.reciprocal >= 0


def _sound(number: Number, role: Role) -> None:
    """A number is one, its ends are in order, and it can be shown and judged."""
    assert number.value.is_finite()
    assert number.upto is None or number.upto > number.value
    assert as_written(number)
    if role.plausible and role.dimension:
        low, high = plausible_range(role, TABLES)
        measured(number, role.dimension, TABLES.units, lambda value: low <= value <= high)


def _units(data: bytes) -> None:
    """First line: a number. Second: the written unit. Third: the coded unit, of UCUM."""
    digits, unit, code = _lines(data, 3)
    if re.fullmatch(r"[0-9][0-9.,' ]{0,60}", digits):
        readings(digits)
    try:
        value = Decimal(digits)
    except InvalidOperation:
        value = Decimal(5)
    for number in (Number(value, "", unit, code, UCUM), Number(value, "<", unit, upto=value)):
        as_written(number)
        for dimension in DIMENSIONS:
            TABLES.units.problem(number, dimension)
            converted = TABLES.units.convert(number, dimension)
            assert converted is None or converted.is_finite()
            measured(number, dimension, TABLES.units, lambda _: True)
    for form in ("text", "ucum"):
        spelled(unit, form)


def _dates(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for zone in ZONES:
        if (when := moment(text, zone)) is not None:
            assert when.first <= when.last
            assert clamped(when, AS_OF).last <= AS_OF
            assert when.day(zone)
            assert when.day_text
    if days := dates(text):
        assert days[0] <= days[1]


def _resource(data: bytes) -> None:
    """A resource in the chart of a patient with IMNM: its neutral reading, what is asked of it, and every rule."""
    gathered = Gathered(
        "p1",
        "https://ehr.example/fhir",
        {
            "record": Source(
                "read", (*map(Entry, AROUND), Entry(data, "https://ehr.example/fhir/Observation/o1"))
            )
        },
        MAPPING,
    )
    reader = version("R4")
    assert len(reader.read(gathered)) == len(AROUND) + 1
    assert reader.work(gathered) >= 0
    reader.unresolved_medications(gathered)
    reader.other_version(gathered)
    find(judge(gathered, AS_OF))


def _page(data: bytes) -> None:
    """A page of a search; what is not UTF-8 is refused where it arrives."""
    data.decode()
    for wanted in ("Observation", ANY_TYPE):
        page = read_page(data, wanted)
        answer = SearchSet()
        answer.add(page)
        answer.close()
        for entry in page.entries:
            assert version("R4").work(Gathered("p1", "", {"record": Source("read", (entry,))}, MAPPING)) >= 0


TARGETS: Mapping[str, Target] = {
    "laboratory": Target(_laboratory, share=4),
    "units": Target(_units, share=1),
    "dates": Target(_dates, share=1),
    "resource": Target(_resource, share=4, is_json=True),
    "page": Target(_page, share=2, declared=(UnreadableError, UnicodeDecodeError), is_json=True),
}


def dictionary() -> list[str]:
    """Words that our tables know: what makes a made-up input one that is read."""
    tables, known = TABLES, set[str]()
    for words in tables.vocabulary.by_role.values():
        known |= words
    known |= {unit.unit for unit in tables.units.rows}
    return sorted(word for word in known if 0 < len(word.encode()) <= 60)
