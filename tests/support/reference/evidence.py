# ruff: noqa: N802 - the functions bear the ids of the rules
"""What says that a part of the follow-up was done, or is ordered (rules V1, V3)."""

from datetime import timedelta

from .absence import rule_U1_says_no_result
from .tables import as_text, canonical_system, codings_of, load_model
from .times import day_of

EVIDENCE: dict[str, dict] = {
    "visit": {},
    "ck": {"results": ("ck",), "orders": ("ck",)},
    "ast": {"results": ("ast",), "orders": ("ast", "ast-alt-panel")},
    "alt": {"results": ("alt",), "orders": ("alt", "ast-alt-panel")},
    "troponin-i": {"results": ("troponin-i",), "orders": ("troponin-i",)},
    "ecg": {"done": ("ecg",), "kinds": ("Procedure", "DiagnosticReport"), "orders": ("ecg",)},
    "echo": {
        "results": ("lvef",),
        "done": ("echo",),
        "kinds": ("Procedure", "DiagnosticReport"),
        "orders": ("echo", "lvef"),
    },
    "lung-function": {
        "results": ("fvc", "dlco"),
        "done": ("fvc", "dlco"),
        "kinds": ("DiagnosticReport",),
        "orders": ("fvc", "dlco"),
    },
    "chest-ct": {
        "done": ("chest-ct",),
        "kinds": ("Procedure", "DiagnosticReport"),
        "orders": ("chest-ct",),
    },
    "anti-srp": {"answers": ("anti-srp",), "orders": ("anti-srp",)},
    "anti-hmgcr": {"answers": ("anti-hmgcr",), "orders": ("anti-hmgcr",)},
    "ana": {"orders": ("ana",)},
}
SOURCES: dict[str, set[str]] = {
    "visit": {"encounters"},
    "ck": {"enzymes"},
    "ast": {"enzymes"},
    "alt": {"enzymes"},
    "troponin-i": {"cardiacTests"},
    "ecg": {"procedures", "reports"},
    "echo": {"cardiacTests", "procedures", "reports"},
    "lung-function": {"lungFunction", "reports"},
    "chest-ct": {"procedures", "reports"},
    "anti-srp": {"antibodies"},
    "anti-hmgcr": {"antibodies"},
}


def rule_V2_unread(record: dict, part: str) -> bool:
    """Could one of the sources of a part not be read, or is it not offered?"""
    return bool(SOURCES[part] & (record["failed"] | record["not_offered"]))


def rule_V1_times(record: dict, part: str) -> list:
    """When a part was done; a result whose value alone could not be used was done all the same."""
    evidence = EVIDENCE[part]
    found = []
    for result in [*record["results"], *record["unread_results"]]:
        measured = result["analyte"] in evidence.get("results", ())
        if measured and not rule_U1_says_no_result(record, result["resource"]):
            found.append(result["last"])
    for result in record["results"]:
        if result["analyte"] in evidence.get("answers", ()) and result["answer"]:
            found.append(result["last"])
    for fact in record["done"]:
        kind = fact["resource"]["resourceType"]
        if kind in evidence.get("kinds", ()) and fact["roles"] & set(evidence["done"]):
            found.append(fact["last"])
    return found


def rule_V1_last_done(record: dict, part: str):
    """The calendar day on which a part was last done."""
    return max((day_of(time, record["zone"]) for time in rule_V1_times(record, part)), default=None)


def asks_for(record: dict, plan: dict, part: str) -> bool:
    """An order with one of the codes of a part, or with the code that we would order."""
    if plan["kind"] != "ServiceRequest":
        return False
    if plan["roles"] & set(EVIDENCE[part].get("orders", ())):
        return True
    policy = load_model()[1]
    order = policy["orders"][part]
    wanted = (policy["vocabularies"][order["vocabulary"]], order["code"])
    codings = codings_of(plan["resource"].get("code") or {})
    held = [(canonical_system(record["tables"], as_text(c.get("system"))), c.get("code")) for c in codings]
    return wanted in held


def rule_V3_ordered(record: dict, part: str, interval: timedelta | None) -> bool:
    """An active order for the part, written at most one interval ago; without an interval any active one."""
    for plan in record["plans"]:
        if not asks_for(record, plan, part):
            continue
        made = plan["made"]
        if made is not None and made["first"] > record["as_of"]:
            continue
        if interval is None:
            return True
        if made is not None and record["as_of"] - min(made["last"], record["as_of"]) <= interval:
            return True
    return False
