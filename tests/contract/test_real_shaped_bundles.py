"""What `imnm-cds explain` says of FHIR files of real shape, against tables written by hand from files and rules.

The tables are `tests/data/fhir-samples/*/expected.toml`; their heads say how to read them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cds_service.commands.explain import explain

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "data" / "fhir-samples"
SINGLE_RESOURCES = sorted((SAMPLES / "us-core-examples").glob("*.json"))
PREDICTORS = ("cardiac_involvement", "high_ana", "treatment_refractory", "high_drr")
SHARED = (*PREDICTORS, "ck_latest", "ck_peak", "ck_nadir", "context", "notes", "notes_open")
CARDS = {"scored": 1, "abstained": 1}
CARDS_NOT_ELIGIBLE = {"none": 0, "unknown": 0, "possible": 1, "excluded": 1}


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One question put to one Bundle, and what a clinician expects."""

    name: str
    folder: Path
    patient: dict[str, Any]
    expected: dict[str, Any]

    @property
    def as_of(self) -> datetime:
        day: date = self.expected.get("as_of", self.patient["as_of"])
        return datetime.combine(day, time(), tzinfo=UTC)

    def bundle(self) -> dict[str, Any]:
        """The Bundle of the row, with what the row adds to it."""
        bundle = self._as_published()
        reference = _subject_as_the_bundle_writes_it(bundle)
        if self.expected["overlay"] == "core":
            bundle["entry"].append({"resource": _core(reference, self.patient["core_onset"])})
        if self.expected["overlay"] == "srp":
            bundle["entry"].append({"resource": _positive_srp(reference, self.patient["srp_date"])})
        return bundle

    def _as_published(self) -> dict[str, Any]:
        if "file" in self.patient:
            bundle: dict[str, Any] = _read(self.folder / self.patient["file"])
            return bundle
        resources = [_read(self.folder / name) for name in self.patient["files"]]
        entries = [{"resource": resource} for resource in resources]
        return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _subject_as_the_bundle_writes_it(bundle: dict[str, Any]) -> dict[str, Any]:
    resources = [entry["resource"] for entry in bundle["entry"]]
    with_subject = [resource["subject"]["reference"] for resource in resources if "subject" in resource]
    patient = next(resource for resource in resources if resource["resourceType"] == "Patient")
    return {"reference": with_subject[0] if with_subject else f"Patient/{patient['id']}"}


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def _core(subject: dict[str, Any], onset: date) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": "overlay-core",
        "clinicalStatus": _concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"),
        "verificationStatus": _concept(
            "http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed"
        ),
        "code": _concept("http://snomed.info/sct", "715863001"),
        "subject": subject,
        "onsetDateTime": onset.isoformat(),
    }


def _positive_srp(subject: dict[str, Any], taken: date) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "overlay-srp",
        "status": "final",
        "code": _concept("http://loinc.org", "33921-8"),
        "subject": subject,
        "effectiveDateTime": taken.isoformat(),
        "valueCodeableConcept": {**_concept("http://snomed.info/sct", "10828004"), "text": "Positive"},
    }


def _rows() -> Iterator[Row]:
    for table in sorted(SAMPLES.glob("*/expected.toml")):
        for patient_name, patient in tomllib.loads(table.read_text(encoding="utf-8")).items():
            for name, row in patient.items():
                if isinstance(row, dict):
                    yield Row(f"{patient_name} {name}", table.parent, patient, _completed(row, patient))


def _completed(row: dict[str, Any], patient: dict[str, Any]) -> dict[str, Any]:
    """The row with what it takes over from a sister row (`predictors_as`, `refused_as`)."""
    taken_over: dict[str, Any] = {}
    if "predictors_as" in row:
        sister = _completed(patient[row["predictors_as"]], patient)
        taken_over |= {key: sister[key] for key in SHARED if key in sister}
    if "refused_as" in row:
        sister = patient[row["refused_as"]]
        taken_over |= {key: sister[key] for key in ("refused", "refused_reason")}
    return taken_over | row


ROWS = list(_rows())


def _each_row(*keys: str) -> pytest.MarkDecorator:
    """The test runs for every row that has these keys; without keys, for every row."""
    return pytest.mark.parametrize(
        "row", [row for row in ROWS if set(keys) <= row.expected.keys()], ids=lambda row: row.name
    )


@cache
def _answer(row: Row) -> dict[str, Any]:
    accept = row.expected["accept_unknown_status"]
    answer: dict[str, Any] = explain(row.bundle(), as_of=row.as_of, accept_unknown_status=accept)
    return answer


def test_every_bundle_of_the_samples_has_its_rows() -> None:
    covered = {row.folder / row.patient["file"] for row in ROWS if "file" in row.patient}
    bundles = {path for path in SAMPLES.glob("*/*.json") if path not in SINGLE_RESOURCES}
    assert covered == bundles
    assert len(bundles) == 17


@_each_row()
def test_eligibility_subtype_and_outcome_are_those_of_the_table(row: Row) -> None:
    answer = _answer(row)
    eligibility = answer["eligibility"]
    assert (eligibility["state"], eligibility["subtype"]) == (
        row.expected["eligibility"],
        row.expected["subtype"],
    )
    if "reason" in row.expected:
        assert eligibility["reason"] == row.expected["reason"]
    assert answer["outcome"] == row.expected["outcome"]
    assert answer.get("abstention", {}).get("code") == row.expected.get("abstention")
    assert answer["patient"]["age"] == row.expected.get("age", row.patient["age"])
    assert answer["patient"].get("sex") == row.patient.get("sex")
    assert answer["as_of"] == f"{row.as_of:%Y-%m-%dT%H:%M:%SZ}"


@_each_row()
def test_the_evidence_for_eligibility_names_what_was_added(row: Row) -> None:
    eligibility = _answer(row)["eligibility"]
    added = {"core": "Condition/overlay-core", "srp": "Observation/overlay-srp"}.get(row.expected["overlay"])
    if added is not None and eligibility["state"] != "none":
        assert added in _resources(eligibility)


@pytest.mark.parametrize("predictor", PREDICTORS)
@_each_row()
def test_each_predictor_has_the_state_rule_and_reason_of_the_table(row: Row, predictor: str) -> None:
    feature = _answer(row)["features"][predictor]
    expected = row.expected[predictor]
    assert (feature["state"], feature["rule"]) == (expected["state"], expected["rule"])
    assert feature.get("stale", False) == expected.get("stale", False)
    if "reason" in expected:
        assert feature["reason"] == expected["reason"]
    assert set(expected.get("evidence", ())) <= _resources(feature)


@_each_row()
def test_the_ratio_is_made_of_the_chosen_ast_and_alt(row: Row) -> None:
    expected = row.expected["high_drr"]
    feature = _answer(row)["features"]["high_drr"]
    if "ratio" not in expected:
        assert expected["state"] in ("missing", "indeterminate")
        return
    chosen = {
        item["role"]: item["resource"] for item in feature["evidence"] if item["role"] in ("ast", "alt")
    }
    assert chosen == {role: f"Observation/{expected[role]}" for role in ("ast", "alt")}
    assert feature["value"] == pytest.approx(expected["ratio"], rel=1e-9)
    assert feature["date"] == expected["date"].isoformat()


@_each_row()
def test_the_ck_lines_are_those_of_the_table(row: Row) -> None:
    answer = _answer(row)
    if answer["eligibility"]["state"] in ("none", "unknown"):
        assert "activity" not in answer
        return
    activity = answer["activity"]
    for key, line in (("ck", "ck_latest"), ("peak", "ck_peak"), ("nadir", "ck_nadir")):
        _compare_ck(activity.get(key), row.expected.get(line))
    assert activity["possible_relapse"] is False


def _compare_ck(shown: dict[str, Any] | None, expected: dict[str, Any] | None) -> None:
    if expected is None:
        assert shown is None
        return
    assert shown is not None
    assert shown["value"] in expected.get("one_of", [expected.get("value")])
    assert (shown["unit"], shown["date"]) == ("U/L", expected["date"].isoformat())
    assert shown["times_uln"] == pytest.approx(shown["value"] / expected["limit"], rel=1e-9)


@_each_row()
def test_refused_resources_are_those_of_the_table(row: Row) -> None:
    refused = [(item["resource"], item["reason"]) for item in _answer(row).get("refused", [])]
    reason = row.expected.get("refused_reason")
    assert sorted(refused) == sorted((resource, reason) for resource in row.expected["refused"])


@_each_row()
def test_context_and_notes_are_those_of_the_table(row: Row) -> None:
    answer = _answer(row)
    if answer["eligibility"]["state"] in ("none", "unknown"):
        assert "context" not in answer
        return
    shown = {item["finding"]: _resources(item) for item in answer.get("context", [])}
    expected = {name: {resource} for name, resource in row.expected.get("context", {}).items()}
    if (
        row.expected["overlay"] == "core" and (row.as_of.date() - row.patient["core_onset"]).days <= 1096
    ):  # X3
        expected["cancer-window"] = {"Condition/overlay-core"}
    assert shown == expected
    assert answer.get("srp_refractory") == row.expected.get("srp_refractory")
    if "D7" not in row.expected.get("notes_open", ()):
        noted = {note["rule"] for note in answer.get("notes", [])}
        assert ("D7" in noted) == ("D7" in row.expected.get("notes", ()))


@_each_row()
def test_risk_and_band_are_given_only_where_scored_and_follow_up_to_an_imnm_patient(row: Row) -> None:
    answer = _answer(row)
    assert ("follow_up" in answer) == (row.expected["outcome"] in ("scored", "abstained"))
    if row.expected["outcome"] != "scored":
        assert not {"risk", "range_over_unknowns", "band"} & answer.keys()
        return
    assert answer["band"] == row.expected["band"]
    assert answer["risk"]["2y"]["estimate"] == pytest.approx(row.expected["estimate_2y"], abs=5e-5)
    ends = answer["range_over_unknowns"]["2y"]
    assert ends["lowest"] == pytest.approx(row.expected["lowest_2y"], abs=5e-5)
    assert ends["highest"] == pytest.approx(row.expected["highest_2y"], abs=5e-5)
    without = {name: item["risk_2y_without"] for name, item in answer["contributions"].items()}
    assert without == pytest.approx(row.expected["risk_2y_without"], abs=5e-5)
    _compare_follow_up({item["item"]: item for item in answer["follow_up"]}, row.expected)


def _compare_follow_up(shown: dict[str, dict[str, Any]], expected: dict[str, Any]) -> None:
    assert {item: line["state"] for item, line in shown.items()} == expected["follow_up"]
    enzymes, line = shown["ck-ast-alt"], expected["ck_ast_alt"]
    assert (enzymes["last"], enzymes["due"]) == (line["last"].isoformat(), line["due"].isoformat())
    assert enzymes["overdue_days"] == line["overdue_days"]


@_each_row("next_best_test")
def test_the_next_best_test_is_that_of_the_table(row: Row) -> None:
    assert _answer(row)["next_best_test"]["predictor"] == row.expected["next_best_test"]


@_each_row()
def test_one_card_where_there_is_something_to_say(row: Row) -> None:
    answer = _answer(row)
    state = answer["eligibility"]["state"]
    expected = CARDS.get(answer["outcome"], CARDS_NOT_ELIGIBLE.get(state, 1))
    if row.expected.get("reason") == "deceased":
        expected = 0
    assert len(answer["cards"]) == expected


@_each_row()
def test_the_order_of_entries_does_not_matter(row: Row) -> None:
    turned = row.bundle()
    turned["entry"].reverse()
    accept = row.expected["accept_unknown_status"]
    again = explain(turned, as_of=row.as_of, accept_unknown_status=accept)
    assert json.dumps(again) == json.dumps(_answer(row))


def _resources(item: dict[str, Any]) -> set[str]:
    return {evidence["resource"] for evidence in item.get("evidence", [])}


def _command_line(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cds_service", "explain", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False
    )


@pytest.mark.parametrize("path", SINGLE_RESOURCES, ids=lambda path: path.stem)
def test_a_single_resource_is_not_a_bundle(path: Path) -> None:
    run = _command_line(str(path), "--as-of", "2026-01-01", "--json")
    assert (run.returncode, run.stdout) == (2, "")
    assert len(run.stderr.splitlines()) == 1


def test_the_command_line_prints_the_answer_of_the_function() -> None:
    path = SAMPLES / "smart-ck-r4" / "smart-1627321.json"
    run = _command_line(str(path), "--as-of", "2012-08-17", "--accept-unknown-status", "--json")
    as_of = datetime(2012, 8, 17, tzinfo=UTC)
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout) == json.loads(
        json.dumps(explain(_read(path), as_of=as_of, accept_unknown_status=True))
    )
