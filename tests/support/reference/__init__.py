"""A second, independent reading of the clinical rules, slow and obvious, for comparison with the product."""

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

from . import facts, tables
from .barring import PREDICTORS, rule_U_rows
from .bundles import read
from .context import rule_X1_context, rule_Z1_srp_refractory
from .eligibility import read_answers, rule_E_eligibility
from .followup import rule_V_follow_up, rule_V_statin
from .relapse import rule_R_activity
from .score import rule_S_score
from .times import parse_time

RULES = "2-part"
MEDICATIONS = {
    "medicationRequests",
    "medicationStatements",
    "medicationDispenses",
    "medicationAdministrations",
}
SOURCES_OF = {  # S5: the queries that feed each predictor
    "cardiac_involvement": {"conditions", "cardiacTests"},
    "high_ana": {"ana"},
    "treatment_refractory": {"enzymes", *MEDICATIONS},
    "high_drr": {"conditions", "enzymes"},
}
FEEDS_THE_SCORE = {"patient", "antibodies"}.union(*SOURCES_OF.values())


def assess_bundle(
    resources_or_bundle,
    as_of,
    *,
    accept_unknown_status=False,
    time_zone="UTC",
    any_encounter_counts=True,
    site_map=(),
    also_known_as=(),
    failed=(),
    not_offered=(),
    tables_dir: Path = tables.TABLES_DIR,
) -> dict:
    """The machine-readable answer of one patient's record, without cards."""
    zone = UTC if time_zone == "UTC" else ZoneInfo(time_zone)
    options = {
        "accept_unknown_status": accept_unknown_status,
        "any_encounter_counts": any_encounter_counts,
        "also_known_as": also_known_as,
        "failed": failed,
        "not_offered": not_offered,
    }
    known = {**tables.load(tables_dir), "site_codes": list(site_map)}
    record = facts.build(read(resources_or_bundle), moment(as_of), zone, known, options)
    read_answers(record)
    answer = {"as_of": record["as_of"], "eligibility": rule_E_eligibility(record), "model": {"rules": RULES}}
    state = answer["eligibility"]["state"]
    found = {name: rule(record) for name, rule in PREDICTORS.items()}
    answer["doubts"] = rule_U_rows(record, found)
    features = {name: rule_S5_not_read(record, name, feature) for name, feature in found.items()}
    answer["features"] = features
    if state == "unknown":
        answer["outcome"] = "eligibility-unknown"
    elif state in ("definite", "probable"):
        answer.update(rule_S_score(known, features, incomplete=incomplete(record, site_map)))
    else:
        answer["outcome"] = "not-eligible"
    if answer["outcome"] == "scored":
        answer["follow_up"] = rule_V_follow_up(record, answer["column"])
    elif answer["outcome"] == "abstained":
        answer["follow_up"] = rule_V_statin(record)
    if state not in ("none", "unknown"):
        answer["activity"] = rule_R_activity(record)
        answer["context"] = rule_X1_context(record)
        answer["srp_refractory"] = rule_Z1_srp_refractory(record, features["treatment_refractory"])
    answer["refused"] = sorted(record["refused"], key=lambda row: (row["resource"], row["reason"]))
    answer["notes"] = sorted({note["rule"] for note in record["notes"]})
    return answer


def rule_S5_not_read(record: dict, name: str, feature: dict) -> dict:
    """S5, F9: a predictor whose source failed is missing, `not read`; what was read to be present stays."""
    if feature["state"] == "present" or not SOURCES_OF[name] & record["failed"]:
        return feature
    return {"state": "missing", "rule": feature["rule"], "stale": feature["stale"], "reason": "not read"}


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
