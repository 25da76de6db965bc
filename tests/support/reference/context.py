# ruff: noqa: N802 - the functions bear the ids of the rules
"""Context beside the score, and the published factors of refractory anti-SRP disease (rules X1, Z1)."""

from .cardiac import counted
from .drr import of_analyte, same_specimen


def latest(record: dict, analyte: str) -> dict | None:
    return max(
        of_analyte(record, analyte), key=lambda result: (result["last"], result["value"]), default=None
    )


def rule_X1_lymphopenia(record: dict) -> bool:
    newest = latest(record, "lymphocytes")
    if newest is None or newest["lln"] is None:
        return False
    return newest["magnitude"].below(newest["lln"]) is True


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
    taken = [one["start"] for one in record["treatments"] if one["ingredient"] == ingredient]
    return onset is not None and any(start < onset for start in taken)


def rule_X1_context(record: dict) -> list[str]:
    holds = {
        "ild": bool(counted(record, "ild")),
        "lymphopenia": rule_X1_lymphopenia(record),
        "ldh": latest(record, "ldh") is not None,
        "hbdh": latest(record, "hbdh") is not None,
        "nlr": rule_X1_nlr(record),
        "dysphagia": bool(counted(record, "dysphagia")),
        "malignancy": bool(counted(record, "malignancy")),
        "statin": rule_X1_exposed(record, "statin"),
        "checkpoint-inhibitor": rule_X1_exposed(record, "checkpoint-inhibitor"),
    }
    return [name for name, held in holds.items() if held]


def rule_Z1_srp_refractory(record: dict, refractory: dict) -> dict | None:
    """Only for anti-SRP positive patients whose refractory state is not known."""
    if record["srp"] != "positive" or refractory["state"] not in ("missing", "indeterminate"):
        return None
    facts = [*record["results"], *record["done"], *(c for c in record["conditions"] if c["confirmed"])]
    scanned = any("chest-ct" in fact["roles"] for fact in facts)
    weak = any("severe-weakness" in fact["roles"] for fact in facts)
    sex = record["patient"]["sex"]
    return {
        "male": {"male": "present", "female": "absent"}.get(sex, "missing"),
        "severe_weakness": "present" if weak else "missing",
        "ild": "present" if counted(record, "ild") else "absent" if scanned else "missing",
    }
