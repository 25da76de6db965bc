# ruff: noqa: N802 - the functions bear the ids of the rules
"""What each doubt changes (rules U4 to U6): the answers with it, without it, and with it alone."""

from .ana import rule_A3_high_ana
from .cardiac import rule_C_cardiac_involvement
from .drr import rule_D1_report_may_join, rule_D_high_drr
from .eligibility import read_answers, rule_E8_subtype, rule_U4_would_be
from .phase import rule_R4_left_open_by, rule_R4_phase
from .refractory import rule_T5_may_be_said, rule_T9_newer_ck, rule_T_treatment_refractory
from .statins import rule_V_statin_doubts
from .tables import number
from .values import over_limit

ORDER = (
    "eligibility",
    "subtype",
    "cardiac_involvement",
    "high_ana",
    "treatment_refractory",
    "high_drr",
    "phase",
    "statin",
    "silence",
)
PREDICTORS = {
    "cardiac_involvement": rule_C_cardiac_involvement,
    "high_ana": rule_A3_high_ana,
    "treatment_refractory": rule_T_treatment_refractory,
    "high_drr": rule_D_high_drr,
}


SOURCES_OF = {  # S5: the queries that feed each predictor
    "cardiac_involvement": {"conditions", "cardiacTests"},
    "high_ana": {"ana"},
    "treatment_refractory": {
        "enzymes",
        "procedures",
        "medicationRequests",
        "medicationStatements",
        "medicationDispenses",
        "medicationAdministrations",
    },
    "high_drr": {"conditions", "enzymes"},
}
AT_TIMES = {  # and those that feed it only where they may decide
    "treatment_refractory": ({"conditions", "reports"}, rule_T5_may_be_said),
    "high_drr": ({"reports"}, rule_D1_report_may_join),
}
MISSING_RULE = {
    "cardiac_involvement": "C6",
    "high_ana": "A3",
    "treatment_refractory": "T10",
    "high_drr": "D5",
}


def features_of(record: dict) -> dict:
    return {name: rule_S5_not_read(record, name, rule(record)) for name, rule in PREDICTORS.items()}


def rule_S5_not_read(record: dict, name: str, feature: dict) -> dict:
    """S5, F9: a predictor whose source failed is missing, `not read`; what was read to be present stays."""
    if feature["state"] == "present" or not rule_S5_failed(record, name):
        return feature
    return {"state": "missing", "rule": MISSING_RULE[name], "stale": False, "reason": "not read"}


def rule_S5_failed(record: dict, name: str) -> set[str]:
    """The failed queries that feed a predictor."""
    at_times, may_decide = AT_TIMES.get(name, (set(), bool))
    more = at_times & record["failed"]
    return SOURCES_OF[name] & record["failed"] | (more if more and may_decide(record) else set())


def with_doubts(record: dict, doubts: list, *, open_ck: bool) -> dict:
    """The same record, had it only these doubts, and no question that a CK leaves open (U4) where it says so."""
    return read_answers({**record, "doubts": list(doubts), "notes": [], "open_ck": open_ck})


def answers_of(record: dict) -> dict:
    """Whatever a doubt can change, as far as it can be compared."""
    held: dict = {name: comparable(feature) for name, feature in features_of(record).items()}
    return {
        **held,
        "subtype": rule_E8_subtype(record),
        "eligibility": rule_U4_would_be(record),
        "phase": rule_R4_phase(record),
    }


def comparable(feature: dict) -> tuple:
    return feature["state"], feature["rule"], feature.get("reason", "")


def rule_U6_bars(record: dict) -> dict:
    """For each doubt the answers that it changes: alone, or by being left out; of several redundant ones all."""
    doubts = record["doubts"]
    bars: dict = {doubt: set() for doubt in doubts}
    if not doubts:
        return bars
    none = answers_of(with_doubts(record, [], open_ck=False))
    every = answers_of(with_doubts(record, doubts, open_ck=True))
    changed = [name for name in every if every[name] != none[name]]
    if not changed:
        return bars
    for doubt in doubts:
        alone = answers_of(with_doubts(record, [doubt], open_ck=False))
        left = [other for other in doubts if other is not doubt]
        others = answers_of(with_doubts(record, left, open_ck=True))
        for name in changed:
            if alone[name] != none[name] or others[name] != every[name]:
                bars[doubt].add(name)
    if "eligibility" in changed and not any("eligibility" in held for held in bars.values()):
        for doubt in rule_U4_one_of_each(record):
            bars[doubt].add("eligibility")
    return bars


def rule_U4_one_of_each(record: dict) -> list:
    """Where it takes a diagnosis and an antibody, and of each there are several: those that complete the other sign."""
    antibodies = [doubt for doubt in record["doubts"] if doubt.role.startswith("anti-")]
    diagnoses = [doubt for doubt in record["doubts"] if doubt.role in ("core", "broad")]
    found = []
    for sign, other in ((antibodies, diagnoses), (diagnoses, antibodies)):
        before = rule_U4_would_be(with_doubts(record, other, open_ck=False))
        for doubt in sign:
            if rule_U4_would_be(with_doubts(record, [*other, doubt], open_ck=False)) != before:
                found.append(doubt)
    return found


def rule_U6_open(record: dict, features: dict, *, with_phase: bool) -> list[dict]:
    """Results that were read and left a question open: doubts for that question alone (F5)."""
    rows = []
    for name, feature in features.items():
        for result, role in feature.get("open", []):
            rows.append(row_of(result["name"], role, "interval", result["text"][:10], "code", {name}))
    for ck in rule_R4_left_open_by(record) if with_phase else ():
        rows.append(row_of(ck["name"], "ck", "interval", ck["text"][:10], "code", {"phase"}))
    if rule_U4_open_ck_matters(record):
        times = number(record["tables"], "eligibility.ck_times_uln")
        for ck in (result for result in record["results"] if result["analyte"] == "ck"):
            if over_limit(ck, times) is None:
                rows.append(row_of(ck["name"], "ck", "interval", ck["text"][:10], "code", {"eligibility"}))
    return rows


def rule_U4_open_ck_matters(record: dict) -> bool:
    """Do the CK results that leave E2's question open change eligibility, alone or by being left out?"""
    none, alone = (rule_U4_would_be(with_doubts(record, [], open_ck=counts)) for counts in (False, True))
    others, every = (
        rule_U4_would_be(with_doubts(record, record["doubts"], open_ck=counts)) for counts in (False, True)
    )
    return every != none and (alone != none or others != every)


def row_of(resource: str, role: str, reason: str, date: str, by: str, bars: set) -> dict:
    row = {"resource": resource, "role": role, "reason": reason, "by": by, "bars": set(bars)}
    return {**row, "date": date} if date else row


def rule_U_rows(record: dict, features: dict, state: str) -> list[dict]:
    """`doubts` of the answer: those that change something, and only what each changes."""
    bars = rule_U6_bars(record)
    with_phase = state not in ("none", "unknown")  # the phase is said where `activity` is
    if not with_phase:
        bars = {doubt: names - {"phase"} for doubt, names in bars.items()}
    for doubt in rule_V_statin_doubts(record):
        bars[doubt] |= {"statin"}
    if state in ("definite", "probable"):  # only their cards can be silent by V6
        for doubt in rule_T9_newer_ck(record):
            bars[doubt] |= {"silence"}
    rows = []
    for doubt, names in bars.items():
        rows.append(row_of(doubt.resource, doubt.role, doubt.reason, doubt.date, doubt.by, names))
    rows += rule_U6_open(record, features, with_phase=with_phase)
    merged: dict = {}
    for row in rows:
        key = (row["resource"], row["role"])
        if key in merged:
            merged[key]["bars"] |= row["bars"]
        elif row["bars"]:
            merged[key] = row
    for row in merged.values():
        row["bars"] = [name for name in ORDER if name in row["bars"] | {"silence"}]
    return [merged[key] for key in sorted(merged)]
