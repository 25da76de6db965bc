# ruff: noqa: N802 - the functions bear the ids of the rules
"""Context beside the score, and the published factors of refractory anti-SRP disease (rules X1 to X4, Z1)."""

from .absence import rule_U1_says_no_result
from .cardiac import counted
from .drr import of_analyte, same_specimen
from .eligibility import age_at, rule_E9_onset
from .falls import rule_X2_fall
from .statins import is_statin
from .tables import number
from .times import days


def latest(record: dict, analyte: str) -> dict | None:
    return max(
        of_analyte(record, analyte), key=lambda result: (result["last"], result["value"]), default=None
    )


def rule_X1_lymphopenia(record: dict) -> bool:
    """Is one of the latest counts, which are mostly one, surely below its own limit?"""
    newest = latest(record, "lymphocytes")
    counts = [one for one in of_analyte(record, "lymphocytes") if newest and one["last"] == newest["last"]]
    return any(one["lln"] is not None and one["magnitude"].below(one["lln"]) is True for one in counts)


def rule_X1_nlr(record: dict) -> bool:
    for neutrophils in of_analyte(record, "neutrophils"):
        for lymphocytes in of_analyte(record, "lymphocytes"):
            if not (neutrophils["magnitude"].exact and lymphocytes["magnitude"].exact):
                continue
            times = [(one["first"], one["last"]) for one in (neutrophils, lymphocytes)]
            if lymphocytes["value"] and (same_specimen(neutrophils, lymphocytes) or times[0] == times[1]):
                return True
    return False


def rule_X1_exposed(record: dict, ingredient: str) -> bool:
    """A statin or checkpoint inhibitor begun before myositis onset."""
    onset = record["onset"]
    taken = []
    for one in record["treatments"]:
        statin = ingredient == "statin" and is_statin(record, one["ingredient"])
        if statin or one["ingredient"] == ingredient:
            taken.append(one["start"])
    return onset is not None and any(start < onset for start in taken)


def rule_X3_cancer_window(record: dict) -> bool:
    """Until 1,096 days after myositis onset, malignancy or not."""
    window = days(number(record["tables"], "context.cancer_days"))
    return record["onset"] is not None and record["as_of"] - record["onset"] <= window


def rule_X4_childhood_onset(record: dict) -> bool:
    """Onset, by its last possible instant, before the 18th birthday of somebody who is an adult now."""
    adult = number(record["tables"], "eligibility.adult_age")
    latest = rule_E9_onset(record, "last")
    now = age_at(record)
    if latest is None or now is None or now < adult:
        return False
    return age_at(record, latest) < adult


def rule_X1_context(record: dict) -> list[str]:
    holds = {
        "ild": bool(counted(record, "ild")),
        "lymphopenia": rule_X1_lymphopenia(record),
        "ldh": latest(record, "ldh") is not None,
        "hbdh": latest(record, "hbdh") is not None,
        "nlr": rule_X1_nlr(record),
        "dysphagia": bool(counted(record, "dysphagia")),
        "malignancy": bool(counted(record, "malignancy")),
        "cancer-window": rule_X3_cancer_window(record),
        "childhood-onset": rule_X4_childhood_onset(record),
        "fvc-fall": rule_X2_fall(record, "fvc") is not None,
        "lvef-fall": rule_X2_fall(record, "lvef") is not None,
        "statin": rule_X1_exposed(record, "statin"),
        "checkpoint-inhibitor": rule_X1_exposed(record, "checkpoint-inhibitor"),
    }
    return [name for name, held in holds.items() if held]


def rule_Z1_srp_refractory(record: dict, refractory: dict) -> dict | None:
    """Only for anti-SRP positive patients whose refractory state is not known."""
    if record["srp"] != "positive" or refractory["state"] not in ("missing", "indeterminate"):
        return None
    answered = [one for one in record["results"] if not rule_U1_says_no_result(record, one["resource"])]
    facts = [*answered, *record["done"], *(c for c in record["conditions"] if c["confirmed"])]
    scanned = any("chest-ct" in fact["roles"] for fact in facts)
    weak = any("severe-weakness" in fact["roles"] for fact in facts)
    perhaps = any("ild" in one["roles"] for one in [*record["conditions"], *record["unread_conditions"]])
    sex = record["patient"]["sex"]
    return {
        "male": {"male": "present", "female": "absent"}.get(sex, "missing"),
        "severe_weakness": "present" if weak else "missing",
        "ild": "present" if counted(record, "ild") else "absent" if scanned and not perhaps else "missing",
    }
