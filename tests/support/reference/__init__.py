"""A second, independent reading of the clinical rules, slow and obvious, for comparison with the product."""

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

from . import facts, tables
from .ana import rule_A3_high_ana
from .bundles import read
from .cardiac import rule_C_cardiac_involvement
from .context import rule_X1_context, rule_Z1_srp_refractory
from .drr import rule_D_high_drr
from .eligibility import rule_E_eligibility
from .followup import rule_V_follow_up, rule_V_statin
from .refractory import rule_T_treatment_refractory
from .relapse import rule_R_activity
from .score import rule_S_score
from .times import parse_time

FEEDS_THE_SCORE = {
    "patient",
    "conditions",
    "antibodies",
    "ana",
    "enzymes",
    "cardiacTests",
    "medicationRequests",
    "medicationStatements",
    "medicationDispenses",
    "medicationAdministrations",
}


def assess_bundle(
    resources_or_bundle,
    as_of,
    *,
    accept_unknown_status=False,
    time_zone="UTC",
    any_encounter_counts=True,
    site_map=(),
    failed=(),
    not_offered=(),
    tables_dir: Path = tables.TABLES_DIR,
) -> dict:
    """The machine-readable answer of one patient's record, without cards."""
    zone = UTC if time_zone == "UTC" else ZoneInfo(time_zone)
    options = {
        "accept_unknown_status": accept_unknown_status,
        "any_encounter_counts": any_encounter_counts,
        "failed": failed,
        "not_offered": not_offered,
    }
    known = {**tables.load(tables_dir), "site_codes": list(site_map)}
    record = facts.build(read(resources_or_bundle), moment(as_of), zone, known, options)
    answer = {"as_of": record["as_of"], "eligibility": rule_E_eligibility(record)}
    features = {
        "cardiac_involvement": rule_C_cardiac_involvement(record),
        "high_ana": rule_A3_high_ana(record),
        "treatment_refractory": rule_T_treatment_refractory(record),
        "high_drr": rule_D_high_drr(record),
    }
    answer["features"] = features
    state = answer["eligibility"]["state"]
    if state in ("definite", "probable"):
        answer.update(rule_S_score(features, incomplete(record, site_map)))
    else:
        answer["outcome"] = "not-eligible"
    if answer["outcome"] == "scored":
        answer["follow_up"] = rule_V_follow_up(record, answer["column"])
    elif answer["outcome"] == "abstained":
        answer["follow_up"] = rule_V_statin(record)
    if state != "none":
        answer["activity"] = rule_R_activity(record)
        answer["context"] = rule_X1_context(record)
        answer["srp_refractory"] = rule_Z1_srp_refractory(record, features["treatment_refractory"])
    answer["refused"] = sorted(record["refused"], key=lambda row: (row["resource"], row["reason"]))
    answer["notes"] = sorted({note["rule"] for note in record["notes"]})
    return answer


def moment(as_of) -> datetime:
    """`as_of` as an instant; a bare date is its first instant, UTC."""
    if isinstance(as_of, datetime):
        return as_of.astimezone(UTC)
    return parse_time(as_of, UTC)["first"]


def incomplete(record: dict, site_map) -> bool:
    """S5: did a query that feeds eligibility or a predictor fail?"""
    feeding = set(FEEDS_THE_SCORE)
    if any(role.split()[0] == "plasma-exchange" for _, _, role in site_map):
        feeding.add("procedures")
    return bool(feeding & record["failed"])


def as_number(value):
    """A whole number as int, anything else as float, for comparison with the product's JSON."""
    exact = Fraction(value)
    return int(exact) if exact.denominator == 1 else float(exact)
