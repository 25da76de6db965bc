# ruff: noqa: N802 - the functions bear the ids of the rules
"""What was there and could not be used: doubts by code and by words (rules U1, U2, U3)."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from . import exposures, facts
from .absence import (
    VALUE_NAMES,
    rule_U1_absent_reason,
    rule_U1_kept_back,
    rule_U1_part_kept_back,
    rule_U1_pending,
    rule_U1_says_no_result,
    rule_U1_wholly_no_result,
)
from .bundles import rule_F1_focus, rule_F1_subject, target_of
from .conditions import rule_F3_condition_time, rule_M1_condition, rule_U4_named_core
from .limits import rule_F8_limits
from .misshapen import rule_U5b_as_text
from .numbers import Magnitude
from .roles import MEDICATIONS, analytes_of, roles_of, rule_T1_as_written
from .shapes import rule_F3_broken
from .spelling import rule_U3_named, texts_of
from .statuses import rule_U1_never_took_place
from .tables import as_text, number
from .times import rule_F3_time
from .unsaid import rule_T1_is_broken, rule_U1_may_be
from .values import DIMENSION, rule_F5_magnitude

DOSAGES = {"dosageInstruction", "dosage"}
TIMES = {
    *("dosageInstruction", "dispenseRequest", "authoredOn", "onsetDateTime", "onsetPeriod"),
    *("effectiveDateTime", "effectivePeriod", "effectiveInstant", "whenHandedOver", "whenPrepared"),
    *("performedDateTime", "performedPeriod"),
}
REASONS = (
    "unreadable",
    "no subject",
    "subject elsewhere",
    "modifier extension",
    "implicit rules",
    "no status",
    "unknown status",
    "preliminary",
    "partial",
    "unknown",
    "undated",
    "conflicting codes",
    "unresolved",
    "no unit",
    "unknown unit",
    "no number",
    "several reference ranges",
    "implausible",
)
BY_VALUE = (  # F5, F6 and F8: the result itself was taken
    "data absent",
    "no number",
    "no unit",
    "unknown unit",
    "implausible",
    "several reference ranges",
)
NAMES = {
    "ast-alt-ratio": "drr",
    "alt-ast-ratio": "drr",
    "broad-antibody": "broad",
    "broad-hmgcr": "broad",
    "cardiac-a": "cardiac",
}
MEASURED = ("ast", "alt", "drr", "ck", "troponin-i", "troponin-t", "nt-probnp", "lvef")
ANTIBODIES = ("anti-srp", "anti-hmgcr")
WORDS_OF = {
    "Condition": ("core",),
    "Observation": ANTIBODIES,
}
TAKEN_BACK_BY = {"Condition": "", "Observation": "not-antibody"}


@dataclass(frozen=True)
class Doubt:
    """One resource that could not be used, in one role."""

    resource: str
    role: str
    reason: str
    by: str
    last: datetime
    date: str
    roles: frozenset[str] = frozenset()
    number: Magnitude | None = None
    limits: tuple = ()
    default_limit: Fraction | None = None
    number_unit_unknown: bool = False
    specimen: str = ""
    first: datetime | None = None
    status: str = ""


def rule_U1_consider(record: dict, raw: dict, resource: dict, reason: str) -> None:
    """Keep the doubts that one resource gives, by its codes and by its words."""
    if resource["resourceType"] not in (*WORDS_OF, *MEDICATIONS, "Procedure"):
        return
    if rule_U1_is_none(record, raw, resource, reason):
        return
    for role in rule_U1_by_code(record, raw, resource, reason):
        whole = rule_U5b_as_text(raw, resource) if reason == "unreadable" else resource
        record["doubts"].append(doubt_of(record, whole, role, reason, "code", raw))
    for role in rule_U3_by_words(record, raw, resource):
        record["doubts"].append(doubt_of(record, resource, role, "named, not coded", "word"))
        if role == "core" and rule_U4_named_core(record, resource, rule_F3_broken(raw)):
            record["named_core"].append(facts.name_of(resource))


def rule_U1_is_none(record: dict, raw: dict, resource: dict, reason: str) -> bool:
    """What is no doubt, whichever reason is reported first; what is left of a broken element says nothing."""
    kind, broken = resource["resourceType"], rule_F3_broken(raw)
    if rule_F1_subject(record, resource) in ("other patient", "other subject"):
        return True
    focus = rule_F1_focus(record, resource) if kind == "Observation" and resource.get("focus") else ""
    if focus == "other subject":
        return True
    if reason in ("refuted", "entered-in-error", "future") or rule_U1_never_took_place(resource):
        return True
    moment = moment_of(record, resource)
    is_later = moment is not None and moment["first"] > record["as_of"] + record["tolerance"]
    if is_later and not broken & TIMES:
        return True
    if kind == "Condition":
        return "verificationStatus" not in broken and rule_M1_condition(record, resource)[2] in (
            "refuted",
            "entered-in-error",
        )
    if kind in MEDICATIONS:
        form = "form" in rule_F3_broken(rule_T1_as_written(record, raw) or {"resourceType": "Medication"})
        return not (broken & DOSAGES or form) and exposures.rule_T1_excluded_route(record, resource)
    if kind == "Observation" and not broken & {"component", *VALUE_NAMES}:
        return rule_U1_pending(record, resource) or rule_U1_wholly_no_result(record, resource)
    return False


def rule_U1_by_code(record: dict, raw: dict, resource: dict, reason: str) -> list[str]:
    """The roles in which a refused resource is a doubt by its codes."""
    if reason == "data absent":
        own = rule_U1_absent_reason(record["tables"], resource)
        if own != "doubt" and not rule_U1_part_kept_back(record, resource):
            return []
    elif reason not in REASONS:
        return []
    return roles_by_code(record, raw, resource, reason)


def roles_by_code(record: dict, raw: dict, resource: dict, reason: str) -> list[str]:
    """The doubt's names of the roles by code, without those whose value no rule reads."""
    kind = resource["resourceType"]
    if kind == "Observation":
        held = {NAMES.get(word, word) for word in analytes_of(record, raw) or rule_U1_may_be(record, raw)}
        return sorted(held & {*MEASURED, "ana", *ANTIBODIES})
    words = roles_of(record, raw) or rule_U1_may_be(record, raw)
    if kind == "Condition":
        if "core" in words:
            words -= {"broad", "broad-antibody", "broad-hmgcr"}
        return sorted({NAMES.get(word, word) for word in words} & {"core", "broad", "cardiac"})
    if words == {"agent"}:
        return ["agent"]
    agents = sorted(exposures.rule_T1_ingredients(record, words) - {"checkpoint-inhibitor"})
    if agents or kind == "Procedure":
        return agents
    if rule_T1_is_broken(record, raw) and not rule_U3_by_words(record, raw, resource):
        return ["agent"]
    no_words = not exposures.rule_U3_medicine_texts(record, resource)
    return ["agent"] if no_words and exposures.rule_T1_unresolved(record, resource) and reason else []


def rule_U3_by_words(record: dict, raw: dict, resource: dict) -> list[str]:
    """The roles that the words of a resource give and none of its codings has."""
    kind, tables = resource["resourceType"], record["tables"]
    if kind in MEDICATIONS:
        texts, roles = exposures.rule_U3_medicine_texts(record, resource), exposures.named_roles(tables)
    elif kind in WORDS_OF:
        texts, roles = texts_of(raw.get("code")), list(WORDS_OF[kind])
    else:
        return []
    coded = roles_of(record, raw)
    named = rule_U3_named(tables, texts, roles, taken_back_by=TAKEN_BACK_BY.get(kind, "not-agent"))
    if kind == "Observation":
        named = [role for role in named if not rule_U1_no_word_doubt(record, resource, role)]
    if kind in MEDICATIONS:  # the class of statins says nothing beside one of them, by code or by words
        known = exposures.rule_T1_ingredients(record, {*named, *coded})
        named = [role for role in named if role in known]
    return [role for role in named if role not in coded]


def rule_U1_no_word_doubt(record: dict, resource: dict, role: str) -> bool:
    """By words alone: any reason for absent data that is no doubt, or members or components that are coded."""
    if rule_U1_absent_reason(record["tables"], resource) == "none":
        return True
    if any(role in analytes_of(record, part) for part in resource.get("component") or []):
        return True
    wanted = {target_of(record, member.get("reference")) for member in resource.get("hasMember") or []}
    for _, other in record["entries"]:
        is_member = other.get("resourceType") == "Observation" and facts.name_of(other) in wanted
        if is_member and role in analytes_of(record, other):
            return True
    return False


def moment_of(record: dict, resource: dict) -> dict | None:
    """F3's time of a resource, read as far as it goes."""
    kind = resource["resourceType"]
    if kind == "Condition":
        return rule_F3_condition_time(record, resource)
    if kind == "Procedure":
        return facts.rule_F3_procedure_time(record, resource)
    if kind in MEDICATIONS:
        return exposures.rule_T3_start(record, resource)
    return facts.rule_F3_observation_time(record, resource)


def doubt_of(record: dict, resource: dict, role: str, reason: str, by: str, raw: dict | None = None) -> Doubt:
    """U2: its time is the last possible instant of F3's time where it has one, else `as_of`."""
    moment = moment_of(record, resource)
    as_of = record["as_of"]
    held: dict = {}
    if role in ("ck", "lvef") and by == "code":
        held = rule_U5b_number(record, resource, role, moment, reason)
    return Doubt(
        resource=facts.name_of(resource),
        role=role,
        reason=reason,
        by=by,
        last=min(moment["last"], as_of) if moment else as_of,
        first=min(moment["first"], as_of) if moment else None,
        date=moment["text"][:10] if moment else "",
        roles=frozenset(roles_of(record, resource) or rule_U1_may_be(record, raw or resource)),
        specimen=target_of(record, (resource.get("specimen") or {}).get("reference"))
        if resource["resourceType"] == "Observation"
        else "",
        status=as_text(resource.get("status")),
        **held,
    )


def rule_U5b_number(record: dict, resource: dict, role: str, moment: dict | None, reason: str) -> dict:
    """The number that F5 could read, were it not for unit, status, time, subject or shape."""
    if reason in ("implausible", "no number", "data absent", "no value"):
        return {}
    magnitude, why, quantity = rule_F5_magnitude(record["tables"], resource, role)
    if magnitude is not None:
        when = moment or {"first": record["as_of"], "last": record["as_of"]}
        own = rule_F8_limits(record, resource, role, quantity, when)
        return {"number": magnitude, "limits": tuple(own["limits"]), "default_limit": own["default_limit"]}
    if why in ("no unit", "unknown unit"):
        return {"number_unit_unknown": True}
    return {}


def rule_U1_no_value(record: dict) -> None:
    """Accepted, but no rule knows anything in its value, and no member or component of it is read."""
    read = [result["name"] for result in record["results"] if not is_empty(result)]
    for result in record["results"]:
        role = NAMES.get(result["analyte"], result["analyte"])
        if role not in (*MEASURED, "ana", *ANTIBODIES):
            continue
        resource = result["resource"]
        kept_back = rule_U1_part_kept_back(record, resource)
        if not is_empty(result) and kept_back and not rule_U1_is_none(record, resource, resource, ""):
            record["doubts"].append(doubt_of(record, resource, role, "data absent", "code"))
        reason = rule_U1_absent_reason(record["tables"], resource)
        if is_empty(result) and reason != "none":
            record["unread_results"].append(result)
        members = {target_of(record, member.get("reference")) for member in resource.get("hasMember") or []}
        if not is_empty(result) or members & set(read):
            continue
        if result.get("open"):
            record["doubts"].append(doubt_of(record, resource, role, "interval", "code"))
        elif reason != "none" and not rule_U1_wholly_no_result(record, resource):
            record["doubts"].append(doubt_of(record, resource, role, "no value", "code"))
    for result in record["results"]:
        rule_F5_open_questions(record, result)
    record["results"] = [result for result in record["results"] if not is_empty(result)]


def rule_V1_done_all_the_same(record: dict, resource: dict, reason: str) -> None:
    """A result that was refused for its value or unit alone was done, but not one that U1 calls no doubt."""
    if reason not in BY_VALUE or rule_U1_is_none(record, resource, resource, reason):
        return
    if reason == "data absent" and not rule_U1_kept_back(record["tables"], resource):
        return
    if rule_U1_says_no_result(record, resource):
        return
    moment, _ = rule_F3_time(record, facts.rule_F3_observation_time(record, resource))
    for analyte in analytes_of(record, resource) if moment else ():
        record["unread_results"].append({**moment, "analyte": analyte, "resource": resource})


def is_empty(result: dict) -> bool:
    """Was nothing read in it?"""
    if result["analyte"] in DIMENSION:
        return result["empty"]
    if result["analyte"] == "ana":
        return not result["findings"] and not result["patterns"]
    return result["analyte"] in ("anti-srp", "anti-hmgcr", "other-msa") and not result["answer"]


def rule_F5_open_questions(record: dict, result: dict) -> None:
    """An interval or a comparator that leaves C2's or C3's question open is a doubt for that question."""
    if is_empty(result) or result["analyte"] not in ("lvef", "troponin-i", "troponin-t", "nt-probnp"):
        return
    magnitude, tables = result["magnitude"], record["tables"]
    if result["analyte"] == "lvef":
        is_open = magnitude.below(number(tables, "cardiac.lvef_below")) is None
    else:
        limit = result["limits"] or [number(tables, f"cardiac.{result['analyte'].replace('-', '_')}_doubt")]
        is_open = magnitude.above(limit[0]) is None
    if is_open:
        doubt = doubt_of(record, result["resource"], result["analyte"], "interval", "code")
        record["doubts"].append(doubt)
