"""The sample patients against their hand-written goldens."""

import pytest

from tests.golden.charts import GOLDENS, NAMES, cards, explained


def test_every_sample_patient_has_a_golden():
    assert set(NAMES) == set(GOLDENS) - {"base_day"}
    assert len(NAMES) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_states_band_and_outcome_are_those_written_by_hand(name):
    golden, answer = GOLDENS[name], explained(name)
    assert answer["eligibility"]["state"] == golden["eligibility"]
    assert answer["eligibility"]["subtype"] == golden["subtype"]
    assert answer["outcome"] == golden["outcome"]
    assert answer.get("band") == golden.get("band")
    features = answer["features"]
    assert {n: f["state"] for n, f in features.items()} == golden["predictors"]
    assert [n for n, f in features.items() if f["stale"]] == golden.get("stale", [])
    reasons = {n: features[n]["reason"] for n in golden.get("reasons", {})}
    assert reasons == golden.get("reasons", {})


@pytest.mark.parametrize("name", NAMES)
def test_risks_are_those_written_by_hand_to_four_digits(name):
    golden, answer = GOLDENS[name], explained(name)
    risk = {h: round(r["estimate"], 4) for h, r in answer.get("risk", {}).items()}
    assert risk == golden.get("risk", {})
    over = answer.get("range_over_unknowns", {}).get("2y", {})
    assert {end: round(risk, 4) for end, risk in over.items()} == golden.get("range_2y", {})


@pytest.mark.parametrize("name", NAMES)
def test_follow_up_is_that_written_by_hand(name):
    wanted = GOLDENS[name].get("follow_up", {})
    found = {item["item"]: item for item in explained(name).get("follow_up", [])}
    assert set(found) == set(wanted)
    for item, golden in wanted.items():
        same = {key: str(value) if key in {"last", "due"} else value for key, value in golden.items()}
        assert {key: found[item].get(key) for key in same} == same, item


@pytest.mark.parametrize("name", NAMES)
def test_disease_now_context_and_refusals_are_those_written_by_hand(name):
    golden, answer = GOLDENS[name], explained(name)
    activity = answer.get("activity", {})
    if "phase" in golden:
        assert activity["phase"] == golden["phase"]
    for key, value in golden.get("ck", {}).items():
        got = activity[key]["value"] if key in {"peak", "nadir"} else activity["ck"][key]
        assert round(got, 2) == value if isinstance(value, float) else got == value, key
    assert {c["finding"] for c in answer.get("context", [])} == set(golden.get("context", []))
    assert {r["resource"]: r["reason"] for r in answer["refused"]} == golden.get("refused", {})


@pytest.mark.parametrize("name", NAMES)
def test_why_not_what_next_and_the_published_factors_are_those_written_by_hand(name):
    golden, answer = GOLDENS[name], explained(name)
    assert answer.get("abstention", {}).get("code") == golden.get("abstention")
    assert answer.get("next_best_test", {}).get("predictor") == golden.get("next_best_test")
    assert answer.get("srp_refractory") == golden.get("srp_refractory")
    if "eligibility_reason" in golden:
        assert answer["eligibility"]["reason"] == golden["eligibility_reason"]


def test_nothing_is_written_by_hand_that_no_test_reads():
    read = {
        "eligibility",
        "eligibility_reason",
        "subtype",
        "outcome",
        "abstention",
        "band",
        "cards",
        "indicator",
    }
    read |= {
        "suggestions",
        "phase",
        "ck",
        "risk",
        "range_2y",
        "stale",
        "reasons",
        "next_best_test",
        "context",
    }
    read |= {"srp_refractory", "refused", "predictors", "follow_up"}
    assert {key for name in NAMES for key in GOLDENS[name]} == read


@pytest.mark.parametrize("name", NAMES)
async def test_the_card_without_prefetch_is_that_of_the_file(name):
    found = await cards(name)
    assert found == explained(name)["cards"]
    golden = GOLDENS[name]
    assert len(found) == golden.get("cards", 1)
    if found:
        assert found[0]["indicator"] == golden.get("indicator", "info")
        assert len(found[0].get("suggestions", [])) == golden.get("suggestions", 0)
