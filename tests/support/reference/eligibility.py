# ruff: noqa: N802 - the functions bear the ids of the rules
"""Is this an IMNM patient, and of which subtype (rules 2)?"""

from dataclasses import dataclass

from .absence import rule_U1_says_no_result
from .drr import of_analyte
from .tables import number
from .times import completed_years, day_of, days, parse_time
from .values import over_limit

RELAPSING = ("relapse", "recurrence")
ANTIBODIES = ("anti-srp", "anti-hmgcr")
NAMED = "named, not coded"


@dataclass(frozen=True)
class Tried:
    """U4: what doubts would say, tried as signs."""

    core: bool = False
    broad_words: frozenset[str] = frozenset()
    positive: frozenset[str] = frozenset()
    high_ck: bool = False
    words_aside: bool = False  # what is known of the antibodies by words alone is left out of account


NOTHING = Tried()


def rule_E7_antibody(record: dict, analyte: str) -> str:
    """positive if ever positive, else weak if ever weak, else negative, else nothing."""
    said = [result["answer"] for result in of_analyte(record, analyte)]
    for answer in ("positive", "weak", "negative"):
        if answer in said:
            return answer
    return ""


def rule_E8_doubts(record: dict) -> list:
    """Doubts in either antibody, by code or by words."""
    return [doubt for doubt in record["doubts"] if doubt.role in ANTIBODIES]


def rule_E8_subtype(record: dict) -> str:
    srp, hmgcr = record["srp"], record["hmgcr"]
    if srp == "positive" and hmgcr == "positive":
        return "both"
    if srp == "positive":
        return "anti-SRP"
    if hmgcr == "positive":
        return "anti-HMGCR"
    if srp == "negative" and hmgcr == "negative" and not rule_E8_doubts(record):
        return "seronegative"
    return "unknown"


def rule_E2b_both_negative(record: dict, tried: Tried) -> bool:
    """Both read as negative, and no doubt in either; in a trial of doubts (U4) one by words does not count."""
    if tried.positive or not record["srp"] == record["hmgcr"] == "negative":
        return False
    return all(doubt.by == "word" and tried.words_aside for doubt in rule_E8_doubts(record))


def positives(record: dict, tried: Tried) -> set[str]:
    read = {"anti-srp": record["srp"], "anti-hmgcr": record["hmgcr"]}
    return {name for name, answer in read.items() if answer == "positive"} | set(tried.positive)


def rule_E2_restricted(roles, antibodies: set[str]) -> bool:
    """G72.8, G72.89, G72.9 are broad only with antibody; G72.0, 8C80 and 66952001 only with anti-HMGCR."""
    if "broad" in roles or ("broad-antibody" in roles and antibodies):
        return True
    return "broad-hmgcr" in roles and "anti-hmgcr" in antibodies


def rule_E2_is_broad(record: dict, condition: dict) -> bool:
    return rule_E2_restricted(condition["roles"], positives(record, NOTHING))


def rule_M1_broad_words(record: dict, tried: Tried) -> set[str]:
    """The broad roles on record that E2 and E3 use; an unconfirmed core code stands for one without antibody."""
    held = set(tried.broad_words)
    for condition in record["conditions"]:
        if not condition["eligible"]:
            continue
        if condition["confirmed"]:
            held |= condition["roles"] & {"broad", "broad-antibody", "broad-hmgcr"}
        elif "core" in condition["roles"]:
            held.add("broad")
    return held


def rule_E_ck_high(record: dict, within=None) -> bool:
    """Ever CK > 5 x ULN, or within so many days."""
    times = number(record["tables"], "eligibility.ck_times_uln")
    for ck in of_analyte(record, "ck"):
        if within is not None and record["as_of"] - ck["last"] > within:
            continue
        if over_limit(ck, times) is True:
            return True
    return False


def rule_E1_core(record: dict) -> bool:
    return any("core" in c["roles"] and c["confirmed"] and c["eligible"] for c in record["conditions"])


def rule_E2b_biopsy(record: dict) -> bool:
    """A resource with a code that the site map gives the role `necrotizing-biopsy`."""
    told = [one for one in record["results"] if not rule_U1_says_no_result(record, one["resource"])]
    facts = [*told, *record["done"], *(c for c in record["conditions"] if c["confirmed"])]
    return any("necrotizing-biopsy" in fact["roles"] for fact in facts)


def rule_E2b_not_read(record: dict, tried: Tried) -> bool:
    """Would a biopsy that stands where nobody could read make E2b hold?"""
    mapped = any("necrotizing-biopsy" in role.split() for _, _, role in record["tables"]["site_codes"])
    asks = "broad" in rule_M1_broad_words(record, tried) and rule_E2b_both_negative(record, tried)
    unread = bool(record["failed"] & {"procedures", "reports"})
    return mapped and asks and unread and rule_E_ck_high(record)


def rule_E3_spoken_against(record: dict) -> bool:
    """Both antibodies read as negative, or another myositis-specific antibody positive.

    Doubts by code are tried as signs (U4); one by words, which are not, leaves the question open here.
    """
    both_negative = record["srp"] == "negative" and record["hmgcr"] == "negative"
    if both_negative and not any(doubt.by == "word" for doubt in rule_E8_doubts(record)):
        return True
    return rule_E7_antibody(record, "other-msa") == "positive"


def rule_E_before_exclusion(record: dict, tried: Tried) -> tuple[str, str]:
    """definite, probable, possible or none, before E5; and the reason."""
    antibodies = positives(record, tried)
    words = rule_M1_broad_words(record, tried)
    broad, high = rule_E2_restricted(words, antibodies), rule_E_ck_high(record) or tried.high_ck
    if rule_E1_core(record) or tried.core:
        return "definite", "core code"
    if broad and antibodies and high:
        return "probable", "broad code, antibody and CK"
    if "broad" in words and rule_E2b_both_negative(record, tried) and high and rule_E2b_biopsy(record):
        return "probable", "broad code, biopsy and CK"
    if antibodies and (broad or high):
        return "possible", "antibody with a broad code or a high CK"
    recent = days(number(record["tables"], "eligibility.recent_ck_days"))
    open_question = bool(tried.positive) or not rule_E3_spoken_against(record)
    if "broad" in words and rule_E_ck_high(record, recent) and open_question:
        return "possible", "broad code with a high CK"
    return ("possible", NAMED) if rule_U4_named(record) else ("none", "")


def rule_U4_named(record: dict) -> bool:
    """A Condition that is `core` by words, and eligible."""
    named = {doubt.resource for doubt in record["doubts"] if doubt.role == "core" and doubt.by == "word"}
    return bool(named & set(record["named_core"]))


def rule_U4_tried(record: dict) -> Tried:
    """Doubts by code as signs: a Condition as active and confirmed, an antibody as positive, and CK beside one read."""
    by_code = [doubt for doubt in record["doubts"] if doubt.by == "code"]
    broad = {word for doubt in by_code if doubt.role == "broad" for word in doubt.roles}
    read_positive = "positive" in (record["srp"], record["hmgcr"])
    times = number(record["tables"], "eligibility.ck_times_uln")
    open_ck = record.get("open_ck", True) and any(
        over_limit(ck, times) is None for ck in of_analyte(record, "ck")
    )
    return Tried(
        core=any(doubt.role == "core" for doubt in by_code),
        broad_words=frozenset(broad & {"broad", "broad-antibody", "broad-hmgcr"}),
        positive=frozenset(doubt.role for doubt in by_code if doubt.role in ANTIBODIES),
        high_ck=read_positive and (open_ck or any(doubt.role == "ck" for doubt in by_code)),
        words_aside=True,
    )


def rule_F9_not_established(record: dict) -> bool:
    """A failed query of phase 1, or a failed CK or biopsy where signs, or signs and doubts together, ask for it."""
    failed = record["failed"]
    if failed & {"patient", "conditions", "antibodies"}:
        return True
    for tried in (NOTHING, rule_U4_tried(record)):
        if rule_E2b_not_read(record, tried):
            return True
        antibodies = positives(record, tried)
        sign = antibodies or rule_E2_restricted(rule_M1_broad_words(record, tried), antibodies)
        if "enzymes" in failed and sign:
            return True
    return False


def rule_E9_onset(record: dict, instant: str = "first"):
    """The earliest first (or last possible) instant over counted core and broad Conditions."""
    dated = []
    for condition in record["conditions"]:
        named = "core" in condition["roles"] or rule_E2_is_broad(record, condition)
        if named and condition["confirmed"] and condition["when"]:
            dated.append(condition["when"][instant])
    return min(dated, default=None)


def rule_E5_excluded(record: dict) -> str:
    """deceased, unknown birth date, minor, or nothing; of a Patient of the wrong shape nothing is read (F3)."""
    if not rule_F3_patient_shape(record["patient"]["resource"]):
        born = record["patient"]["born"]
        return "unknown birth date" if born is None else "unreadable patient"
    if rule_E5_dead(record):
        return "deceased"
    age = age_at(record)
    if age is None:
        return "unknown birth date"
    return "minor" if age < number(record["tables"], "eligibility.adult_age") else ""


def rule_F3_patient_shape(patient: dict) -> bool:
    """Whether what E5 reads of a Patient has its shape."""
    shapes = {"birthDate": str, "deceasedDateTime": str, "deceasedBoolean": bool}
    return all(isinstance(patient[name], shape) for name, shape in shapes.items() if name in patient)


def rule_E5_dead(record: dict) -> bool:
    zone, as_of = record["zone"], record["as_of"]
    resource = record["patient"]["resource"]
    died = parse_time(resource.get("deceasedDateTime"), zone)
    if died is not None:
        return died["first"] <= as_of
    return resource.get("deceasedBoolean") is True  # a time that cannot be read is none (F3)


def age_at(record: dict, moment=None) -> int | None:
    """Completed years from the last possible birth date; None if unknown or not yet born."""
    zone, as_of = record["zone"], record["as_of"]
    born = parse_time(record["patient"]["born"], zone)
    if born is None or born["first"] > as_of:
        return None
    return completed_years(day_of(born["last"], zone), day_of(moment or as_of, zone))


def read_answers(record: dict) -> dict:
    """The antibodies and the onset, which other rules use."""
    record["srp"] = rule_E7_antibody(record, "anti-srp")
    record["hmgcr"] = rule_E7_antibody(record, "anti-hmgcr")
    record["onset"] = rule_E9_onset(record)
    return record


def rule_E_eligibility(record: dict) -> dict:
    """State, reason and subtype."""
    subtype = rule_E8_subtype(record)
    state, reason = rule_E_before_exclusion(record, NOTHING)
    if state == "none" and not rule_E5_dead(record):
        if rule_E_before_exclusion(record, rule_U4_tried(record))[0] != "none":
            return {"state": "unknown", "reason": "what could not be used", "subtype": subtype}
        if rule_F9_not_established(record):
            return {"state": "unknown", "reason": "what could not be read", "subtype": subtype}
    if state in ("definite", "probable") and "patient" not in record["failed"]:
        excluded = rule_E5_excluded(record)
        if excluded:
            return {"state": "excluded", "reason": excluded, "subtype": subtype}
    return {"state": state, "reason": reason, "subtype": subtype}


def rule_U4_would_be(record: dict) -> tuple[str, str]:
    """What eligibility is, and where that is `none` or `possible` what it would be with the doubts as signs.

    Of the dead nothing is asked but whether they are possible.
    """
    state = rule_E_before_exclusion(record, NOTHING)[0]
    if rule_E5_dead(record):
        return ("possible", "possible") if state == "possible" else ("", "")
    if state not in ("none", "possible"):
        return state, state
    return state, rule_E_before_exclusion(record, rule_U4_tried(record))[0]
