"""What a cohort file may hold, and what becomes of it."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from cds_service.commands import folder as folders
from cds_service.commands.cohort import DICTIONARY, CohortSource, latest_day, load_cohort
from fhir_mapping.cohort.tabulate import IMPROVED, Landmark, cutoffs
from fhir_mapping.record import MappingSettings
from fhir_mapping.terms import load_tables
from models.artefact import TimeZero
from models.training.cohort import read
from models.training.cohort.cohort import PREDICTORS, Cohort, FlowStep, read_cohort
from models.training.cohort.column_map import ColumnMap
from models.training.cohort.dictionary import page
from models.training.cohort.schema import COLUMNS, RAW, CohortRow
from models.training.errors import TrainingError
from tests.spec.run import packaged_tables
from tests.statistics.bad_cohorts import (
    PLAIN,
    TIME_ZERO,
    UNTIL,
    as_csv,
    as_parquet,
    bundle,
    changed,
    dated,
    files,
    good_rows,
    ndjson,
    parquet,
    renamed,
    resources,
    text,
    with_columns,
)
from tests.statistics.trained import DEMO, command

LANDMARK = Landmark("eligible", 180)


def cohort(content, tmp_path, **options) -> Cohort:
    asked = {"time_zero": TIME_ZERO, "mapping": MappingSettings(packaged_tables())} | options
    return load_cohort(text(content)(tmp_path), **asked)


def mapped(**columns: str) -> ColumnMap:
    return ColumnMap().with_columns(columns)


def same(first: Cohort, second: Cohort) -> bool:
    of_both = [(first.time, second.time), (first.status, second.status)]
    of_both += [(first.predictors[name], second.predictors[name]) for name in PREDICTORS]
    return first.ids == second.ids and all(np.array_equal(a, b, equal_nan=True) for a, b in of_both)


# a table


def test_a_cohort_has_the_patients_of_the_file_in_its_order(tmp_path):
    found = cohort(good_rows(), tmp_path)
    assert len(found) == 60
    assert found.ids[:2] == ("Doe-1970-0", "Doe-1970-1")
    assert found.time[:3].tolist() == [0.5, 0.55, 0.6]
    assert found.status[:3].tolist() == [0, 1, 0]
    assert found.event.sum() == 30
    assert found.matrix(PREDICTORS)[6].tolist() == [1, 1, 0, 0]
    assert (found.time_zero, found.name, found.subtype[0]) == (TIME_ZERO, "cohort.csv", "")
    assert found.flow == (FlowStep("in the file", 60), FlowStep("followed beyond time zero", 60))


@pytest.mark.parametrize(
    ("column", "value", "years"),
    [
        ("time_days", "730.5", 2),
        ("time_months", "18", 1.5),
        ("time_years", "0.25", 0.25),
        ("time_years", "1e0", 1),
    ],
)
def test_follow_up_is_in_years_whatever_the_unit(column, value, years, tmp_path):
    rows = [{column: value} | {k: v for k, v in row.items() if k != "time_years"} for row in good_rows()]
    assert set(cohort(rows, tmp_path).time) == {years}


def test_follow_up_may_be_two_dates(tmp_path):
    found = cohort(dated(death_date=lambda n: ""), tmp_path)
    assert found.time[0] == pytest.approx(366 / 365.25)
    with_time = dated(end_date=lambda n: "2021-01-01T00:00:00")
    assert set(cohort(with_time, tmp_path).time) == {366 / 365.25}


TODAY = date(2024, 12, 2)


def future(column, day):
    """Good rows with dates, of which the fifth has this day in a column."""
    return dated(**{column: lambda n: day if n == 5 else {"time_zero": "2020-01-01"}.get(column, "")})


@pytest.mark.parametrize(
    ("column", "day"),
    [
        ("time_zero", "2024-12-03"),
        ("time_zero", "2204-01-01"),
        ("end_date", "2024-12-03"),
        ("end_date", "03.12.2024"),
        ("end_date", "2124-02-03T10:00"),
        ("death_date", "2024-12-03"),
        ("death_date", "9999-12-31"),
    ],
)
def test_what_has_not_happened_yet_is_refused(column, day, tmp_path):
    rows = future(column, day)
    if column == "end_date":
        rows = [row | {"end_date": row["end_date"] or "2021-01-01"} for row in rows]
    with pytest.raises(TrainingError, match=f"line 7, column {column}: after today"):
        cohort(rows, tmp_path, today=TODAY)
    ended = command("describe", text(future("time_zero", "9999-01-01"))(tmp_path), "--time-zero", "x")
    assert (ended.status, "column time_zero: after today" in ended.error) == (2, True)


def test_a_date_of_two_readings_is_told_once(tmp_path):
    with pytest.raises(TrainingError, match="day and month cannot be told apart") as refused:
        cohort(dated(time_zero=lambda n: "01/02/2015"), tmp_path)
    assert "empty" not in str(refused.value)


@pytest.mark.parametrize("line", ["sep=,\r\n", "sep=,\n", "SEP=,\n"])
def test_a_line_that_tells_excel_the_separator_is_no_header(line, tmp_path):
    assert len(cohort(line + as_csv(good_rows()), tmp_path)) == 60
    bad = line + as_csv(good_rows()).replace("0.50", "soon", 1)
    with pytest.raises(TrainingError, match="line 3, column time_years"):
        cohort(bad, tmp_path)


def test_today_itself_has_happened(tmp_path):
    assert len(cohort(dated(end_date=lambda n: TODAY.isoformat()), tmp_path, today=TODAY)) == 60
    assert latest_day() >= datetime.now(UTC).date()


def test_the_extract_of_a_folder_is_not_of_the_future():
    with pytest.raises(TrainingError, match="--until: the date of the extract is after today"):
        CohortSource(DEMO, landmark="treated+180", until="9999-12-31").read(lambda *_: None)


@pytest.mark.parametrize("word", ["1", "1.0", "true", "TRUE", "Yes", "present", " Present "])
def test_the_words_for_present(word, tmp_path):
    assert cohort(changed(2, cardiac=word), tmp_path).predictors["cardiac_involvement"][0] == 1


@pytest.mark.parametrize("word", ["0", "0.0", "false", "No", "ABSENT"])
def test_the_words_for_absent(word, tmp_path):
    assert cohort(changed(4, cardiac=word), tmp_path).predictors["cardiac_involvement"][2] == 0


@pytest.mark.parametrize("word", ["", "NA", "na", "NaN", " "])
def test_the_words_for_missing(word, tmp_path):
    found = cohort(changed(2, cardiac=word), tmp_path)
    assert np.isnan(found.predictors["cardiac_involvement"]).tolist() == [True] + [False] * 59


def test_status_tells_recurrence_from_death_and_event_knows_of_recurrence_only(tmp_path):
    assert cohort(changed(2, status="2"), tmp_path).status[:2].tolist() == [2, 1]
    assert cohort(renamed(status="event"), tmp_path).status[:2].tolist() == [0, 1]
    both = with_columns(event=lambda n: str(n % 2), status=lambda n: "1" if n % 2 else "2")
    assert set(cohort(both, tmp_path).status) == {1, 2}


@pytest.mark.parametrize("value", ["320", "1:320", "320.0"])
def test_a_raw_value_codes_the_predictor_that_is_not_given(value, tmp_path):
    found = cohort(changed(2, ana_high="", ana_titre=value), tmp_path)
    assert found.predictors["high_ana"][0] == 1
    assert found.raw["ana_titre"][0] == 320


def test_a_raw_column_may_stand_for_the_coded_one_altogether(tmp_path):
    rows = [{k: v for k, v in row.items() if k != "drr_high"} | {"drr": "1.73"} for row in good_rows()]
    rows[0]["drr"], rows[1]["drr"] = "1.74", ""
    drr = cohort(rows, tmp_path).predictors["high_drr"]
    assert (drr[0], np.isnan(drr[1]), drr[2]) == (1, True, 0)


def test_the_thresholds_are_those_of_the_tables(tmp_path):
    tables = load_tables()
    moved = replace(
        tables.rules.thresholds["high_drr.threshold"], value=tables.rules.number("high_drr.threshold") + 1
    )
    rules = replace(tables.rules, thresholds={**tables.rules.thresholds, "high_drr.threshold": moved})
    mapping = MappingSettings(replace(tables, rules=rules))
    rows = [{k: v for k, v in row.items() if k != "drr_high"} | {"drr": "2.5"} for row in good_rows()]
    assert set(cohort(rows, tmp_path).predictors["high_drr"]) == {1}
    assert set(cohort(rows, tmp_path, mapping=mapping).predictors["high_drr"]) == {0}


def test_the_subtype_is_one_of_three_or_not_known(tmp_path):
    words = ("anti-SRP", "ANTI-HMGCR", "Seronegative", "", "NA")
    found = cohort(with_columns(subtype=lambda n: words[n % 5]), tmp_path)
    assert found.subtype[:5] == ("anti-SRP", "anti-HMGCR", "seronegative", "", "")


def test_candidates_are_numbers_or_words_and_what_nobody_reads_is_named(tmp_path):
    rows = with_columns(
        LVEF=lambda n: "" if n else "55.5", statin=lambda n: "yes", ck=lambda n: "x", drr=lambda n: ""
    )
    found = cohort(rows, tmp_path, candidates=("lvef", "statin", "de_ritis_ratio"))
    assert found.candidates["LVEF"][0] == 55.5
    assert np.isnan(found.candidates["LVEF"][1:]).all()
    assert found.matrix(["statin", "high_ana"])[1].tolist() == [1, 0]
    assert np.isnan(found.column("de_ritis_ratio")).all()
    assert found.unused == ("ck",)


def test_a_column_that_is_no_number_cannot_be_a_candidate(tmp_path):
    with pytest.raises(TrainingError, match="status cannot be a candidate"):
        cohort(good_rows(), tmp_path, candidates=("status",))


def test_another_name_of_a_column_is_told(tmp_path):
    rows = renamed(time_years="Follow_Up", status="cardiac_x")
    found = cohort(rows, tmp_path, column_map=mapped(time_years="follow_up", status="cardiac_x"))
    assert same(found, cohort(good_rows(), tmp_path))
    with pytest.raises(TrainingError, match="outcome is no column of the data dictionary"):
        cohort(rows, tmp_path, column_map=mapped(outcome="cardiac_x"))


def test_who_was_never_followed_is_taken_out_and_counted(tmp_path):
    found = cohort(changed(4, time_years="0"), tmp_path)
    assert len(found) == 59
    assert "Doe-1970-2" not in found.ids
    assert found.flow[-1] == FlowStep("followed beyond time zero", 59, 1, "censored at time zero")


def test_complete_leaves_out_whoever_lacks_a_predictor_and_says_how_many(tmp_path):
    rows = changed(2, cardiac="", drr_high="NA")
    rows[4]["cardiac"] = ""
    found = cohort(rows, tmp_path).complete(PREDICTORS)
    reason = "missing: cardiac_involvement 2, high_drr 1"
    assert found.flow[-1] == FlowStep("all predictors known", 58, 2, reason)
    assert len(found) == len(found.time) == len(found.subtype) == 58
    assert not np.isnan(found.matrix(PREDICTORS)).any()
    assert found.complete(PREDICTORS).flow[-1] == FlowStep("all predictors known", 58)


def test_complete_needs_somebody_and_a_name_that_is_there(tmp_path):
    found = cohort(with_columns(cardiac=lambda n: "NA"), tmp_path)
    with pytest.raises(TrainingError, match="of nobody all of cardiac_involvement"):
        found.complete(PREDICTORS)
    with pytest.raises(TrainingError, match="no column lvef in this cohort"):
        found.matrix(["lvef"])


# the forms of a file


@pytest.mark.parametrize(
    "variant",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data + b"\n\n",
        lambda data: data.replace(b"id,", b" ID ,", 1),
        lambda data: data.replace(b"cardiac", b"Cardiac_Involvement", 1),
    ],
)
def test_a_file_may_be_written_otherwise(variant, tmp_path):
    assert same(cohort(variant(as_csv(good_rows()).encode()), tmp_path), cohort(good_rows(), tmp_path))


def test_a_line_break_within_a_cell_is_one_row(tmp_path):
    assert len(cohort(changed(7, note='a "b",\nc'), tmp_path)) == 60


def test_parquet_and_csv_give_the_same(tmp_path):
    typed = {
        "time_years": [float(row["time_years"]) for row in good_rows()],
        "status": [int(row["status"]) for row in good_rows()],
        "cardiac": [row["cardiac"] == "1" for row in good_rows()],
        "ana_high": [None if n == 3 else float(row["ana_high"]) for n, row in enumerate(good_rows())],
    }
    from_parquet = load_cohort(parquet(as_parquet(good_rows(), **typed))(tmp_path), time_zero=TIME_ZERO)
    assert same(from_parquet, cohort(changed(5, ana_high=""), tmp_path))
    with pytest.raises(TrainingError, match="more than 59 rows"):
        load_cohort(tmp_path / "cohort.parquet", time_zero=TIME_ZERO, max_rows=59)


def test_parquet_has_dates_and_decimals(tmp_path):
    from datetime import date, datetime
    from decimal import Decimal

    rows = as_parquet(renamed(time_years=""), drr_high=[Decimal("1.0")] * 60)
    rows["time_zero"] = [date(2020, 1, 1)] * 60
    rows["end_date"] = [datetime(2021, 1, 1)] * 60  # noqa: DTZ001 - Parquet has times without a zone
    found = load_cohort(parquet(rows)(tmp_path), time_zero=TIME_ZERO)
    assert set(found.time) == {366 / 365.25}
    assert set(found.predictors["high_drr"]) == {1}


@pytest.mark.parametrize("content", [as_csv(good_rows()), parquet])
def test_a_file_that_is_too_large_is_not_read(content, tmp_path, monkeypatch):
    path = text(content)(tmp_path) if isinstance(content, str) else parquet(as_parquet(good_rows()))(tmp_path)
    monkeypatch.setattr(read, "MAX_BYTES", 1024)
    with pytest.raises(TrainingError, match="larger than 0 MiB"):
        load_cohort(path, time_zero=TIME_ZERO)


def test_parquet_that_unpacks_to_too_much_is_not_read(tmp_path, monkeypatch):
    path = parquet(as_parquet(good_rows(), note=["n" * 9999] * 60))(tmp_path)
    monkeypatch.setattr(read, "MAX_BYTES", path.stat().st_size)
    with pytest.raises(TrainingError, match="unpacked it is larger"):
        load_cohort(path, time_zero=TIME_ZERO)


def test_the_hash_is_that_of_the_file(tmp_path):
    assert cohort(good_rows(), tmp_path).sha256 == cohort(good_rows(), tmp_path).sha256
    assert cohort(good_rows(), tmp_path).sha256 != cohort(good_rows(59), tmp_path).sha256


# a folder of records


def folder(tmp_path, **options) -> Cohort:
    return load_cohort(tmp_path / "records", **{"landmark": LANDMARK, "until": UNTIL} | options)


RELAPSE = "imnm; ck 5000 @-990d; ck 200 @-900d; ck 600 @-140d; ck 600 @-120d; request azathioprine from=-110d"
PEOPLE = {
    "p1": resources(f"{PLAIN}; ana 1:640 @-830d; anti-srp positive @-900d", "p1"),
    "p2": resources(RELAPSE, "p2"),
    "p3": resources("ck 100", "p3"),
    "p4": resources("imnm; medication methotrexate id=m1; request by=m1 from=-300d", "p4"),
}
BY_TYPE = sorted({one["resourceType"] for found in PEOPLE.values() for one in found})


def as_bundles():
    return files(**{f"{name}__json": bundle(found) for name, found in PEOPLE.items()})


def as_export():
    every = [one for found in PEOPLE.values() for one in found]
    return files(
        **{f"{kind}__ndjson": ndjson([r for r in every if r["resourceType"] == kind]) for kind in BY_TYPE}
    )


@pytest.mark.parametrize("form", [as_bundles, as_export])
def test_a_folder_of_records_is_read_as_at_the_bedside(form, tmp_path):
    form()(tmp_path)
    found = folder(tmp_path)
    assert found.ids == ("p1", "p2", "p4")
    assert (found.time * 365.25).round(6).tolist() == [810, 710, 520]
    assert found.status.tolist() == [0, 1, 0]
    assert found.predictors["high_ana"][0] == 1
    assert found.raw["ana_titre"][0] == 640
    assert found.subtype == ("anti-SRP", "", "")
    assert found.candidates[IMPROVED].tolist() == [0, 1, 0]
    assert found.time_zero == LANDMARK.words
    assert found.flow[:2] == (
        FlowStep("patients in the folder", 4),
        FlowStep("definite or probable IMNM", 3, 1, "never definite or probable IMNM"),
    )


def test_a_folder_is_described_by_every_column_of_the_sources_table_1(tmp_path):
    facts = "condition myalgia @-900d; ldh 700 @-830d; lymphocytes 2 @-830d; neutrophils 5 @-830d; hbdh 560 @-830d"
    files(
        a__json=bundle(resources(f"{PLAIN}; {facts}; ana 1:640 @-830d; ast 200 @-830d; alt 100 @-830d", "p1"))
    )(tmp_path)
    ended = command(
        *("describe", tmp_path / "records", "--landmark", "eligible+180", "--until", UNTIL.date(), "--json")
    )
    assert (ended.status, ended.error) == (0, "")
    rows = {row["name"]: row for row in json.loads(ended.out)["contrasts"][0]["rows"]}
    assert [rows[name]["all"]["counts"] for name in ("myalgia", "dysphagia", "ild")] == [
        [0, 1],
        [1, 0],
        [1, 0],
    ]
    values = {
        name: row["all"]["quartiles"]["median"] for name, row in rows.items() if row["kind"] == "number"
    }
    assert values == {
        "ana_titre": 640, "de_ritis_ratio": 2, "ldh": 700, "hbdh": 560, "nlr": 2.5, "lymphocytes": 2, "age": 53
    }  # fmt: skip
    assert [rows[name]["unit"] for name in ("ldh", "lymphocytes", "nlr")] == ["U/L", "10*9/L", ""]


def test_an_export_with_absolute_references_is_read_too(tmp_path):
    found = json.loads(
        json.dumps(PEOPLE["p1"]).replace('"Patient/p1"', '"https://ehr.example/fhir/Patient/p1"')
    )
    files(all__ndjson=ndjson(found))(tmp_path)
    assert folder(tmp_path).ids == ("p1",)
    elsewhere = json.loads(
        json.dumps(PEOPLE["p2"]).replace('"Patient/p2"', '"https://other.example/Patient/p2"')
    )
    (tmp_path / "records" / "more.ndjson").write_text(ndjson(elsewhere))
    with pytest.raises(TrainingError, match="name 2 servers"):
        folder(tmp_path)


@pytest.mark.parametrize(
    ("reference", "written"),
    [
        ("Patient/p2", "Patient/p2/_history/3"),
        ("Patient/p2", "/Patient//p2"),
        ("Patient/p2", "https://ehr.example/fhir/Patient/p2/_history/3"),
        ("Patient/p2", "Patient\\/p2"),
        ("Medication/m1", "Medication/m1/_history/3"),
    ],
)
def test_an_export_loses_nothing_by_how_its_references_are_written(reference, written, tmp_path):
    as_export()(tmp_path)
    plain = folder(tmp_path)
    for file in (tmp_path / "records").iterdir():
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(f'"{reference}"', f'"{written}"'), encoding="utf-8")
    assert folder(tmp_path).patients_sha256 == plain.patients_sha256


def test_the_ingredients_of_a_product_are_read_where_another_line_holds_them(tmp_path):
    found = resources("imnm; medication methotrexate id=m1; request by=m1 from=-300d", "p4")
    product = {
        "resourceType": "Medication",
        "id": "kit",
        "ingredient": [{"itemReference": {"reference": "Medication/m1"}}],
    }
    through = json.loads(json.dumps(found).replace('"Medication/m1"', '"Medication/kit"'))
    ends = []
    for name, lines in (("one", found), ("two", [*through, product])):
        (tmp_path / name).mkdir()
        files(a__ndjson=ndjson(lines))(tmp_path / name)
        ends.append(folder(tmp_path / name).time.tolist())
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    "subject",
    [
        None,
        {},
        {"identifier": {"value": "1"}},
        {"reference": "urn:uuid:1"},
        {"reference": "Patient?identifier=1"},
        {"reference": "https://ehr.example/fhir/p2"},
        {"reference": "https://ehr.example/Fhir/p2"},
    ],
    ids=str,
)
def test_a_resource_that_cannot_be_told_whose_it_is_is_not_passed_over(subject, tmp_path):
    first, *others = resources(RELAPSE, "p2")
    lost = others[-1] | {"subject": subject}
    files(a__ndjson=ndjson([first, *others[:-1], lost]))(tmp_path)
    with pytest.raises(
        TrainingError, match=rf"line {len(others) + 1}: this .* does not say which patient it is of"
    ):
        folder(tmp_path)


def test_what_is_of_no_patient_is_passed_over(tmp_path):
    found = resources(RELAPSE, "p2")
    strange = [found[-1] | {"id": "x", "subject": {"reference": of}} for of in ("Group/1", "#p2")]
    files(a__ndjson=ndjson([*found, *strange, {"resourceType": "Organization", "id": "o"}]))(tmp_path)
    assert folder(tmp_path).status.tolist() == [1]


@pytest.mark.parametrize("kind", ["Account", "Contract"])
def test_what_no_rule_reads_may_be_of_several_patients(kind, tmp_path):
    of_both = {
        "resourceType": kind,
        "id": "x",
        "subject": [{"reference": "Patient/p2"}, {"reference": "Patient/p9"}],
    }
    files(a__ndjson=ndjson([*resources(RELAPSE, "p2"), of_both]))(tmp_path)
    assert folder(tmp_path).status.tolist() == [1]


def test_a_patient_who_was_exported_twice_is_one_patient(tmp_path):
    found = resources(RELAPSE, "p2")
    earlier = found[0] | {"deceasedBoolean": True, "meta": {"lastUpdated": "2020-01-01T00:00:00Z"}}
    later = found[0] | {"meta": {"lastUpdated": "2026-01-01T00:00:00Z"}}
    files(a__ndjson=ndjson([*found[1:], later]), b__ndjson=ndjson([*found[2:], earlier, later]))(tmp_path)
    cohort = folder(tmp_path)
    assert (cohort.ids, cohort.status.tolist()) == (("p2",), [1])


@pytest.mark.parametrize("order", [1, -1])
def test_of_a_medication_that_was_exported_twice_the_last_version_counts(order, tmp_path):
    found = resources("imnm; medication methotrexate id=m1; request by=m1 from=-300d", "p4")
    (product,) = (one for one in found if one["resourceType"] == "Medication")
    now = product | {"meta": {"lastUpdated": "2026-01-01T00:00:00Z"}}
    before = {
        "resourceType": "Medication",
        "id": "m1",
        "code": {"text": "bandage"},
        "meta": {"lastUpdated": "2020-01-01T00:00:00Z"},
    }
    others = [one for one in found if one is not product]
    files(a__ndjson=ndjson([*others, *(before, now)[::order]]))(tmp_path)
    assert folder(tmp_path).time.tolist() == [520 / 365.25]


def test_a_rise_of_ck_alone_is_told_in_the_flow(tmp_path):
    files(a__json=bundle(resources(f"{RELAPSE.partition('; request')[0]}; encounter AMB visit @-10d", "p1")))(
        tmp_path
    )
    steps = [step.step for step in folder(tmp_path).flow]
    assert "of these 1 with a possible relapse by CK alone, counted as none" in steps


def test_progress_can_be_shown_and_the_hash_covers_every_file(tmp_path):
    as_bundles()(tmp_path)
    seen = []

    def track(found):
        for one in found:
            seen.append(one.place)
            yield one

    first = folder(tmp_path, track=track)
    assert seen == [1, 2, 3, 4]
    (tmp_path / "records" / "p3.json").write_text(bundle(resources("ck 101", "p3")))
    assert folder(tmp_path).sha256 != first.sha256


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"landmark": None}, "give a landmark and the date of the extract"),
        ({"until": None}, "give a landmark and the date of the extract"),
        ({"until": UNTIL.replace(tzinfo=None)}, "needs a time zone"),
        ({"time_zero": "then"}, "follow from the landmark"),
        ({"max_rows": 2}, "more than 2 patients"),
        ({"candidates": ("lvef",)}, "no column lvef"),
    ],
)
def test_what_a_folder_needs(options, sentence, tmp_path):
    as_bundles()(tmp_path)
    with pytest.raises(TrainingError, match=sentence):
        folder(tmp_path, **options)


def test_a_folder_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    as_bundles()(tmp_path)
    monkeypatch.setattr(folders, "MAX_FILES", 3)
    with pytest.raises(TrainingError, match="more than 3 files"):
        folder(tmp_path)


@pytest.mark.parametrize("form", ["a__json", "a__ndjson"])
def test_another_version_of_fhir_is_refused(form, tmp_path):
    visit = {"resourceType": "Encounter", "id": "e", "subject": {"reference": "Patient/p1"}, "class": [{}]}
    found = [*resources("imnm", "p1"), visit]
    files(**{form: bundle(found) if form == "a__json" else ndjson(found)})(tmp_path)
    with pytest.raises(TrainingError, match="FHIR R5; only R4 is read"):
        folder(tmp_path)


@pytest.mark.parametrize(
    ("options", "anchored"),
    [
        ({}, None),
        ({"anchor": "onset+0"}, TimeZero("onset", 0)),
        ({"anchor": "first-agent+3653"}, TimeZero("first-agent", 3653)),
        ({"landmark": "treated+180", "until": "2026-03-01"}, TimeZero("first-agent", 180)),
        ({"landmark": "eligible+180", "until": "2026-03-01"}, None),
    ],
)
def test_where_time_zero_lies_in_a_record_is_said_or_follows_from_treatment(options, anchored):
    assert CohortSource(DEMO, **options).anchored == anchored


@pytest.mark.parametrize(
    "anchor", ["onset", "onset+", "diagnosis+180", "onset+3654", "onset-1", " onset+1", "onset+1.5"]
)
def test_an_anchor_that_cannot_be_read_is_one_sentence(anchor):
    with pytest.raises(TrainingError, match="--anchor: give an anchor and 0 to 3653 days, like onset"):
        _ = CohortSource(DEMO, anchor=anchor).anchored


def test_a_folder_of_records_takes_no_anchor():
    source = CohortSource(DEMO, landmark="treated+180", until="2026-03-01", anchor="onset+180")
    with pytest.raises(TrainingError, match="of a folder of records the landmark says it"):
        _ = source.anchored


def test_the_anchor_goes_with_the_cohort_and_its_complete_cases():
    read = CohortSource(DEMO, time_zero="then", anchor="onset+180").read(lambda *_: None)
    assert read.complete(PREDICTORS).anchored == TimeZero("onset", 180)


def test_a_table_takes_no_landmark_and_a_folder_is_no_table(tmp_path):
    with pytest.raises(TrainingError, match="a landmark is for folders"):
        cohort(good_rows(), tmp_path, landmark=LANDMARK)
    with pytest.raises(TrainingError, match="is a folder: give a file"):
        read_cohort(tmp_path, time_zero=TIME_ZERO)


# the data dictionary


def test_the_data_dictionary_is_not_stale():
    assert DICTIONARY.read_text(encoding="utf-8") == page(cutoffs(load_tables())), "run `make docs`"


def test_every_column_is_in_the_data_dictionary_with_a_meaning():
    text = page(cutoffs(load_tables()))
    assert all(f"| `{name}` |" in text and CohortRow.model_fields[name].description for name in COLUMNS)
    assert set(PREDICTORS) | set(RAW) <= set(COLUMNS)


# who belongs to which group

GROUPED = {
    "hospital": lambda n: ("North", "South", "")[n % 3],
    "sex": lambda n: ("F", "male", "NA")[n % 3],
    "age": lambda n: ("", "40", "71.5")[n % 3],
    "insurance": lambda n: ("public", "private")[n % 2],
}


def test_centre_sex_age_and_a_named_group_reach_the_cohort(tmp_path):
    found = cohort(with_columns(**GROUPED), tmp_path, groups=["Insurance", "sex"])
    assert {name: words[:3] for name, words in found.groups.items()} == {
        "centre": ("North", "South", ""),
        "sex": ("female", "male", ""),
        "insurance": ("public", "private", "public"),
    }
    assert np.array_equal(found.beside["age"][:3], [np.nan, 40, 71.5], equal_nan=True)
    assert found.unused == ()
    part = found.where(found.time > 1)
    assert {len(words) for words in part.groups.values()} == {len(part), len(part.beside["age"])}


def test_capitals_blanks_and_accents_written_apart_make_no_other_centre_or_group(tmp_path):
    written = ("Zürich", "ZÜRICH", "Zu\u0308rich", "Zürich  Nord", "zürich Nord")
    columns = {"centre": lambda n: written[n % 5], "ward": lambda n: written[n % 5]}
    found = cohort(with_columns(**columns), tmp_path, groups=["ward"])
    one = ("Zürich", "Zürich", "Zürich", "Zürich  Nord", "Zürich  Nord")
    assert {name: words[:5] for name, words in found.groups.items()} == {"centre": one, "ward": one}


def test_a_cohort_without_these_columns_has_none_of_them(tmp_path):
    found = cohort(good_rows(), tmp_path)
    assert (found.groups, "age" in found.beside) == ({}, False)


def test_age_may_be_a_candidate_too(tmp_path):
    found = cohort(with_columns(**GROUPED), tmp_path, candidates=["age"])
    assert np.array_equal(found.candidates["age"], found.beside["age"], equal_nan=True)


@pytest.mark.parametrize(
    ("column", "cell", "sentence"),
    [
        ("sex", "woman?", "line 2, column sex: not one of female"),
        ("age", "-3", "line 2, column age: not between 0 and 120 years"),
        ("age", "1980", "line 2, column age: not between 0 and 120 years"),
        ("centre", "x" * 61, "line 2, column centre: not the name of a group"),
    ],
)
def test_a_group_that_cannot_be_read_is_refused(column, cell, sentence, tmp_path):
    with pytest.raises(TrainingError, match=sentence):
        cohort(with_columns(**{column: lambda n: "" if n else cell}), tmp_path)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere", "no column nowhere to group patients by"),
        ("time_years", "cannot be grouped by time_years"),
    ],
)
def test_patients_are_grouped_only_by_a_column_of_words(name, sentence, tmp_path):
    with pytest.raises(TrainingError, match=sentence):
        cohort(good_rows(), tmp_path, groups=[name])
