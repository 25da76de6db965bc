"""A hospital's own table: every writing of the same patients gives the same cohort; what has two readings is refused."""

import io
import itertools
import random
import zipfile
from datetime import date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.commands.cohort import load_cohort
from fhir_mapping.record import MappingSettings
from models.training.cohort import table as tables
from models.training.cohort.column_map import ColumnMap, MappedColumn, read_map
from models.training.cohort.forms.file_form import FileForm
from models.training.cohort.forms.written_dates import iso_dates
from models.training.cohort.forms.written_numbers import decimal_signs, with_decimal_point
from models.training.cohort.problems import showable
from models.training.cohort.same_patients import coincidence
from models.training.cohort.schema import CohortRow, presence
from models.training.cohort.words import words_by_meaning
from models.training.errors import TrainingError
from tests.spec.run import packaged_tables
from tests.statistics.bad_cohorts import (
    SECRET,
    TIME_ZERO,
    as_csv,
    changed,
    dated,
    good_rows,
    text,
    with_columns,
)
from tests.statistics.excel import ErrorCell, workbook


def read(content, tmp_path, name="cohort.csv", **options):
    asked = {"time_zero": TIME_ZERO, "mapping": MappingSettings(packaged_tables())} | options
    return load_cohort(text(content, name)(tmp_path), **asked)


def refusal(content, tmp_path, **options) -> str:
    with pytest.raises(TrainingError) as refused:
        read(content, tmp_path, **options)
    return str(refused.value)


def excel(rows) -> list[list[str]]:
    return [list(rows[0]), *(list(row.values()) for row in rows)]


def typed(rows):
    """Rows with numbers as Excel holds them."""
    header, *others = excel(rows)
    return [header, *([cells[0], *map(float, cells[1:])] for cells in others)]


def far_cell(place: str) -> bytes:
    """A workbook with one cell far away from the others."""
    row = place.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    far = f'</row><row r="{row}"><c r="{place}"><v>1</v></c></row></sheetData>'
    return changed_sheet(workbook({"S": typed(good_rows())}), "</row></sheetData>", far)


def changed_sheet(book: bytes, old: str, new: str) -> bytes:
    """A workbook with another text in its first sheet."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(book)) as before,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for name in before.namelist():
            content = before.read(name).decode()
            after.writestr(name, content.replace(old, new, 1) if name.endswith("sheet1.xml") else content)
    return out.getvalue()


FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y")
GOOD = good_rows()
GERMAN = as_csv([row | {"time_years": row["time_years"].replace(".", ",")} for row in GOOD], delimiter=";")


# The file


@pytest.mark.parametrize(
    "data",
    [
        as_csv(GOOD, delimiter=";").encode(),
        as_csv(GOOD, delimiter="\t").encode(),
        as_csv(GOOD, delimiter="|").encode(),
        GERMAN.encode("utf-8-sig"),
        GERMAN.encode("utf-16"),
        b"\xfe\xff" + GERMAN.encode("utf-16-be"),
        GERMAN.replace("\n", ";;;\n").encode(),
        GERMAN.replace("\n", "\n;;;;;;\n").encode(),
        GERMAN.replace("time_years", " Time_Years ").encode(),
        workbook({"Daten": excel(GOOD)}),
        workbook({"Daten": typed(GOOD)}),
        workbook({"leer": [], "Daten": [[], [], *typed(GOOD), [], []]}),
    ],
    ids=itertools.count(),
)
def test_every_form_of_a_file_holds_the_same_patients(data, tmp_path):
    found, plain = read(data, tmp_path), read(GOOD, tmp_path, "plain.csv")
    assert found.ids == plain.ids
    assert found.time.tolist() == plain.time.tolist()
    assert found.patients_sha256 == plain.patients_sha256


def test_windows_1252_is_read_where_the_file_is_no_utf_8(tmp_path):
    rows = with_columns(Größe=lambda n: "müde" if n % 2 else "ausgeruht")
    found = read(as_csv(rows).encode("windows-1252"), tmp_path, candidates=["Größe"])
    assert list(found.candidates) == ["Größe = müde"]
    assert "utf-8 or windows-1252" in refusal(as_csv(rows).encode() + b"\x81\xff", tmp_path)


def test_another_encoding_and_separator_are_named_in_the_map(tmp_path):
    rows = with_columns(Größe=lambda n: "müde" if n % 2 else "ausgeruht")
    form = FileForm(separator="|", encoding="mac-roman")
    data = as_csv(rows, delimiter="|").encode("mac-roman")
    found = read(data, tmp_path, candidates=["Größe"], column_map=ColumnMap(form))
    assert list(found.candidates) == ["Größe = müde"]


def test_a_header_that_parts_equally_in_two_ways_is_asked_about(tmp_path):
    assert "semicolons or tabs" in refusal("id;a\tb;c\td\n", tmp_path)


def test_the_capitals_of_a_column_are_kept(tmp_path):
    rows = with_columns(
        **{"LVEF  (%)": lambda n: "55.5", "Größe": lambda n: "170", "Unread Column": lambda n: "x"}
    )
    found = read(rows, tmp_path, candidates=["lvef (%)", "GRÖSSE", "größe"][::2])
    assert list(found.candidates) == ["LVEF (%)", "Größe"]
    assert found.unused == ("Unread Column",)


# Excel


def test_dates_of_excel_are_days_whatever_their_time(tmp_path):
    rows = [{k: v for k, v in row.items() if k != "time_years"} for row in GOOD]
    header, *others = excel(rows)
    begin, end = date(2020, 1, 1), datetime(2021, 1, 1, 14, 30)  # noqa: DTZ001 - Excel knows no time zones
    book = workbook({"S": [[*header, "time_zero", "end_date"], *([*cells, begin, end] for cells in others)]})
    assert set(read(book, tmp_path).time) == {366 / 365.25}


def test_a_number_of_excel_with_three_decimals_is_not_read_as_thousands(tmp_path):
    header, *others = typed(GOOD)
    book = workbook({"S": [header, *([cells[0], 1.125, *cells[2:]] for cells in others)]})
    assert set(read(book, tmp_path).time) == {1.125}


def test_an_error_of_excel_is_no_missing_value_but_not_available_is(tmp_path):
    header, *others = typed(GOOD)
    others[3][3], others[4][3] = ErrorCell(), ErrorCell("#N/A")
    said = refusal(workbook({"leer": [], "S": [header, *others]}), tmp_path)
    assert "row 5, column cardiac" in said
    others[3][3] = 0.0
    found = read(workbook({"leer": [], "S": [header, *others]}), tmp_path)
    assert np.isnan(found.predictors["cardiac_involvement"]).tolist() == [n == 4 for n in range(60)]


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ('<c r="D5" t="e"><v>#REF!</v></c>', "row 5, column cardiac"),
        ('<c r="D5" s="1" t="e"><f t="shared" si="0"/><v>#REF!</v></c>', "row 5, column cardiac"),
        ('<c t="e"><v>#REF!</v></c>', "a cell holds the error #REF!, and the file does not say which one"),
    ],
)
def test_an_error_is_found_however_the_file_writes_it(cell, says, tmp_path):
    book = changed_sheet(workbook({"S": typed(GOOD)}), '<c r="D5"><v>1.0</v></c>', cell)
    assert says in refusal(book, tmp_path)


@pytest.mark.parametrize(
    "cell",
    [
        '<c r="D5"><f>IF(A5&gt;0,1,0)</f></c>',
        '<c r="D5"><f>IF(A5&gt;0,1,0)</f><v></v></c>',
        '<c r="D5" s="1"><f t="shared" si="0"/><v/></c>',
    ],
)
def test_a_formula_that_nobody_has_computed_is_no_missing_value(cell, tmp_path):
    book = changed_sheet(workbook({"S": typed(GOOD)}), '<c r="D5"><v>1.0</v></c>', cell)
    assert "row 5, column cardiac: not one of 0/1" in refusal(book, tmp_path)


@pytest.mark.parametrize(("cell", "known"), [("<v>1</v>", True), ("<v></v>", False)])
def test_the_value_of_a_formula_is_read_and_an_empty_text_is_one(cell, known, tmp_path):
    computed = f'<c r="D5" t="str"><f>IF(A5&gt;0,1,"")</f>{cell}</c>'
    book = changed_sheet(workbook({"S": typed(GOOD)}), '<c r="D5"><v>1.0</v></c>', computed)
    assert np.isfinite(read(book, tmp_path).predictors["cardiac_involvement"][3]) == known


def test_an_error_of_excel_is_no_name_of_a_centre_and_no_word_of_a_candidate(tmp_path):
    header, *others = typed(GOOD)
    rows = [[*cells, ErrorCell() if n % 2 else "Jena"] for n, cells in enumerate(others)]
    for name, options in (("centre", {}), ("ward", {"groups": ["ward"]}), ("unit", {"candidates": ["unit"]})):
        said = refusal(workbook({"S": [[*header, name], *rows]}), tmp_path, **options)
        assert f"column {name}: not " in said
        assert "there stands #DIV/0!" in said


def test_cells_of_patients_that_are_merged_are_no_missing_values(tmp_path):
    header, *others = typed(GOOD)
    others[3][3] = None
    merged = workbook({"S": [header, *others]}, merged="D4:D5")
    assert "cells of row 4 are merged: all but one of them would be empty" in refusal(merged, tmp_path)
    others[2][3] = None
    assert len(read(workbook({"S": [header, *others]}, merged="D4:D5"), tmp_path)) == len(GOOD)


def test_of_several_sheets_one_is_named(tmp_path):
    book = workbook({"Legende": [["what"]], "Daten & mehr": typed(GOOD)})
    assert "2 sheets: Legende, Daten & mehr; name one as `sheet`" in refusal(book, tmp_path)
    assert len(read(book, tmp_path, column_map=ColumnMap(FileForm(sheet="Daten & mehr")))) == 60
    said = refusal(book, tmp_path, column_map=ColumnMap(FileForm(sheet="Data")))
    assert "no sheet Data; there are: Legende, Daten & mehr" in said


@pytest.mark.parametrize(
    ("book", "says"),
    [
        (workbook({"S": typed(GOOD)}, merged="A1:B1"), r"header \(row 1\) are merged"),
        (workbook({"S": []}), "the sheet is empty"),
        (workbook({"S": [["id"], *([n] for n in range(21_000))]}), "reaches over 21001 rows"),
        (far_cell("XFD1048576"), "1048576 rows and 16384 columns"),
        (workbook({"S": [[f"c{n}" for n in range(501)]]}), "501 columns"),
        (workbook({"S": typed(GOOD)})[:-200], "no Excel workbook"),
        (b"PK\x03\x04" + bytes(500), "no Excel workbook"),
        (b"\xd0\xcf\x11\xe0" + bytes(500), "an old Excel workbook"),
    ],
    ids=itertools.count(),
)
def test_a_workbook_that_cannot_be_read_is_one_sentence(book, says, tmp_path):
    with pytest.raises(TrainingError, match=says) as refused:
        read(book, tmp_path)
    assert len(str(refused.value)) < 300


def test_a_workbook_that_unpacks_to_too_much_is_not_read(tmp_path, monkeypatch):
    from models.training.cohort.forms import workbook as reader

    book = workbook({"S": [["id"], ["x" * 200_000]]})
    monkeypatch.setattr(reader, "MAX_BYTES", 100_000)
    assert len(book) < 100_000
    assert "unpacked it is larger" in refusal(book, tmp_path)


@pytest.mark.parametrize("seed", range(6))
def test_bytes_of_a_workbook_changed_at_random_give_a_cohort_or_one_sentence(seed, tmp_path):
    chance, data = random.Random(seed), bytearray(workbook({"S": typed(GOOD)}))
    for _ in range(chance.randint(1, 12)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    path = text(bytes(data))(tmp_path)
    try:
        assert len(load_cohort(path, time_zero=TIME_ZERO))
    except TrainingError as error:
        assert "\n" not in str(error)  # noqa: PT017


# Numbers


@pytest.mark.parametrize(
    ("written", "sign", "number"),
    [
        ("0,75", "", "0.75"),
        ("0.75", "", "0.75"),
        ("1.280", "", None),
        ("1,280", "", None),
        ("1.280", ",", "1280"),
        ("1.280", ".", "1.280"),
        ("1,280", ",", "1.280"),
        ("1,280", ".", "1280"),
        ("0.280", ",", "0.280"),  # nobody writes 280 so
        ("1.280,5", "", "1280.5"),
        ("1,280.5", "", "1280.5"),
        ("1.280.000", "", "1280000"),
        ("1 280", "", "1280"),
        ("1\u202f280,5", ",", "1280.5"),
        ("1'280.5", ".", "1280.5"),
        ("-12,5", "", "-12.5"),
        ("1.5e-3", "", "1.5e-3"),
        ("12", ",", "12"),
        ("two", ",", "two"),
        ("1.2.3", ",", "1.2.3"),
        ("31.12.2020", ",", "31.12.2020"),
        ("", ",", ""),
    ],
)
def test_a_number_is_read_by_its_sign_before_decimals(written, sign, number):
    read_as = with_decimal_point(written, sign)
    if written == "0.280":
        assert decimal_signs([written]) == {"."}
        assert with_decimal_point(written, "") == number
    else:
        assert read_as == number


@pytest.mark.parametrize(("other", "number"), [("0,5", 1280.0), ("0.5", 1.28)])
def test_other_columns_of_the_file_say_which_sign_stands_before_decimals(other, number, tmp_path):
    rows = with_columns(
        ck=lambda n: "1.280", drr=lambda n: other, drr_high=lambda n: "0", time_years=lambda n: str(n % 4 + 1)
    )
    assert set(read(as_csv(rows, delimiter=";"), tmp_path, candidates=["ck"]).candidates["ck"]) == {number}


def test_a_column_of_numbers_with_two_readings_is_refused_unless_the_map_decides(tmp_path):
    rows = [row | {"time_years": str(n % 4 + 1), "ck": "1.280"} for n, row in enumerate(GOOD)]
    assert set(read(rows, tmp_path, candidates=["ck"]).candidates["ck"]) == {1.28}  # commas part its cells
    rows = as_csv(rows, delimiter=";")
    said = refusal(rows, tmp_path, candidates=["ck"])
    assert "60 lines (2, 3, 4, 5, 6, …), column ck: as 1.280 it may be 1.28 or 1280" in said
    decided = ColumnMap(FileForm(decimal=","))
    assert set(read(rows, tmp_path, candidates=["ck"], column_map=decided).candidates["ck"]) == {1280.0}


@given(
    st.lists(st.floats(-1e7, 1e7).map(lambda value: round(value, 2)), min_size=1, max_size=20),
    st.sampled_from([(".", ","), (",", "."), ("\u202f", ","), ("'", "."), ("", ","), ("", ".")]),
    st.integers(0, 2),
)
def test_a_column_of_numbers_is_read_as_it_was_written_or_asked_about(values, signs, decimals):
    thousands, point = signs
    plain = [f"{value:,.{decimals}f}" for value in values]
    written = [text.replace(",", "#").replace(".", point).replace("#", thousands) for text in plain]
    found = decimal_signs(written)
    sign = next(iter(found)) if len(found) == 1 else ""
    for cell, said in zip(written, plain, strict=True):
        number = with_decimal_point(cell, sign)
        assert number is None or float(number) == float(said.replace(",", ""))
    assert not (decimals == 2 and None in [with_decimal_point(cell, sign) for cell in written])


# Dates


@given(
    st.lists(st.dates(date(1900, 1, 1), date(2100, 1, 1)), min_size=1, max_size=20), st.sampled_from(FORMATS)
)
def test_a_column_of_dates_is_read_as_it_was_written_or_asked_about(days, form):
    found = iso_dates([day.strftime(form) for day in days])
    assert all(iso in {None, day.isoformat()} for iso, day in zip(found, days, strict=True))
    if any(day.day > 12 for day in days) or form in {"%Y-%m-%d", "%d.%m.%Y"}:
        assert None not in found


@pytest.mark.parametrize(
    ("cells", "form", "dates"),
    [
        (["2020-03-31", "31.03.2020", "1.4.2020", "2020/04/01"], "", ["2020-03-31"] * 2 + ["2020-04-01"] * 2),
        (["03/04/2020", "13/04/2020"], "", ["2020-04-03", "2020-04-13"]),
        (["03/04/2020", "04/13/2020"], "", ["2020-03-04", "2020-04-13"]),
        (["03/04/2020", "04/05/2020"], "", [None, None]),
        (["13/04/2020", "04/13/2020"], "", [None, None]),
        (["03/04/2020"], "dd/mm/yyyy", ["2020-04-03"]),
        (["03/04/2020"], "mm/dd/yyyy", ["2020-03-04"]),
        (["03-04-2020"], "dd-mm-yyyy", ["2020-04-03"]),
        (["03.04.2020"], "dd/mm/yyyy", ["03.04.2020"]),
        (["31.03.2020 00:00", "2020-03-31T14:05:00"], "", ["2020-03-31"] * 2),
        (
            ["31.02.2020", "31.03.20", "20200331", "43921", ""],
            "",
            ["31.02.2020", "31.03.20", "20200331", "43921", ""],
        ),
    ],
)
def test_a_column_of_dates_is_read_as_a_whole(cells, form, dates):
    assert list(iso_dates(cells, form)) == dates


def test_dates_that_may_be_two_are_refused_and_the_column_is_named(tmp_path):
    rows = dated(end_date=lambda n: f"0{n % 9 + 1}/05/2022")
    said = refusal(rows, tmp_path)
    assert "column end_date: day and month cannot be told apart" in said
    assert "2022" not in said
    form = ColumnMap(columns={"end_date": MappedColumn("end_date", date_format="dd/mm/yyyy")})
    assert read(rows, tmp_path, column_map=form).time[0] == pytest.approx(
        (date(2022, 5, 1) - date(2020, 1, 1)).days / 365.25
    )


# Words


@pytest.mark.parametrize(("meaning", "state"), [("present", True), ("absent", False), ("missing", None)])
def test_every_word_of_the_table_says_what_it_means(meaning, state):
    for word in words_by_meaning()[meaning]:
        for written in (word, word.upper(), f" {word} "):
            row = CohortRow.model_validate({"id": "a", "high_ana": written})
            assert row.high_ana is state, word


def test_no_word_has_two_meanings_where_it_is_read():
    words = words_by_meaning()
    groups = (("present", "absent", "missing"), ("censored", "recurrence", "death", "missing"))
    groups += (("anti-SRP", "anti-HMGCR", "seronegative", "missing"), ("female", "male", "other", "missing"))
    for group in groups:
        every = [word for meaning in group for word in words[meaning]]
        assert len(every) == len(set(every))
    assert {meaning for group in groups for meaning in group} == set(words)


def test_a_map_says_what_other_words_mean(tmp_path):
    rows = changed(2, cardiac="X", status="relapsed", time_years="about 1")
    values = {
        "cardiac_involvement": {"x": "present"},
        "status": {"Relapsed": "recurrence"},
        "time_years": {"about 1": "1"},
    }
    own = {"cardiac_involvement": "cardiac", "status": "status", "time_years": "time_years"}
    found = ColumnMap(columns={name: MappedColumn(own[name], values[name]) for name in own})
    cohort = read(rows, tmp_path, column_map=found)
    assert (cohort.predictors["cardiac_involvement"][0], cohort.status[0], cohort.time[0]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("titre", "high", "reciprocal"),
    [
        ("1:1.280", 1, 1280),
        ("1:320 fein gesprenkelt", 1, 320),
        ("<1:80", 0, None),
        ("negativ", 0, None),
        (">1:1280", 1, None),
        ("1:160-1:320", None, None),
        ("positiv", None, None),
        ("k.A.", None, None),
        ("1:640 zytoplasmatisch", 0, None),
    ],
)
def test_a_titre_as_text_is_read_as_at_the_bedside(titre, high, reciprocal, tmp_path):
    cohort = read(changed(2, ana_high="", ana_titre=titre), tmp_path)
    seen = (cohort.predictors["high_ana"][0], cohort.raw["ana_titre"][0])
    assert [None if np.isnan(value) else value for value in seen] == [high, reciprocal]


def test_a_titre_that_contradicts_the_coded_predictor_is_refused(tmp_path):
    rows = changed(2, ana_high="1", ana_titre="negativ")
    assert "line 2, column ana_high: ana_titre says otherwise" in refusal(rows, tmp_path)


def test_a_titre_column_may_stand_for_the_coded_one(tmp_path):
    rows = [{k: v for k, v in row.items() if k != "ana_high"} | {"ana_titre": "negativ"} for row in GOOD]
    assert set(read(rows, tmp_path).predictors["high_ana"]) == {0}


# Candidates of words


def test_a_candidate_of_words_has_an_indicator_for_each_word_but_the_reference(tmp_path):
    centres = ("Jena", "Leipzig", "leipzig", "München", "k.A.")
    found = read(with_columns(Zentrum=lambda n: centres[n % 5]), tmp_path, candidates=["Zentrum"])
    assert found.categories["Zentrum"].levels == ("Leipzig", "Jena", "München")
    assert list(found.candidates) == ["Zentrum = Jena", "Zentrum = München"]
    assert np.array_equal(found.candidates["Zentrum = Jena"][:5], [1, 0, 0, 0, np.nan], equal_nan=True)
    part = found.where(found.time > 2)
    assert len(part.categories["Zentrum"].values) == len(part)


def test_the_reference_of_a_map_is_the_word_that_others_are_compared_with(tmp_path):
    rows = with_columns(Zentrum=lambda n: ("Jena", "Leipzig", "Leipzig")[n % 3])
    named = ColumnMap(candidates={"centre of care": MappedColumn("zentrum", reference="jena")})
    found = read(rows, tmp_path, column_map=named)
    assert list(found.candidates) == ["centre of care = Leipzig"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (lambda n: f"word {n % 13}x", "neither numbers nor at most 12 different words"),
        (lambda n: f"{'remark' * 9} {n % 2}", "neither numbers nor at most 12 different words"),
        (lambda n: "x" if n % 2 else "", "one word alone tells nobody apart"),
        (lambda n: "a" if n > 3 else "b", "a word of fewer than 5 patients: .*; there stands b"),
        (lambda n: "12" if n > 3 else "twelve", "lines .*column Further: not a number; there stands twelve"),
    ],
)
def test_a_candidate_that_is_neither_numbers_nor_words_is_refused(words, says, tmp_path):
    rows = with_columns(Further=words)
    with pytest.raises(TrainingError, match=says):
        read(rows, tmp_path, candidates=["further"])


def test_the_reference_must_stand_in_the_column(tmp_path):
    named = ColumnMap(candidates={"Zentrum": MappedColumn(reference="Ulm")})
    rows = with_columns(Zentrum=lambda n: ("Jena", "Leipzig")[n % 2])
    assert "the reference that the map names stands nowhere" in refusal(rows, tmp_path, column_map=named)


# What is said of what is wrong


def test_all_columns_are_told_at_once_with_how_many_where_and_what_stands_there(tmp_path):
    rows = [
        row | {"cardiac": ("maybe", "ja", "nein")[n % 3], "drr_high": "2" if n < 2 else "0"}
        for n, row in enumerate(GOOD)
    ]
    rows[7]["status"] = "gone"
    assert refusal(rows, tmp_path) == (
        "cohort.csv, line 9, column status: not one of 0 (censored), 1 (recurrence), 2 (death); "
        "20 lines (2, 5, 8, 11, 14, …), column cardiac: not one of 0/1, false/true, no/yes, absent/present, or empty; "
        "there stands maybe; 2 lines (2, 3), column drr_high: not one of 0/1, false/true, no/yes, absent/present, or "
        "empty; there stands 2"
    )


@pytest.mark.parametrize(
    "cell", [SECRET, "Müller", "01.02.1970", "1970-02-01", "19700201", "Anna Müller, Jena", "a" * 25]
)
def test_what_may_be_about_a_person_is_not_repeated(cell, tmp_path):
    said = refusal(changed(7, cardiac=cell), tmp_path)
    assert "line 7, column cardiac" in said
    assert cell not in said
    twice = [row | {"cardiac": cell} if n < 2 else row for n, row in enumerate(GOOD)]
    assert cell not in refusal(twice, tmp_path)


def test_ids_and_dates_are_never_repeated(tmp_path):
    rows = [row | {"id": "7"} for row in GOOD]
    assert "there stands" not in refusal(rows, tmp_path)
    assert "there stands" not in refusal(dated(end_date=lambda n: "1234"), tmp_path)


def test_showable_cells_are_short_numbers_and_short_words_that_repeat():
    cells = ["2", *["ja (Echo)"] * 3, "twice", "twice", "1234567", "12.5", *["x1234"] * 3, ""]
    assert showable(cells) == ["ja (Echo)", "2", "12.5"]


# The map


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("columns.status.column = 1", "Expected `str`"),
        ("[columns.status]\ncolumm = 'x'", "unknown field `columm`"),
        ("[colums]", "unknown field `colums`"),
        ("[columns.status]", "say which `column` of the file it is"),
        ("[columns.outcome]\ncolumn = 'x'", "outcome is no column of the data dictionary"),
        ("[columns.status]\ncolumn = '?'\n[columns.id]\ncolumn = '?'", "left in columns.status, columns.id"),
        ("[candidates.x]\nvalues = { a = '?' }", "question marks are left in candidates.x"),
        ("[file]\nseparator = ':'", "Invalid enum value ':'"),
        ("[columns.end_date]\ncolumn = 'x'\ndate_format = 'yy'", "Invalid enum value 'yy'"),
        ("no toml", "is no map of columns"),
        (f"a = {'[' * 2000}{']' * 2000}", "is no map of columns"),
        ("\xff", "is no map of columns"),
    ],
)
def test_a_map_that_says_nothing_sensible_is_refused_by_its_key(content, says, tmp_path):
    path = tmp_path / "columns.toml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(TrainingError, match=says) as refused:
        read_map(path)
    assert str(refused.value).startswith("columns.toml")


def test_a_map_that_is_not_there_or_too_large_is_refused(tmp_path):
    with pytest.raises(TrainingError, match=r"columns\.toml cannot be read"):
        read_map(tmp_path / "columns.toml")
    (tmp_path / "columns.toml").write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(TrainingError, match="larger than 1 MiB"):
        read_map(tmp_path / "columns.toml")


# The same patients


def rewritten(tmp_path, change, name="other.csv", **options):
    return read(change([dict(row) for row in GOOD]), tmp_path, name, **options).patients_sha256


def turned(row):
    return dict(reversed(row.items()))


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: list(reversed(rows)),
        lambda rows: [turned(row) for row in rows],
        lambda rows: [row | {"id": f"new-{n}"} for n, row in enumerate(rows)],
        lambda rows: [row | {"note": "seen"} for row in rows],
        lambda rows: [
            {
                ("time_days" if k == "time_years" else k): (
                    f"{float(v) * 365.25:.9f}" if k == "time_years" else v
                )
                for k, v in row.items()
            }
            for row in rows
        ],
        lambda rows: [
            {
                ("time_months" if k == "time_years" else k): (
                    f"{float(v) * 12:.3f}" if k == "time_years" else v
                )
                for k, v in row.items()
            }
            for row in rows
        ],
        lambda rows: [row | {"cardiac": "ja" if row["cardiac"] == "1" else "nein"} for row in rows],
        lambda rows: as_csv(rows, delimiter=";"),
        lambda rows: workbook({"S": typed(rows)}),
    ],
)
def test_patients_are_known_again_however_they_are_written(change, tmp_path):
    assert rewritten(tmp_path, change) == read(GOOD, tmp_path).patients_sha256


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[:-1],
        lambda rows: [row | {"time_years": "0.51"} if n == 0 else row for n, row in enumerate(rows)],
        lambda rows: [row | {"status": "2"} if n == 0 else row for n, row in enumerate(rows)],
        lambda rows: [row | {"cardiac": ""} if n == 0 else row for n, row in enumerate(rows)],
    ],
)
def test_other_patients_have_another_digest(change, tmp_path):
    assert rewritten(tmp_path, change) != read(GOOD, tmp_path).patients_sha256


@pytest.mark.parametrize("decimals", [3, 4, 6, 9])
def test_a_whole_number_of_days_is_the_same_day_in_years_with_three_decimals_or_more(decimals, tmp_path):
    days = [n * 13 + 1 for n in range(60)]
    rows = [{k: v for k, v in row.items() if k != "time_years"} for row in GOOD]
    in_days = [row | {"time_days": str(d)} for row, d in zip(rows, days, strict=True)]
    in_years = [row | {"time_years": f"{d / 365.25:.{decimals}f}"} for row, d in zip(rows, days, strict=True)]
    assert read(in_days, tmp_path).patients_sha256 == read(in_years, tmp_path).patients_sha256


def test_as_many_patients_recurrences_and_years_are_a_coincidence_that_is_told(tmp_path):
    cohort = read(GOOD, tmp_path)
    record = {"patients": 60, "recurrences": 30, "person_years": float(cohort.time.sum()) * 1.001}
    assert "if they are the same people" in coincidence(record, cohort.time, 30)
    for other in ({"patients": 61}, {"recurrences": 29}, {"person_years": float(cohort.time.sum()) * 1.01}):
        assert coincidence(record | other, cohort.time, 30) == ""
    assert coincidence({}, cohort.time, 30) == ""


def test_the_words_for_yes_and_no_are_not_numbers_in_a_candidate():
    assert (presence("1"), presence("wahr"), presence("12"), presence("")) == (True, True, None, None)


def test_limits_are_those_of_the_dictionary():
    assert (tables.MAX_ROWS, tables.MAX_COLUMNS) == (20_000, 500)
