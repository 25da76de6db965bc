"""What `make bench` compares is comparable: the floor and the natural pipeline read what we read, and steps are ours."""

import json
import subprocess
import sys

import pytest

from cds_service.commands.chart_file import read_bundle
from cds_service.commands.explain import caller_for, explain
from cds_service.settings.client import Client
from fhir_mapping.checks import judge
from tests.bench import floor, instructions, natural, steps
from tests.bench.charts import body
from tests.support.charts import AS_OF
from tests.support.service import TABLES
from tests.support.serving import ROOT


def bundle_of(data):
    """Every resource of a prefetch, as one Bundle."""
    values = json.loads(data)["prefetch"].values()
    entries = [e for v in values for e in (v.get("entry", []) if v["resourceType"] == "Bundle" else [{"resource": v}])]  # fmt: skip
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": e["resource"]} for e in entries]}  # fmt: skip


@pytest.fixture(scope="module")
def predictions():
    return natural.Predictions()


@pytest.mark.parametrize("observations", [20, 200, 2000])
@pytest.mark.parametrize("real", [False, True])
def test_the_natural_pipeline_reaches_our_band_and_risk(observations, real, predictions):
    data = body(observations, real=real)
    band, risk = natural.assess(json.loads(data)["prefetch"], AS_OF, predictions)
    ours = explain(bundle_of(data), as_of=AS_OF, accept_unknown_status=True)
    assert band == ours["band"]
    assert risk == pytest.approx(ours["risk"]["2y"]["estimate"], rel=0, abs=1e-9)


def test_the_natural_pipeline_is_silent_where_we_are(predictions):
    data = body(20, imnm=False)
    assert natural.assess(json.loads(data)["prefetch"], AS_OF, predictions) is None
    assert explain(bundle_of(data), as_of=AS_OF, accept_unknown_status=True)["cards"] == []


@pytest.mark.parametrize("real", [False, True])
def test_the_floor_reads_the_values_and_limits_that_we_read(real):
    data = body(50, real=real)
    results, diagnoses, treatments, visits, reports, doubts = floor.chart(data, floor.compiled(TABLES, AS_OF))
    caller = caller_for(Client(name="bench", accept_unknown_status=True))
    record = judge(read_bundle(json.dumps(bundle_of(data)).encode(), caller.mapping), AS_OF)
    read = {
        (r.analyte, r.when.first, r.id, r.amount.value, r.limits.high) for r in record.results if r.amount
    }
    assert {(name, when, id_, value, limit) for name, when, id_, value, _, limit in results if limit} == {
        row for row in read if row[-1]
    }
    assert len(results) == len(record.results)
    assert {row[-1] for row in diagnoses} == {d.id for d in record.diagnoses}
    assert {row[-1] for row in treatments} == {t.id for t in record.treatments}
    assert {row[-1] for row in visits} == {d.id for d in record.done if d.kind == "Encounter"}
    assert {row[-1] for row in reports} == {d.id for d in record.done if d.kind == "DiagnosticReport"}
    assert doubts == [] == list(record.doubts)


def test_every_step_of_the_pipeline_is_met_by_an_answer(tmp_path):
    file = tmp_path / "stretches.json"
    subprocess.run([sys.executable, "-m", "tests.bench.steps", file, "IMNM 20"], cwd=ROOT, check=True)
    stretches = json.loads(file.read_text())["IMNM 20"]
    assert set(stretches) == {steps.FLOOR, steps.ANSWER, steps.ELSEWHERE, steps.BETWEEN, *steps.STEPS}


def test_what_is_stored_is_what_is_measured():
    known = {name: set(ratios) for name, ratios in instructions.stored().items()}
    assert known == {key: {steps.ANSWER, steps.ELSEWHERE, *steps.STEPS} for key in steps.CASES}


def test_the_step_that_grew_is_named():
    before = dict.fromkeys((steps.ANSWER, steps.ELSEWHERE, *steps.STEPS), 0.5)
    assert instructions.grown({"empty": before}, {"empty": before}) == []
    assert instructions.grown({"empty": before | {steps.ANSWER: 0.51}}, {"empty": before}) == []
    after = before | {steps.ANSWER: 0.52, "find": 0.52}
    (said,) = instructions.grown({"empty": after}, {"empty": before})
    assert said == "empty: 0.52 × the floor, 0.50 is stored; find grew most, from 0.50 to 0.52"
