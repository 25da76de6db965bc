"""A second, independent reading of the clinical rules, slow and obvious, for comparison with the product."""

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

from . import facts, tables
from .advice import rule_E3_questions, rule_V6_indicator, rule_V6_silent, rule_V7_suggestions
from .barring import PREDICTORS, features_of, rule_S5_failed, rule_U_rows
from .bundles import read
from .context import rule_X1_context, rule_Z1_srp_refractory
from .eligibility import read_answers, rule_E_eligibility
from .followup import rule_V_follow_up
from .landmark import rule_S11_baseline, rule_S11_landmark
from .phase import rule_R_activity
from .score import rule_S_score
from .times import parse_time

RULES = "2"
FEEDS_ELIGIBILITY = {"patient", "conditions", "antibodies"}


def assess_bundle(
    resources_or_bundle,
    as_of,
    *,
    accept_unknown_status=False,
    time_zone="UTC",
    any_encounter_counts=True,
    site_map=(),
    also_known_as=(),
    base="",
    patient_id="",
    failed=(),
    not_offered=(),
    model=None,
    tables_dir: Path = tables.TABLES_DIR,
) -> dict:
    """The machine-readable answer of one patient's record, without cards; `model`: an artefact with landmarks."""
    zone = UTC if time_zone == "UTC" else ZoneInfo(time_zone)
    options = {
        "accept_unknown_status": accept_unknown_status,
        "any_encounter_counts": any_encounter_counts,
        "also_known_as": also_known_as,
        "base": base,
        "patient_id": patient_id,  # whose chart it is, where the Patient itself could not be read
        "failed": failed,
        "not_offered": not_offered,
    }
    known = {**tables.load(tables_dir), "site_codes": list(site_map)}
    record = facts.build(read(resources_or_bundle), moment(as_of), zone, known, options)
    read_answers(record)
    answer = {"as_of": record["as_of"], "eligibility": rule_E_eligibility(record), "model": {"rules": RULES}}
    state = answer["eligibility"]["state"]
    features = features_of(record)
    answer["features"] = features
    answer["doubts"] = rule_U_rows(record, features, state)
    if state == "unknown":
        answer["outcome"] = "eligibility-unknown"
    elif state in ("definite", "probable"):
        if model is not None:
            answer["landmark"] = rule_S11_landmark(record, model)
            model = rule_S11_baseline(model, answer["landmark"]["days"])
        answer.update(rule_S_score(features, incomplete=incomplete(record), model=model))
    else:
        answer["outcome"] = "not-eligible"
    if state not in ("none", "unknown"):
        answer["activity"] = rule_R_activity(record)
        answer["context"] = rule_X1_context(record)
        answer["srp_refractory"] = rule_Z1_srp_refractory(record, features["treatment_refractory"])
    if answer["outcome"] in ("scored", "abstained"):
        answer.update(advice_of(record, answer))
    elif state == "possible":
        answer["suggestions"] = rule_E3_questions(record)
    answer["refused"] = sorted(record["refused"], key=lambda row: (row["resource"], row["reason"]))
    answer["notes"] = sorted({note["rule"] for note in record["notes"]})
    return answer


def advice_of(record: dict, answer: dict) -> dict:
    """The follow-up table in its column (V5), what is offered, how loud the card is and whether it stays away."""
    column = answer.get("column", "intermediate")
    with_table = {**answer, "follow_up": rule_V_follow_up(record, column, answer["activity"]["phase"])}
    return {
        "follow_up": with_table["follow_up"],
        "suggestions": rule_V7_suggestions(record, with_table),
        "indicator": rule_V6_indicator(with_table),
        "silent": rule_V6_silent(record, with_table),
    }


def moment(as_of) -> datetime:
    """`as_of` as an instant; a bare date is its first instant, UTC."""
    if isinstance(as_of, datetime):
        return as_of.astimezone(UTC)
    return parse_time(as_of, UTC)["first"]


def incomplete(record: dict) -> bool:
    """S5: did a query that feeds eligibility or a predictor fail?"""
    feeding = (rule_S5_failed(record, name) for name in PREDICTORS)
    return bool(FEEDS_ELIGIBILITY & record["failed"]) or any(feeding)


def as_number(value):
    """A whole number as int, anything else as float, for comparison with the product's JSON."""
    exact = Fraction(value)
    return int(exact) if exact.denominator == 1 else float(exact)
