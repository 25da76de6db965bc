"""A German hospital's export goes from file to served model in five commands; only the drafted map is edited."""

import json
import re
import tomllib
from datetime import UTC, datetime
from functools import cache

import pytest

from cds_service.demo.patients import chart, samples
from models.registry import load_model
from models.training.cohort.schema import PREDICTORS
from tests.statistics.bad_cohorts import as_csv
from tests.statistics.excel import workbook
from tests.statistics.german_export import DEATHS, HEADER, N, as_excel, as_text, patients
from tests.statistics.trained import command
from tests.support.service import call_body, prefetch_of
from tests.support.serving import served

TIME_ZERO = "180 days after the start of treatment"
ANSWERS = {"ja (Echo)": "present", "nein (MRT)": "absent"}
CANDIDATES = ("CK max",)
FORMS = {"export.csv": as_text, "export.xlsx": as_excel}


def answered(draft: str) -> str:
    """The draft, its questions answered and a candidate switched on: what a person does in an editor."""
    for word, answer in ANSWERS.items():
        draft = draft.replace(f'values."{word}" = "?"', f'values."{word}" = "{answer}"')
    for name in CANDIDATES:
        draft = draft.replace(f'# [candidates."{name}"]', f'[candidates."{name}"]')
    return draft


@pytest.fixture(params=FORMS)
def walk(request, walked):
    """A folder after the five commands, and how each ended."""
    return walked(request.param)


@pytest.fixture(scope="session")
def walked(tmp_path_factory):
    """Walks once with each form of the export."""
    return cache(lambda form: walk_through(form, tmp_path_factory.mktemp("hospital")))


def walk_through(form, place):
    """The five commands, one after the other, as docs/statistics.md has them."""
    table, columns, model = place / form, place / "columns.toml", place / "model"
    table.write_bytes(FORMS[form]())
    (place / "patient.json").write_text(json.dumps(chart("high-overdue")), encoding="utf-8")
    ended = [command("describe", table, "--draft-map", columns)]
    columns.write_text(answered(columns.read_text(encoding="utf-8")), encoding="utf-8")
    given = ("--map", columns, "--time-zero", TIME_ZERO)
    ended += [
        command("describe", table, *given, "--json"),
        command(
            *("train", table, *given, "--out", model, "--bootstrap", "20", "--centre", "Jena"),
            *("--candidates", "centre", "--candidates", "sex"),
        ),
        command("check", "--config", model / "serve.toml"),
        command(
            *("explain", place / "patient.json", "--config", model / "serve.toml"),
            *("--as-of", samples().base_day, "--json"),
        ),
    ]
    return place, ended


def test_every_command_ends_well(walk):
    assert [(each.status, each.error) for each in walk[1]] == [(0, "")] * 5


def test_the_draft_finds_every_column_and_asks_only_what_nobody_can_guess(walk):
    place, (drafted, *_) = walk
    assert "2 question marks" in drafted.out
    content = tomllib.loads((place / "columns.toml").read_text(encoding="utf-8"))
    found = {name: column["column"] for name, column in content["columns"].items()}
    assert found == {
        "id": "Pat.-Nr.",
        "time_zero": "Beginn der Nachbeobachtung",
        "end_date": "ENDE DER NACHBEOBACHTUNG",
        "death_date": "Todesdatum",
        "event": "Rezidiv",
        "cardiac_involvement": "Herzbeteiligung",
        "treatment_refractory": "Therapierefraktär",
        "ana_titre": "ANA-Titer",
        "de_ritis_ratio": "DRR",
        "subtype": "Antikörper",
        "centre": "Zentrum",
        "sex": "Geschlecht",
    }
    assert content["columns"]["cardiac_involvement"]["values"] == ANSWERS
    assert "JEN-" not in (place / "columns.toml").read_text(encoding="utf-8")


def test_the_table_holds_what_is_true_of_the_patients(walk):
    described, true = json.loads(walk[1][1].out), patients()
    everybody = described["all"]["follow_up"]
    assert described["all"]["n"] == N
    assert everybody["recurrences"] == sum(patient.status == 1 for patient in true)
    assert everybody["deaths"] == DEATHS
    assert everybody["person_years"] == pytest.approx(sum((p.end - p.begin).days for p in true) / 365.25)
    rows = {row["name"]: row["all"] for row in described["contrasts"][-1]["rows"]}
    for number, name in enumerate(("cardiac_involvement", "high_ana", "treatment_refractory", "high_drr")):
        states = [patient.predictors[number] for patient in true]
        assert rows[name]["counts"] == [states.count(0), states.count(1)]
        assert rows[name]["missing"] == states.count(None)
    centres = [patient.centre for patient in true]
    assert sorted(rows["centre"]["counts"]) == sorted(map(centres.count, set(centres)))
    assert sum(rows["sex"]["counts"]) == N
    cks = sorted(patient.ck for patient in true)
    assert rows["CK max"]["quartiles"]["median"] == (cks[N // 2 - 1] + cks[N // 2]) / 2


def test_the_local_model_gives_the_card(walk):
    place, (*_, explained) = walk
    answer = json.loads(explained.out)
    (card,) = answer["cards"]
    assert answer["model"]["sha256"] == load_model(place / "model").sha256
    assert "Jena" in card["detail"]
    assert re.search(r"[0-9]+ %", card["summary"])


def test_the_served_model_answers_a_hook_call_with_its_card(walked):
    place, _ = walked("export.csv")
    shift = datetime.now(UTC).date() - samples().base_day
    record = [entry["resource"] for entry in chart("high-overdue", shift)["entry"]]
    patient = next(resource["id"] for resource in record if resource["resourceType"] == "Patient")
    with served(place / "model" / "serve.toml") as service:
        body = call_body(patient, fhirServer=None, prefetch=prefetch_of(record))
        answered = service.post("/cds-services/imnm-recurrence", body)
    (card,) = answered.json()["cards"]
    assert card["source"]["label"] == "imnm-cds: local-fit model"
    assert "Jena" in card["detail"]


def test_the_configuration_that_train_prints_works_as_it_stands(walk, tmp_path):
    place, (_, _, trained, *_) = walk
    printed = trained.out.partition("which says:\n")[2]
    assert tomllib.loads(printed)["model"] == str(place / "model")
    (tmp_path / "imnm.toml").write_text(printed, encoding="utf-8")
    checked = command("check", "--config", tmp_path / "imnm.toml")
    assert (checked.status, checked.error) == (0, "")
    assert "local-fit" in checked.out
    assert "set prefetch" not in checked.out


def test_the_model_says_with_which_words_the_others_are_compared(walk):
    trained = walk[1][2]
    assert "Zentrum is compared with" in trained.out
    assert "Geschlecht is compared with" in trained.out


def test_the_other_form_of_the_table_is_known_as_the_same_patients(walk, tmp_path):
    place, _ = walk
    other = next(name for name in FORMS if not (place / name).exists())
    (tmp_path / other).write_bytes(FORMS[other]())
    validated = command(
        *("validate", place / "model", tmp_path / other, "--out", tmp_path / "report", "--bootstrap", "20"),
        *("--map", place / "columns.toml", "--time-zero", TIME_ZERO),
    )
    assert (validated.status, validated.error) == (0, "")
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert report["validation"]["same_cohort"] == "fit"


def test_as_many_patients_and_recurrences_in_as_many_years_are_warned_of(walk, tmp_path):
    """Times in months with one decimal are other days: the digest differs, the sums do not."""
    place, _ = walk
    rows = [
        {
            "id": str(number),
            "time_months": f"{(p.end - p.begin).days / 365.25 * 12:.1f}",
            "status": str(p.status),
            **{n: "" if v is None else str(v) for n, v in zip(PREDICTORS, p.predictors, strict=True)},
        }
        for number, p in enumerate(patients())
    ]
    (tmp_path / "months.csv").write_text(as_csv(rows), encoding="utf-8")
    validated = command(
        *("validate", place / "model", tmp_path / "months.csv", "--out", tmp_path / "report"),
        *("--bootstrap", "20", "--time-zero", TIME_ZERO),
    )
    assert (validated.status, validated.error) == (0, "")
    assert "Warning: the model was fitted to as many patients" in " ".join(validated.out.split())


def test_unanswered_questions_are_refused_by_name(walk, tmp_path):
    place, _ = walk
    table = next(place / name for name in FORMS if (place / name).exists())
    command("describe", table, "--draft-map", tmp_path / "draft.toml")
    ended = command("describe", table, "--map", tmp_path / "draft.toml", "--time-zero", TIME_ZERO)
    assert ended.status == 2
    assert "draft.toml: question marks are left in columns.cardiac_involvement" in ended.error


def test_a_draft_asks_for_what_it_cannot_guess_and_never_writes_over_a_file(tmp_path):
    table, draft = tmp_path / "odd.csv", tmp_path / "odd.toml"
    table.write_text(
        "Name;Ereignis;Monate;GOT/GPT;Größe\nA;1;12,5;1,2;44\nB;0;3,5;2,2;71\n", encoding="utf-8"
    )
    assert command("describe", table, "--draft-map", draft).status == 0
    content = draft.read_text(encoding="utf-8")
    columns = {name: column["column"] for name, column in tomllib.loads(content)["columns"].items()}
    assert columns == {
        "id": "?", "time_months": "Monate", "event": "Ereignis", "cardiac_involvement": "?", "high_ana": "?",
        "treatment_refractory": "?", "de_ritis_ratio": "GOT/GPT",
    }  # fmt: skip
    assert '# [candidates."Name"]  # 2 different words, 0 missing' in content
    again = command("describe", table, "--draft-map", draft)
    assert (again.status, draft.read_text(encoding="utf-8")) == (2, content)
    assert "is there already" in again.error
    assert "a map is for a table" in command("describe", tmp_path, "--draft-map", tmp_path / "x.toml").error


def test_a_draft_keeps_what_was_said_of_the_file(tmp_path):
    table, first, draft = tmp_path / "t.xlsx", tmp_path / "first.toml", tmp_path / "draft.toml"
    table.write_bytes(workbook({"Legende": [["x"]], "Daten": [["id", "Rezidiv"], ["a", "ja"]]}))
    first.write_text('[file]\nsheet = "Daten"\n', encoding="utf-8")
    assert "name one as `sheet`" in command("describe", table, "--draft-map", draft).error
    assert command("describe", table, "--map", first, "--draft-map", draft).status == 0
    assert tomllib.loads(draft.read_text(encoding="utf-8"))["file"] == {"sheet": "Daten"}


def test_the_files_are_as_messy_as_they_say():
    text = as_text().decode("utf-8-sig")
    assert as_text().startswith(b"\xef\xbb\xbf")
    for mess in (
        ";0,",
        ".03.20",
        ";ja;",
        "k.A.",
        "<1:80",
        "  ",
        ";;\r\n",
        "ja (Echo)",
        ";12.",
        "\nvom",
        "Leipzig",
    ):
        assert mess in text
    assert HEADER[-2:] == ("", "")
    assert as_excel().startswith(b"PK")
    assert (as_text(), as_excel()) == (as_text(), as_excel())


def test_a_draft_says_of_a_further_column_what_it_holds_and_shows_no_remark(tmp_path):
    table, draft = tmp_path / "more.csv", tmp_path / "more.toml"
    remarks = [f"seen on the ward by somebody else on day {row}" for row in range(30)]
    rows = [
        f"p{row},{200 + row},0,maybe {row},,yes,1.5,{remarks[row]},{'a' if row % 2 else 'b'}"
        for row in range(30)
    ]
    header = "id,time_days,status,cardiac_involvement,blank,coded,weight,remark,ward"
    table.write_text("\n".join([header, *rows]), encoding="utf-8")
    assert command("describe", table, "--draft-map", draft).status == 0
    content = draft.read_text(encoding="utf-8")
    for name, what in (
        ("blank", "empty, 30 missing"),
        ("coded", "yes or no, 0 missing"),
        ("weight", "numbers, 0 missing"),
        ("remark", "text, 0 missing"),
        ("ward", "2 different words, 0 missing"),
    ):
        assert f'# [candidates."{name}"]  # {what}' in content
    assert not any(word in content for word in ("somebody else", "maybe 7"))
