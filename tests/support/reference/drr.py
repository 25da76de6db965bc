# ruff: noqa: N802 - the functions bear the ids of the rules
"""High De Ritis ratio, AST/ALT (rules 3.1)."""

from fractions import Fraction

from .numbers import Magnitude
from .questions import NO, YES, Answer
from .tables import number
from .times import day_of, days
from .values import highest_over_limit, highest_within_limit, over_limit


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


def rule_D1_report_may_join(record: dict) -> bool:
    """May a report that nobody read join an AST and an ALT, or a direct ratio and one, no earlier than D4 looks?

    One of the two stands alone.
    """
    reach = days(number(record["tables"], "high_drr.same_report_days"))
    look_back = days(number(record["tables"], "high_drr.look_back_days"))
    pairs = rule_D1_pairs(record)
    direct, unknown = rule_D2_direct({**record, "notes": []}, pairs)
    usable = [pair for pair in pairs if not pair["refused"]] + direct
    oldest = record["as_of"] - look_back
    active = [pair["last"] for pair in usable if pair["last"] >= oldest and rule_D3_active(record, pair)]
    since = max([oldest] + [last - reach for last in active])
    joined = [member["name"] for pair in pairs for member in pair["members"]]
    asts, alts = of_analyte(record, "ast"), of_analyte(record, "alt")
    two = [(ast, alt) for ast in asts for alt in alts if not {ast["name"], alt["name"]} <= set(joined)]
    two += [(ratio["members"][0], enzyme) for ratio in unknown for enzyme in asts + alts]
    return any(
        apart(one, other) <= reach
        and not (one["specimen"] and other["specimen"])
        and max(one["last"], other["last"]) >= since
        for one, other in two
    )


def make_pair(record: dict, ast: dict, alt: dict, step: str) -> dict:
    later = max(ast, alt, key=lambda result: result["last"])
    at_least = number(record["tables"], "high_drr.alt_at_least")
    return {
        "members": [ast, alt],
        "last": later["last"],
        "text": later["text"],
        "same_specimen": step == "specimen",
        "id": str(ast["id"]),
        "value": Fraction(ast["value"]) / Fraction(alt["value"]),
        "size": ast["magnitude"].written[0] / alt["magnitude"].written[-1],
        "ratio": ratio_of(ast["magnitude"], alt["magnitude"]),
        "refused": alt["magnitude"].below(at_least) is True,
        "perhaps_refused": is_interval(alt) and alt["magnitude"].below(at_least) is None,
        "rule": "D5" if ast["magnitude"].exact and alt["magnitude"].exact else "D6",
    }


def ratio_of(ast: Magnitude, alt: Magnitude) -> Magnitude:
    """All that the ratio can be (D6)."""
    low = None if ast.low is None or alt.high is None else ast.low / alt.high
    high = None if ast.high is None or not alt.low else ast.high / alt.low
    return Magnitude(low, high, ast.low_open or alt.high_open, ast.high_open or alt.low_open)


def rule_D2_direct(record: dict, pairs: list[dict]) -> tuple[list[dict], list[dict]]:
    """Direct ratios that count as pairs, and those whose disease activity is unknown."""
    counted, unknown = [], []
    for direct in of_analyte(record, "ast-alt-ratio", "alt-ast-ratio"):
        near = [pair for pair in pairs if any(beside(record, direct, member) for member in pair["members"])]
        if near:
            note_difference(record, direct, near[0])
            continue
        ratio = {
            "members": [direct],
            "last": direct["last"],
            "text": direct["text"],
            "same_specimen": True,
            "id": str(direct["id"]),
            "value": Fraction(direct["value"]),
            "size": direct["magnitude"].written[0],
            "ratio": direct["magnitude"],
            "refused": False,
            "rule": "D2",
        }
        enzymes = [result for result in of_analyte(record, "ast", "alt") if beside(record, direct, result)]
        if enzymes:
            raised = [result for result in enzymes if over_limit(result) is True]
            ratio["enzymes"] = raised or left_open(enzymes) or enzymes
            counted.append(ratio)
        else:
            unknown.append(ratio)
    return counted, unknown


def note_difference(record: dict, direct: dict, pair: dict) -> None:
    percent = Fraction(number(record["tables"], "high_drr.direct_differs_percent"))
    if abs(Fraction(direct["value"]) - pair["value"]) * 100 > percent * pair["value"]:
        record["notes"].append({"rule": "D2", "text": "direct and computed ratio differ"})


def nearest_cks(record: dict, pair: dict) -> list[dict]:
    """D3: the CK nearest in time within 7 days; of several equally near the highest counts, whichever it is."""
    limit = days(number(record["tables"], "high_drr.ck_within_days"))
    near = [ck for ck in of_analyte(record, "ck") if apart(ck, pair) <= limit]
    closest = min((apart(ck, pair) for ck in near), default=None)
    return [ck for ck in near if apart(ck, pair) == closest]


def rule_D3_ck_within_limit(record: dict, pair: dict) -> Answer:
    """Is that CK within its limit? No: there is none, or that is not sure."""
    near = nearest_cks(record, pair)
    return highest_within_limit(near) if near else NO


def left_open(enzymes: list[dict]) -> list[dict]:
    """Those that may be above their limit or not, being a bound or an interval."""
    return [result for result in enzymes if not result["magnitude"].exact and over_limit(result) is None]


def rule_D3_active(record: dict, pair: dict) -> bool:
    """AST or ALT above its limit, unless the nearest CK within 7 days is within its own."""
    if not any(over_limit(enzyme) is True for enzyme in pair.get("enzymes", pair["members"])):
        return False
    return rule_D3_ck_within_limit(record, pair) != YES


def rule_D3_left_open_by(record: dict, pair: dict) -> list[dict]:
    """The enzymes that leave it open whether a pair is active; none of one that is, or surely is not."""
    enzymes = pair.get("enzymes", pair["members"])
    if any(over_limit(enzyme) is True for enzyme in enzymes) or rule_D3_ck_within_limit(record, pair) == YES:
        return []
    return left_open(enzymes)


def rule_D4_choice(record: dict, active: list[dict]) -> dict:
    """The latest active pair; of several on its day the same specimen first, the later, the higher, the lower id."""
    latest = max(day_of(pair["last"], record["zone"]) for pair in active)
    on_that_day = [pair for pair in active if day_of(pair["last"], record["zone"]) == latest]
    on_that_day.sort(key=lambda pair: pair["id"])
    on_that_day.sort(key=lambda pair: pair["size"], reverse=True)
    on_that_day.sort(key=lambda pair: pair["last"], reverse=True)
    on_that_day.sort(key=lambda pair: not pair["same_specimen"])
    return on_that_day[0]


def rule_D4_rivals(active: list[dict], chosen: dict) -> list[dict]:
    """The chosen pair and all that are beside it until the higher ratio is asked for."""
    alike = ("last", "same_specimen")
    return [pair for pair in active if all(pair[name] == chosen[name] for name in alike)]


def rule_D5_D6_decide(record: dict, *pairs: dict) -> str:
    """present if the highest is above the threshold; a comparator or an interval decides if its bounds can."""
    limit = number(record["tables"], "high_drr.threshold")
    above = {None if pair.get("perhaps_refused") else pair["ratio"].above(limit) for pair in pairs}
    if True in above:
        return "present"
    return "indeterminate" if None in above else "absent"


def rule_D5_why_missing(record: dict, old: list[dict], pairs: list[dict]) -> str:
    if not of_analyte(record, "ast"):
        return "no AST"
    if not of_analyte(record, "alt"):
        return "no ALT"
    if old:
        return "no pair within 5 years"
    if any(pair["refused"] for pair in pairs):
        return "ALT < 5 U/L"
    return "not the same day"


def rule_D5_doubts(record: dict, after=None) -> list:
    """Doubts in AST, ALT or a direct ratio: later than a moment, else of the last 5 years."""
    doubts = [doubt for doubt in record["doubts"] if doubt.role in ("ast", "alt", "drr")]
    if after is not None:
        return [doubt for doubt in doubts if doubt.last > after]
    look_back = days(number(record["tables"], "high_drr.look_back_days"))
    return [doubt for doubt in doubts if record["as_of"] - doubt.last <= look_back]


def rule_D8_elsewhere(record: dict, pair: dict) -> str:
    """The reason why the enzymes of a pair may not come from muscle, or nothing."""
    said = "AST and ALT may not come from muscle: "
    tables, zone = record["tables"], record["zone"]
    near, times = nearest_cks(record, pair), number(tables, "high_drr.muscle_ck_times_uln")
    muscle = bool(near) and highest_over_limit(near, times).truth is True
    that_day = day_of(pair["last"], zone)
    before = days(number(tables, "high_drr.other_cause_before_days"))
    after = days(number(tables, "high_drr.other_cause_after_days"))
    for condition in record["conditions"]:
        if not condition["confirmed"]:
            continue
        named = condition["roles"] & {"liver-disease", "alcohol-disorder", "haemolysis"}
        begun = condition["when"] is None or day_of(condition["when"]["first"], zone) <= that_day
        over = condition["abated"] is not None and day_of(condition["abated"]["last"], zone) < that_day
        if named and begun and not over and not muscle:
            return said + condition["name"]
        acute = condition["roles"] & {"rhabdomyolysis", "myocardial-infarction"}
        when = condition["when"]
        if acute and when and pair["last"] - before <= when["first"] <= pair["last"] + after:
            return said + condition["name"]
    return ""


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
    if active:
        return rule_D5_chosen(record, active, recent)
    if unknown:
        return {"state": "indeterminate", "rule": "D2", "stale": False, "reason": "activity unknown"}
    if recent:
        newest = max(pair["last"] for pair in recent)
        doubtful = rule_D5_doubts(record, newest)
        reason = "a newer result could not be read" if doubtful else "no pair from active disease"
        return {"state": "indeterminate", "rule": "D5", "stale": False, "reason": reason}
    return rule_D5_no_pair(record, pairs)


def rule_D5_chosen(record: dict, active: list[dict], recent: list[dict]) -> dict:
    """The decision of the chosen pair, unless the enzymes may come from elsewhere or a newer result is unread."""
    chosen = rule_D4_choice(record, active)
    rule_D7_notes(record, active, chosen)
    stale_after = days(number(record["tables"], "high_drr.stale_after_days"))
    rivals = rule_D4_rivals(active, chosen)
    state = rule_D5_D6_decide(record, *rivals)
    feature = {
        "state": state,
        "rule": "D6" if state == "indeterminate" and chosen["rule"] == "D5" else chosen["rule"],
        "stale": record["as_of"] - chosen["last"] > stale_after,
        "value": None if any(is_interval(member) for member in chosen["members"]) else chosen["value"],
        "date": chosen["text"][:10],
        "reason": "comparator" if state == "indeterminate" else "",
    }
    elsewhere = rule_D8_elsewhere(record, chosen)
    if elsewhere:
        return {**feature, "state": "indeterminate", "rule": "D8", "reason": elsewhere}
    if state == "absent":
        return rule_D5_absent(record, chosen, feature, recent)
    if state == "indeterminate":
        left = [pair for pair in rivals if rule_D5_D6_decide(record, pair) == "indeterminate"]
        members = [result for pair in left for result in pair["members"]]
        open_members = [result for result in members if not result["magnitude"].exact]
        feature["open"] = [(result, role_of(result)) for result in open_members]
    return feature


def rule_D4_perhaps_before(record: dict, chosen: dict, recent: list[dict]) -> list[dict]:
    """What keeps it open whether a pair that may be high is active: it would be chosen instead, or be the higher."""
    left = []
    for pair in recent:
        order = [
            (day_of(one["last"], record["zone"]), one["same_specimen"], one["last"]) for one in (pair, chosen)
        ]
        if order[0] >= order[1] and rule_D5_D6_decide(record, pair) != "absent":
            left += rule_D3_left_open_by(record, pair)
    return left


def rule_D5_absent(record: dict, chosen: dict, feature: dict, recent: list[dict]) -> dict:
    """Not against a newer result that could not be read, nor where it is open whether the disease was active."""
    within = rule_D3_ck_within_limit(record, chosen)
    newer = rule_D4_perhaps_before(record, chosen, recent)
    feature["open"] = [(ck, "ck") for ck in of_analyte(record, "ck") if ck["name"] in within.left_by]
    feature["open"] += [(enzyme, role_of(enzyme)) for enzyme in newer]
    if rule_D5_doubts(record, chosen["last"]):
        reason = {"rule": "D5", "reason": "a newer result could not be read"}
    elif newer or within.truth is None:
        reason = {"rule": "D3", "reason": "active or not"}
    else:
        return feature
    return {**feature, "state": "indeterminate", **reason}


def is_interval(result: dict) -> bool:
    """Two ends as written: no one number stands for it."""
    return len(result["magnitude"].ends) == 2 and not result["magnitude"].exact


def role_of(result: dict) -> str:
    return result["analyte"] if result["analyte"] in ("ast", "alt") else "drr"


def rule_D5_no_pair(record: dict, pairs: list[dict]) -> dict:
    """missing, or indeterminate where a result of the last 5 years could not be read."""
    nothing = {"state": "missing", "rule": "D5", "stale": False}
    doubtful = rule_D5_doubts(record)
    if doubtful:
        by_unit = any(doubt.reason in ("no unit", "unknown unit") for doubt in doubtful)
        reason = "unit" if by_unit else "a newer result could not be read"
        return {**nothing, "state": "indeterminate", "reason": reason}
    seen = of_analyte(record, "ast", "alt", "ast-alt-ratio", "alt-ast-ratio")
    if "enzymes" in record["not_offered"] and not seen:
        return {**nothing, "reason": "not offered by the server"}
    old = [pair for pair in pairs if not pair["refused"]]
    return {**nothing, "reason": rule_D5_why_missing(record, old, pairs)}


def rule_D7_notes(record: dict, active: list[dict], chosen: dict) -> None:
    """Active pairs within 30 days of the chosen one on the other side of the threshold."""
    near = days(number(record["tables"], "high_drr.unstable_within_days"))
    beside_it = [pair for pair in active if abs(pair["last"] - chosen["last"]) <= near]
    states = {rule_D5_D6_decide(record, pair) for pair in beside_it}
    if {"present", "absent"} <= states:
        record["notes"].append({"rule": "D7", "text": "unstable"})
