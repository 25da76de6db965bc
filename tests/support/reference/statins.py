# ruff: noqa: N802 - the functions bear the ids of the rules
"""The statin row (rules 7): a statin in anti-HMGCR disease, or where nobody asked for the antibody."""

from .exposures import class_of

LISTS = ("MedicationRequest", "MedicationStatement")
ENDED = ("completed", "stopped", "on-hold")


def is_statin(record: dict, ingredient: str) -> bool:
    known = record["tables"]["agents"]
    return ingredient in known and class_of(record, ingredient) == "statin"


def rule_V_statin_asks(record: dict) -> bool:
    """anti-HMGCR is positive; or neither antibody is, and anti-HMGCR has no result."""
    hmgcr, srp = record["hmgcr"], record["srp"]
    return hmgcr == "positive" or (srp != "positive" and not hmgcr)


def rule_V_statin_listed(record: dict) -> bool:
    """Is an active statin on the medication list? One without a date is."""
    if record.get("undated_statin"):
        return True
    return any(
        is_statin(record, one["ingredient"]) and one["kind"] in LISTS and one["status"] == "active"
        for one in record["treatments"]
    )


def rule_V_statin_doubts(record: dict) -> list:
    """What leaves the row open: statins by words or as a doubt, and beside a statin such an anti-HMGCR."""
    statins = []
    for doubt in record["doubts"]:
        listed = doubt.resource.split("/")[0] in LISTS
        if is_statin(record, doubt.role) and listed and doubt.status not in ENDED:
            statins.append(doubt)
    listed = rule_V_statin_listed(record)
    if rule_V_statin_asks(record):
        return [] if listed else statins
    antibody = [doubt for doubt in record["doubts"] if doubt.role == "anti-hmgcr"]
    return antibody + statins if antibody and (statins or listed) else []


def rule_V_statin(record: dict) -> list[dict]:
    """The row, where there is one."""
    if rule_V_statin_asks(record) and rule_V_statin_listed(record):
        return [{"item": "statin", "state": "warn"}]
    return [{"item": "statin", "state": "unknown"}] if rule_V_statin_doubts(record) else []
