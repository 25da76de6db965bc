"""What is looked up once: the answers are those of a first look, and nothing of a chart but units and codes stays."""

import json
import re
import unicodedata
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as replace_struct

from fhir_mapping.laboratory.antibody import read_answer
from fhir_mapping.laboratory.numbers import as_written
from fhir_mapping.laboratory.phrases import plain
from fhir_mapping.record import Coding, Number, Value
from fhir_mapping.terms import load_tables, words
from fhir_mapping.terms.memory import LONGEST_KEPT, MOST_KEPT, Memory
from fhir_mapping.terms.units import UCUM
from fhir_mapping.terms.words import DASH, fold
from fhir_mapping.versions import times
from fhir_mapping.versions.times import moment
from tests.support.facts import result

TABLES = load_tables()
ROWS = TABLES.units.rows


def test_a_memory_that_is_full_begins_anew():
    memory = Memory()
    for number in range(MOST_KEPT):
        memory.keep(("U/L", str(number)), number)
    assert len(memory) == MOST_KEPT
    assert memory.keep(("U/L", "more"), -1) == -1
    assert memory == {("U/L", "more"): -1}


def test_what_is_too_long_for_a_unit_or_code_is_not_kept():
    memory = Memory()
    assert memory.keep(("x" * LONGEST_KEPT, "y"), 1) == 1
    assert memory == {}
    memory.keep(("x" * LONGEST_KEPT, ""), 1)
    assert memory


spellings = st.sampled_from(["", *(row.unit for row in ROWS), "foo", "U/L\u00b9", "\u00b5kat/L", " u / l. "])


@given(
    unit=spellings | st.text(max_size=6),
    code=spellings,
    system=st.sampled_from([UCUM, "", "urn:local"]),
    dimension=st.sampled_from(sorted(TABLES.units.dimensions)),
    value=st.decimals(allow_nan=False, allow_infinity=False),
)
def test_a_unit_means_at_every_look_what_it_meant_at_the_first(unit, code, system, dimension, value):
    number = Number(value, unit=unit, unit_code=code, unit_system=system)
    fresh = replace(TABLES.units)  # with a memory of its own
    first = (fresh.factor(number, dimension), str(fresh.convert(number, dimension)))
    for units in (fresh, TABLES.units):
        assert (units.factor(number, dimension), str(units.convert(number, dimension))) == first


@pytest.mark.parametrize("table", sorted(TABLES.tables))
def test_a_code_has_at_every_look_the_rows_of_the_first(table):
    rows = TABLES.tables[table]
    for row in rows.codes:
        written = (row.system, row.code.replace("*", "1"))
        system, code = TABLES.systems.normal(*written)
        first = tuple(found for member in TABLES.systems.family(system) for found in rows.match(member, code))
        assert first
        for _ in range(2):
            assert rows.rows_of(*written) == first


def test_a_record_remembers_for_itself():
    codings = (Coding("http://loinc.org", "2157-6"),)
    own = TABLES.for_one_record()
    assert own.words("observations", codings) == own.words("observations", codings) == {"ck"}
    assert list(own.read) == [("observations", codings)]
    own.vocabulary.names("Observation", "anti-SRP")
    assert list(own.vocabulary.read) == [("Observation", "anti-SRP")]
    assert TABLES.read is TABLES.vocabulary.read is TABLES.vocabulary.folded is None
    assert TABLES.for_one_record().read == {}


def test_no_text_of_a_chart_outlives_its_record(record, observation, condition, tables):
    """Units that mean nothing are texts like any other."""
    named = {"coding": [{"system": "http://loinc.org", "code": "2157-6", "display": "Doe"}], "text": "Doe"}
    record(
        observation(code=named),
        observation("o2", value=5, unit="Doe"),
        observation("o3", value=None, valueString="5 Doe"),
        observation("o4", code="5048-4", value=None, valueString="negative, says Doe"),
        condition(note=[{"text": "Doe"}]) | {"code": {"text": "IMNM of Doe"}},
    )
    kept = [tables.units._known, tables.systems._known, *(one._known for one in tables.tables.values())]
    assert all(kept[:2])
    assert "Doe" not in repr(kept)
    assert tables.read is tables.vocabulary.read is tables.vocabulary.folded is None


def test_equal_limits_keep_the_digits_that_each_is_written_with(record, patient, observation):
    """Found once for the same ranges beside the same unit; all that they follow from is part of "the same"."""
    written = ["200", "200.0", "2E+2", "200", "-0", "0"]
    ranges = [{"high": {"value": number, "unit": unit}} for number in written for unit in ("U/L", "ukat/L")]
    results = [
        observation(f"o{day}", effectiveDateTime=f"2026-01-{day}", referenceRange=[part])
        for day, part in enumerate(ranges, start=10)
    ]
    raw = [re.sub(rb'"value": "(.*?)"', rb'"value": \1', json.dumps(one).encode()) for one in results]
    whole = {one.resource: repr(one.limits) for one in record(patient(), *raw).results}
    alone = {one.resource: repr(one.limits) for each in raw for one in record(patient(), each).results}
    assert whole == alone
    assert len(set(whole.values())) == 7  # of 0 and -0 there is none: ours


def test_an_age_is_that_of_the_day_of_each_result(record, patient, observation):
    age = {"high": {"value": 55, "system": UCUM, "code": "a"}}
    ranges = [{"high": {"value": 300}, "age": age}, {"high": {"value": 250}}]
    days = ("2026-01-01", "2025-01-01")  # at 55 and at 54 years, born on 1 May 1970
    found = record(
        patient(birthDate="1969-05-01"),
        *(observation(f"o{n}", effectiveDateTime=day, referenceRange=ranges) for n, day in enumerate(days)),
    )
    assert {one.id: one.limits.high for one in found.results} == {"o0": 250, "o1": 300}


def slowly(text):
    return " ".join(re.sub(DASH, " ", unicodedata.normalize("NFKC", text).casefold()).split())


@given(st.text(st.characters(max_codepoint=0x7F)) | st.text())
def test_a_text_in_ascii_is_folded_as_any_other(text):
    assert fold(text) == slowly(text)
    if text.isascii():
        assert plain(text) == plain("\u00e9" + text).removeprefix("\u00e9").strip()


@given(st.text(st.sampled_from("aB3_-+,; and.\t\x0b\x1c\x85/\u00e4\u65e5")) | st.text())
def test_a_phrase_in_ascii_has_the_words_of_any_other_and_most_texts_are_one_phrase(text):
    assert words.words_of(text) == words._WORD.findall(text)
    assert words.phrases_of(text) == words._SEPARATOR.split(text)


@given(st.decimals() | st.decimals(-1000, 100000, places=2))
def test_a_short_number_is_written_as_any_other(value):
    text = as_written(Number(value))
    if value.is_finite() and abs(value.adjusted()) <= 20 and len(value.as_tuple().digits) <= 20:
        assert text == f"{value:f}"


ZONES = st.sampled_from(
    [UTC, ZoneInfo("America/New_York"), timezone(timedelta(hours=14)), ZoneInfo("Asia/Kathmandu")]
)
DIGITS = st.sampled_from(
    ["00", "01", "02", "12", "13", "23", "24", "28", "29", "30", "31", "32", "59", "60", "99"]
)
YEARS = st.sampled_from(["0000", "0001", "1999", "2024", "2026", "9999"])
FRACTIONS = st.sampled_from(["", ".1", ".123", ".000", ".123456", ".1234567", ",123"])
OFFSETS = st.sampled_from(
    ["", "Z", "z", "+00:00", "-00:00", "+14:00", "-14:59", "+15:00", "+23:59", "+05:75", "+0530", "-05", "+24:00"]
)  # fmt: skip
WRITTEN = st.builds(
    "{}-{}-{}{}{}:{}:{}{}{}".format,
    *(YEARS, DIGITS, DIGITS, st.sampled_from("T t"), DIGITS, DIGITS, DIGITS, FRACTIONS, OFFSETS),
)


@given(
    WRITTEN | st.datetimes().map(str) | st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()),
    ZONES,
)
def test_a_usual_time_means_what_it_means_to_the_slow_reading(text, zone):
    assert moment(text, zone) == times._any_moment(text, zone)


def test_what_a_value_answers_is_read_once_a_record_and_anew_without_one():
    read = []

    def answer():
        read.append("read")
        return len(read)

    record = TABLES.for_one_record().vocabulary
    assert [
        record.once("a value", answer),
        record.once("a value", answer),
        record.once("another", answer),
    ] == [1, 1, 2]
    assert [TABLES.vocabulary.once("a value", answer), TABLES.vocabulary.once("a value", answer)] == [3, 4]


@pytest.mark.parametrize("analyte", ["anti-srp", "anti-hmgcr"])
def test_an_antibody_answers_at_every_look_what_it_answered_at_the_first(analyte):
    tables = TABLES.for_one_record()
    told = ("Positive", "negative", "weak", "1:640", "<1:80", "Positive (ref: negative)", "")
    for text in (*told, *told):
        for high in (None, 20):
            one = replace_struct(result(analyte, None, 9, high=high), value=Value(text=text))
            assert read_answer(one, tables) == read_answer(one, TABLES)
