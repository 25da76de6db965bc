# ruff: noqa: N802 - the functions bear the ids of the rules
"""High De Ritis ratio, AST/ALT (rules 3.1)."""

from fractions import Fraction

from .tables import number
from .times import day_of, days
from .values import below, over_limit


def of_analyte(record: dict, *analytes: str) -> list[dict]:
    """Results of an analyte by time, then id."""
    found = [result for result in record["results"] if result["analyte"] in analytes]
    return sorted(found, key=lambda result: (result["last"], str(result["id"])))


def apart(one: dict, other: dict):
    return abs(one["last"] - other["last"])


def same_specimen(one: dict, other: dict) -> bool:
    return bool(one["specimen"]) and one["specimen"] == other["specimen"]


def different_specimens(one: dict, other: dict) -> bool:
    return bool(one["specimen"] and other["specimen"]) and one["specimen"] != other["specimen"]


def same_report(record: dict, one: dict, other: dict) -> bool:
    if different_specimens(one, other):
        return False
    limit = days(number(record["tables"], "high_drr.same_report_days"))
    listed = record["report_members"].values()
    together = any(one["name"] in members and other["name"] in members for members in listed)
    return together and apart(one, other) <= limit


def same_time(record: dict, one: dict, other: dict) -> bool:
    limit = days(number(record["tables"], "high_drr.same_time_days"))
    precise = all(result["precision"] in ("day", "time") for result in (one, other))
    return precise and apart(one, other) <= limit


def beside(record: dict, one: dict, other: dict) -> bool:
    """The same specimen, report or 24 h (D2)."""
    return same_specimen(one, other) or same_report(record, one, other) or same_time(record, one, other)


def rule_D1_pairs(record: dict) -> list[dict]:
    """Every result joins one pair: by specimen, then by report, then by time; the closest first."""
    free_ast, free_alt = of_analyte(record, "ast"), of_analyte(record, "alt")
    pairs = []
    for step in ("specimen", "report", "time"):
        candidates = []
        for ast in free_ast:
            for alt in free_alt:
                joined = {
                    "specimen": same_specimen(ast, alt),
                    "report": same_report(record, ast, alt),
                    "time": same_time(record, ast, alt),
                }[step]
                if joined:
                    candidates.append((apart(ast, alt), str(ast["id"]), str(alt["id"]), ast, alt))
        for _, _, _, ast, alt in sorted(candidates, key=lambda candidate: candidate[:3]):
            if ast in free_ast and alt in free_alt:
                free_ast.remove(ast)
                free_alt.remove(alt)
                pairs.append(make_pair(record, ast, alt, step))
    return pairs


def make_pair(record: dict, ast: dict, alt: dict, step: str) -> dict:
    later = max(ast, alt, key=lambda result: result["last"])
    low_alt = below(alt["value"], alt["comparator"], number(record["tables"], "high_drr.alt_at_least"))
    return {
        "ast": ast,
        "alt": alt,
        "last": later["last"],
        "text": later["text"],
        "same_specimen": step == "specimen",
        "id": str(ast["id"]),
        "ratio": Fraction(ast["value"]) / Fraction(alt["value"]),
        "bounds": ratio_bounds(ast, alt),
        "refused": low_alt is True,
        "rule": "D6" if ast["comparator"] or alt["comparator"] else "D5",
    }


def ratio_bounds(ast: dict, alt: dict) -> tuple[bool, bool, bool]:
    """Does the written ratio bound the true one from below, from above, and strictly (D6)?"""
    signs = (ast["comparator"], alt["comparator"])
    lower = signs[0] in ("", ">", ">=") and signs[1] in ("", "<", "<=")
    upper = signs[0] in ("", "<", "<=") and signs[1] in ("", ">", ">=")
    return lower, upper, signs[0] in ("<", ">") or signs[1] in ("<", ">")


def rule_D2_direct(record: dict, pairs: list[dict]) -> tuple[list[dict], list[dict]]:
    """Direct ratios that count as pairs, and those whose disease activity is unknown."""
    counted, unknown = [], []
    for direct in of_analyte(record, "ast-alt-ratio", "alt-ast-ratio"):
        near = [p for p in pairs if beside(record, direct, p["ast"]) or beside(record, direct, p["alt"])]
        if near:
            note_difference(record, direct, near[0])
            continue
        ratio = {
            "direct": direct,
            "last": direct["last"],
            "text": direct["text"],
            "same_specimen": True,
            "id": str(direct["id"]),
            "ratio": Fraction(direct["value"]),
            "bounds": direct_bounds(direct["comparator"]),
            "refused": False,
            "rule": "D2",
        }
        enzymes = [r for r in of_analyte(record, "ast", "alt") if beside(record, direct, r)]
        if enzymes:
            ratio["raised"] = any(over_limit(result) is True for result in enzymes)
            counted.append(ratio)
        else:
            unknown.append(ratio)
    return counted, unknown


def note_difference(record: dict, direct: dict, pair: dict) -> None:
    percent = Fraction(number(record["tables"], "high_drr.direct_differs_percent"))
    if abs(Fraction(direct["value"]) - pair["ratio"]) * 100 > percent * pair["ratio"]:
        record["notes"].append({"rule": "D2", "text": "direct and computed ratio differ"})


def direct_bounds(comparator: str) -> tuple[bool, bool, bool]:
    return comparator in ("", ">", ">="), comparator in ("", "<", "<="), comparator in ("<", ">")


def rule_D3_active(record: dict, pair: dict) -> bool:
    """AST or ALT above its limit, unless the nearest CK within 7 days is within its own."""
    raised = pair.get("raised")
    if raised is None:
        raised = over_limit(pair["ast"]) is True or over_limit(pair["alt"]) is True
    if not raised:
        return False
    limit = days(number(record["tables"], "high_drr.ck_within_days"))
    near = [ck for ck in of_analyte(record, "ck") if apart(ck, pair) <= limit]
    if not near:
        return True
    nearest = min(near, key=lambda ck: (apart(ck, pair), -ck["value"]))
    return over_limit(nearest) is not False


def rule_D4_choice(record: dict, active: list[dict]) -> dict:
    """The latest active pair; of several on its day the same specimen first, the later, the higher, the lower id."""
    latest = max(day_of(pair["last"], record["zone"]) for pair in active)
    on_that_day = [pair for pair in active if day_of(pair["last"], record["zone"]) == latest]
    on_that_day.sort(key=lambda pair: pair["id"])
    on_that_day.sort(key=lambda pair: pair["ratio"], reverse=True)
    on_that_day.sort(key=lambda pair: pair["last"], reverse=True)
    on_that_day.sort(key=lambda pair: not pair["same_specimen"])
    return on_that_day[0]


def rule_D5_D6_decide(record: dict, pair: dict) -> str:
    """present above the threshold; a comparator decides if its bound can."""
    threshold = Fraction(number(record["tables"], "high_drr.threshold"))
    lower, upper, strict = pair["bounds"]
    if lower and (pair["ratio"] > threshold or (strict and pair["ratio"] == threshold)):
        return "present"
    if upper and pair["ratio"] <= threshold:
        return "absent"
    return "indeterminate"


def rule_D5_why_missing(record: dict, old: list[dict], pairs: list[dict]) -> str:
    if record.get("unit_refused"):
        return "unit"
    if not of_analyte(record, "ast"):
        return "no AST"
    if not of_analyte(record, "alt"):
        return "no ALT"
    if old:
        return "no pair within 5 years"
    if any(pair["refused"] for pair in pairs):
        return "ALT < 5 U/L"
    return "not the same day"


def rule_D_high_drr(record: dict) -> dict:
    """The predictor `high_drr`."""
    tables = record["tables"]
    look_back = days(number(tables, "high_drr.look_back_days"))
    pairs = rule_D1_pairs(record)
    direct, unknown = rule_D2_direct(record, pairs)
    usable = [pair for pair in pairs if not pair["refused"]] + direct
    recent = [pair for pair in usable if record["as_of"] - pair["last"] <= look_back]
    unknown = [pair for pair in unknown if record["as_of"] - pair["last"] <= look_back]
    active = [pair for pair in recent if rule_D3_active(record, pair)]
    rule_D7_notes(record, active)
    if active:
        chosen = rule_D4_choice(record, active)
        stale = record["as_of"] - chosen["last"] > days(number(tables, "high_drr.stale_after_days"))
        state = rule_D5_D6_decide(record, chosen)
        return {
            "state": state,
            "rule": chosen["rule"],
            "stale": stale,
            "value": chosen["ratio"],
            "date": chosen["text"][:10],
            "reason": "comparator" if state == "indeterminate" else "",
        }
    if unknown:
        return {"state": "indeterminate", "rule": "D2", "stale": False, "reason": "activity unknown"}
    if recent:
        reason = "no pair from active disease"
        return {"state": "indeterminate", "rule": "D5", "stale": False, "reason": reason}
    seen = of_analyte(record, "ast", "alt", "ast-alt-ratio", "alt-ast-ratio")
    reason = rule_D5_why_missing(record, [pair for pair in pairs if not pair["refused"]], pairs)
    if "enzymes" in record["not_offered"] and not seen and not record.get("unit_refused"):
        reason = "not offered by the server"
    return {"state": "missing", "rule": "D5", "stale": False, "reason": reason}


def rule_D7_notes(record: dict, active: list[dict]) -> None:
    """Active pairs within 30 days on both sides of the threshold; liver disease."""
    near = days(number(record["tables"], "high_drr.unstable_within_days"))
    decided = [(pair["last"], rule_D5_D6_decide(record, pair)) for pair in active]
    for when, state in decided:
        for when2, state2 in decided:
            if {state, state2} == {"present", "absent"} and abs(when - when2) <= near:
                record["notes"].append({"rule": "D7", "text": "unstable"})
                return
