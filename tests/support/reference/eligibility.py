# ruff: noqa: N802 - the functions bear the ids of the rules
"""Is this an IMNM patient, and of which subtype (rules 2)?"""

from .answers import rule_E7_answer
from .drr import of_analyte
from .tables import number
from .times import completed_years, day_of, parse_time
from .values import over_limit

RELAPSING = ("relapse", "recurrence")


def rule_E7_antibody(record: dict, analyte: str) -> str:
    """positive if ever positive, else weak if ever weak, else negative, else nothing."""
    said = []
    for result in of_analyte(record, analyte):
        under_titre_code = "titre" in result["roles"]
        said.append(rule_E7_answer(record, result["resource"], under_titre_code, result))
    for answer in ("positive", "weak", "negative"):
        if answer in said:
            return answer
    return ""


def rule_E8_subtype(srp: str, hmgcr: str) -> str:
    if srp == "positive" and hmgcr == "positive":
        return "both"
    if srp == "positive":
        return "anti-SRP"
    if hmgcr == "positive":
        return "anti-HMGCR"
    if srp == "negative" and hmgcr == "negative":
        return "seronegative"
    return "unknown"


def rule_E2_is_broad(record: dict, condition: dict) -> bool:
    """G72.8, G72.89, G72.9 are broad only with antibody; G72.0, 8C80 and 66952001 only with anti-HMGCR."""
    srp, hmgcr = record["srp"] == "positive", record["hmgcr"] == "positive"
    roles = condition["roles"]
    if "broad" in roles:
        return True
    if "broad-antibody" in roles and (srp or hmgcr):
        return True
    return "broad-hmgcr" in roles and hmgcr


def rule_E_ck_high(record: dict) -> bool:
    """Ever CK > 5 x ULN."""
    times = number(record["tables"], "eligibility.ck_times_uln")
    return any(over_limit(ck, times) is True for ck in of_analyte(record, "ck"))


def rule_M1_broad_now(record: dict) -> bool:
    """A broad code that E2 and E3 use; an unconfirmed core code stands for one."""
    for condition in record["conditions"]:
        if not condition["eligible"]:
            continue
        if condition["confirmed"] and rule_E2_is_broad(record, condition):
            return True
        if not condition["confirmed"] and "core" in condition["roles"]:
            return True
    return False


def rule_E1_core(record: dict) -> bool:
    return any("core" in c["roles"] and c["confirmed"] and c["eligible"] for c in record["conditions"])


def rule_E9_onset(record: dict):
    """The earliest first instant over counted core and broad Conditions."""
    dated = []
    for condition in record["conditions"]:
        named = "core" in condition["roles"] or rule_E2_is_broad(record, condition)
        if named and condition["confirmed"] and condition["when"]:
            dated.append(condition["when"]["first"])
    return min(dated, default=None)


def rule_E5_excluded(record: dict) -> str:
    """deceased, unknown birth date, minor, or nothing."""
    patient, zone, as_of = record["patient"], record["zone"], record["as_of"]
    resource = patient["resource"]
    died = parse_time(resource.get("deceasedDateTime"), zone)
    unreadable = bool(resource.get("deceasedDateTime")) and died is None
    if resource.get("deceasedBoolean") is True or unreadable or (died and died["first"] <= as_of):
        return "deceased"
    age = age_at(record)
    if age is None:
        return "unknown birth date"
    return "minor" if age < number(record["tables"], "eligibility.adult_age") else ""


def age_at(record: dict) -> int | None:
    """Completed years from the last possible birth date; None if unknown or not yet born."""
    zone, as_of = record["zone"], record["as_of"]
    born = parse_time(record["patient"]["born"], zone)
    if born is None or born["first"] > as_of:
        return None
    return completed_years(day_of(born["last"], zone), day_of(as_of, zone))


def rule_E_eligibility(record: dict) -> dict:
    """State and subtype; the antibodies and the onset are kept for the other rules."""
    record["srp"] = rule_E7_antibody(record, "anti-srp")
    record["hmgcr"] = rule_E7_antibody(record, "anti-hmgcr")
    record["onset"] = rule_E9_onset(record)
    subtype = rule_E8_subtype(record["srp"], record["hmgcr"])
    antibody = "positive" in (record["srp"], record["hmgcr"])
    evidence = [rule_M1_broad_now(record), antibody, rule_E_ck_high(record)]
    if rule_E1_core(record):
        state = "definite"
    elif all(evidence):
        state = "probable"
    elif sum(evidence) >= 2:
        state = "possible"
    else:
        state = "none"
    reason = ""
    if state in ("definite", "probable"):
        reason = rule_E5_excluded(record)
        state = "excluded" if reason else state
    return {"state": state, "reason": reason, "subtype": subtype}
