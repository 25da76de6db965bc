# ruff: noqa: N802 - the functions bear the ids of the rules
"""Medicines: what counts, when it was taken, and how much (rules T1 to T4)."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from .roles import rule_T1_medication, rule_T1_medication_resource
from .spelling import texts_of
from .tables import ATC, as_text, canonical_system, codings_of, number, words_of
from .times import (
    day_of,
    days,
    midnight,
    parse_time,
    rule_F3_first_written,
    rule_F3_past,
    rule_T3_once,
    rule_T4_last_day,
)
from .units import rule_F6_factor
from .values import as_decimal

NOT_AGENTS = ("statin", "checkpoint-inhibitor")
INFUSED = ("ivig", "infusion", "fcrn", "complement")
COMPLETE_ATC = re.compile(r"[A-Z][0-9]{2}[A-Z]{2}[0-9]{2}")


def rule_U3_medicine_texts(record: dict, resource: dict) -> list[str]:
    """The words of a medicine: text and display of its concept, of the reference and of the Medication."""
    pointer = resource.get("medicationReference")
    held = [*texts_of(resource.get("medicationCodeableConcept") or {})]
    if isinstance(pointer, dict):
        held.append(as_text(pointer.get("display")))
    medication = rule_T1_medication_resource(record, resource) or {}
    held += texts_of(medication.get("code") or {})
    for part in medication.get("ingredient") or []:
        held += texts_of(part.get("itemCodeableConcept") or {})
    return [text for text in held if text.strip()]


def named_roles(tables: dict) -> list[str]:
    """The roles of words.csv that name an agent of T1 or a statin."""
    return [name for name in tables["agents"] if name != "checkpoint-inhibitor"]


def rule_T1_unresolved(record: dict, resource: dict) -> bool:
    """A Medication that is nowhere, or a medicine without words none of whose codings says what it is."""
    tables, concept = record["tables"], rule_T1_medication(record, resource)
    if words_of(tables, "medications", concept):
        return False
    if (
        not resource.get("medicationCodeableConcept")
        and rule_T1_medication_resource(record, resource) is None
    ):
        return True
    if rule_U3_medicine_texts(record, resource):
        return False
    for coding in codings_of(concept):
        is_atc = canonical_system(tables, as_text(coding.get("system"))) == ATC
        if is_atc and COMPLETE_ATC.fullmatch(as_text(coding.get("code")).upper()):
            return False
    return True


def rule_T1_excluded_route(record: dict, resource: dict) -> bool:
    """Every instruction names an excluded route, or the product's form is one."""
    form = (rule_T1_medication_resource(record, resource) or {}).get("form") or {}
    if "excluded-route" in words_of(record["tables"], "qualifiers", form):
        return True
    return bool(written(resource)) and not instructions(record, resource)


def written(resource: dict) -> list[dict]:
    held = resource.get("dosageInstruction") or resource.get("dosage") or []
    return held if isinstance(held, list) else [held]


def instructions(record: dict, resource: dict) -> list[dict]:
    """The dosage instructions, without those by an excluded route."""
    kept = []
    for instruction in written(resource):
        route = instruction.get("route") or {}
        if "excluded-route" not in words_of(record["tables"], "qualifiers", route):
            kept.append(instruction)
    return kept


def period_of(record: dict, resource: dict) -> tuple:
    """Start and end of a medication resource, as its type writes them."""
    return {
        "MedicationRequest": request_period,
        "MedicationStatement": statement_period,
        "MedicationAdministration": administration_period,
        "MedicationDispense": dispense_period,
    }[resource["resourceType"]](record, resource)


def rule_T3_start(record: dict, resource: dict) -> dict | None:
    """When the medicine was begun, as one medication resource says."""
    return period_of(record, resource)[0]


def rule_T3_treatment(record: dict, resource: dict) -> tuple[dict, str]:
    """From when to when one medication resource says that the medicine was taken."""
    start, end = period_of(record, resource)
    if start is None:
        return {}, "undated"
    past = rule_F3_past(start, record["as_of"], record["tolerance"])
    if past is None:
        return {}, "future"
    begun, alone = past["first"], end == "authored alone"
    end, covered = rule_T3_end(record, begun, end)
    kind = resource["resourceType"]
    reasons = resource.get("statusReason") or resource.get("statusReasonCodeableConcept") or []
    return {
        "id": resource.get("id"),
        "name": f"{kind}/{resource.get('id')}",
        "kind": kind,
        "start": begun,
        "end": max(begun, min(end, record["as_of"])),
        "covers": max(begun, min(covered, record["as_of"])),
        "authored": rule_F3_authored(record, resource),
        "authored_alone": alone,
        "status": resource.get("status"),
        "intolerance": "intolerance" in words_of(record["tables"], "qualifiers", reasons),
        "resource": resource,
    }, ""


def rule_T3_end(record: dict, begun: datetime, end) -> tuple[datetime, datetime]:
    """When a treatment ends, and its last instant: a written end holds what matches it, a supply is used up at its end."""
    if isinstance(end, list):
        return max(rule_T3_end(record, begun, one) for one in end)
    if end in ("one day", "authored alone"):
        return begun + timedelta(days=1), begun
    if isinstance(end, timedelta):
        return begun + end, max(begun, midnight(rule_T4_last_day(begun, end, record["zone"]), record["zone"]))
    written = record["as_of"] if end == "as_of" else end
    return written, written


def rule_F3_authored(record: dict, resource: dict):
    moment = parse_time(resource.get("authoredOn"), record["zone"])
    return min(moment["first"], record["as_of"]) if moment else None


def request_period(record: dict, resource: dict):
    """boundsPeriod, else validityPeriod, else authoredOn and the supply."""
    zone, held = record["zone"], instructions(record, resource)
    periods = list(map(bounds_period, held))
    valid = (resource.get("dispenseRequest") or {}).get("validityPeriod") or {}
    if any("start" in period for period in periods):
        starts = [parse_time(period["start"], zone) for period in periods if "start" in period]
        known = [start for start in starts if start]
        start = min(known, key=lambda moment: moment["first"]) if len(known) == len(starts) else None
    else:
        start = rule_F3_first_written((valid.get("start"), resource.get("authoredOn")), zone)
    written_ends = [period["end"] for period in periods if "end" in period]
    if not can_be_read(written_ends or [valid.get("end")], zone):
        return None, None
    ends = [parse_time(end, zone)["last"] for end in written_ends]
    if ends and len(ends) == sum(map(bool, periods)):
        return start, ends
    end = request_end(record, resource, periods)  # of a boundsPeriod without an end, too: it is the latest
    return start, [*ends, end] if ends else end


def can_be_read(ends: list, zone) -> bool:
    """F3: an end that cannot be read is no time, and nothing stands in for it: then nobody knows when it was taken."""
    return all(end is None or parse_time(end, zone) for end in ends)


def request_end(record: dict, resource: dict, periods: list[dict]):
    """validityPeriod, else the supply, else `as_of` of an active order, else one day."""
    supply = resource.get("dispenseRequest") or {}
    valid = supply.get("validityPeriod") or {}
    if parse_time(valid.get("end"), record["zone"]):
        return parse_time(valid["end"], record["zone"])["last"]
    length = duration_days(record, supply.get("expectedSupplyDuration"))
    if length is not None:
        return days(length * (1 + (supply.get("numberOfRepeatsAllowed") or 0)))
    if resource.get("status") == "active":
        return "as_of"
    return "one day" if any(periods) or valid or "expectedSupplyDuration" in supply else "authored alone"


def bounds_period(instruction: dict) -> dict:
    repeat = (instruction.get("timing") or {}).get("repeat") or {}
    return repeat.get("boundsPeriod") or {}


def bounds_of(record: dict, instruction: dict) -> tuple[dict | None, dict | None]:
    period = bounds_period(instruction)
    return parse_time(period.get("start"), record["zone"]), parse_time(period.get("end"), record["zone"])


def duration_days(record: dict, quantity) -> Fraction | None:
    value = as_decimal((quantity or {}).get("value"))
    if value is None:
        return None
    if not quantity.get("unit") and not quantity.get("code"):
        return Fraction(value)
    factor, _ = rule_F6_factor(record["tables"], quantity, "time")
    return None if factor is None else Fraction(value) * factor


def statement_period(record: dict, resource: dict):
    zone = record["zone"]
    period = resource.get("effectivePeriod") or {}
    start = rule_F3_first_written((resource.get("effectiveDateTime"), period.get("start")), zone)
    if resource.get("effectiveDateTime") is None and not can_be_read([period.get("end")], zone):
        return None, None
    end = parse_time(period.get("end"), zone)
    if end:
        return start, end["last"]
    return start, "as_of" if resource.get("status") == "active" else "one day"


def administration_period(record: dict, resource: dict):
    zone = record["zone"]
    if resource.get("effectiveDateTime") is not None:
        at = parse_time(resource["effectiveDateTime"], zone)
        return at, at and rule_T3_once(at)
    period = resource.get("effectivePeriod") or {}
    if not can_be_read([period.get("end")], zone):
        return None, None
    start, end = parse_time(period.get("start"), zone), parse_time(period.get("end"), zone)
    if end and "start" not in period:
        return end, rule_T3_once(end)
    return start, end["last"] if end else start and start["last"]


def dispense_period(record: dict, resource: dict):
    zone = record["zone"]
    start = rule_F3_first_written((resource.get("whenHandedOver"), resource.get("whenPrepared")), zone)
    length = duration_days(record, resource.get("daysSupply"))
    return start, "one day" if length is None else days(length)


def rule_T3_until_next_order(record: dict) -> None:
    """A completed order of a non-steroid agent with an authoredOn alone lasts until the next, within 120 days."""
    longest = days(number(record["tables"], "refractory.completed_order_days"))
    orders = [treatment for treatment in record["treatments"] if treatment["kind"] == "MedicationRequest"]
    for order in orders:
        kind = class_of(record, order["ingredient"])
        if kind in ("glucocorticoid", *NOT_AGENTS) or order["status"] != "completed":
            continue
        if not order["authored_alone"] or order["authored"] is None:
            continue
        later = [
            other["authored"]
            for other in orders
            if other["ingredient"] == order["ingredient"]
            and other["authored"] is not None
            and other["authored"] > order["authored"]
        ]
        if later and min(later) - order["authored"] <= longest:
            order["end"] = max(order["end"], min(later))
            order["covers"] = max(order["covers"], min(later))


def same_treatment(treatment: dict, other: dict) -> bool:
    """F7: medication resources of one type with the same ingredient, period and dosage."""
    same = all(treatment[name] == other[name] for name in ("kind", "ingredient", "start", "end"))
    if not same or written(treatment["resource"]) != written(other["resource"]):
        return False
    other["intolerance"] = treatment["intolerance"] or other["intolerance"]  # the copy that is kept
    return True


def rule_T1_ingredients(record: dict, roles: set[str]) -> set[str]:
    """The ingredients that the roles of a medicine name; the class of statins says nothing beside one of them."""
    held = roles & set(record["tables"]["agents"])
    statins = {name for name in held if class_of(record, name) == "statin"}
    return held - {"statin"} if len(statins) > 1 else held


def class_of(record: dict, ingredient: str) -> str:
    return record["tables"]["agents"][ingredient]["class"]


def agents_on_record(record: dict) -> dict[str, list[dict]]:
    """Treatments by agent; all systemic glucocorticoids are one agent."""
    held: dict[str, list[dict]] = {}
    for treatment in record["treatments"]:
        kind = class_of(record, treatment["ingredient"])
        if kind in NOT_AGENTS:
            continue
        agent = "glucocorticoid" if kind == "glucocorticoid" else treatment["ingredient"]
        held.setdefault(agent, []).append(treatment)
    return held


def rule_T3_gap(record: dict, agent: str, treatments: list[dict]) -> timedelta:
    """The longest gap within one episode."""
    name = "gap_days"
    if agent == "rituximab":
        name = "rituximab_gap_days"
    elif agent != "glucocorticoid":
        given = [
            i["route"] for one in treatments for i in instructions(record, one["resource"]) if i.get("route")
        ]
        words = [words_of(record["tables"], "qualifiers", route) for route in given]
        if given and all("parenteral-route" in found for found in words):
            name = "infusion_gap_days"
        if not given and class_of(record, agent) in INFUSED:
            name = "infusion_gap_days"
    return days(number(record["tables"], f"refractory.{name}"))


def rule_T3_episodes(record: dict) -> list[dict]:
    """Every episode of every agent, by start."""
    episodes: list[dict] = []
    for agent, treatments in agents_on_record(record).items():
        gap = rule_T3_gap(record, agent, treatments)
        kind = "glucocorticoid" if agent == "glucocorticoid" else class_of(record, agent)
        current = None
        for one in sorted(treatments, key=lambda treatment: (treatment["start"], treatment["end"])):
            if current is not None and one["start"] - current["end"] <= gap:
                current["end"] = max(current["end"], one["end"])
                current["covers"] = max(current["covers"], one["covers"])
                current["treatments"].append(one)
                continue
            times = {name: one[name] for name in ("start", "end", "covers")}
            current = {"agent": agent, "class": kind, **times, "treatments": [one]}
            episodes.append(current)
    return sorted(episodes, key=lambda episode: (episode["start"], episode["agent"]))


def rule_T3_days_treated(record: dict, episodes: list[dict]) -> timedelta:
    """The union of the episodes and of the 180 days after each rituximab administration."""
    covered = days(number(record["tables"], "refractory.rituximab_covers_days"))
    stretches = [(episode["start"], episode["end"]) for episode in episodes]
    for episode in episodes:
        for one in episode["treatments"]:
            if episode["agent"] == "rituximab" and one["kind"] == "MedicationAdministration":
                stretches.append((one["start"], min(one["start"] + covered, record["as_of"])))
    total, reached = timedelta(0), None
    for start, end in sorted(stretches):
        uncovered = start if reached is None else max(start, reached)
        if end > uncovered:
            total += end - uncovered
        reached = end if reached is None else max(reached, end)
    return total


def rule_T4_mg_per_day(record: dict, treatment: dict, day) -> Fraction:
    """Known prednisone-equivalent mg on one calendar day; what is not known is not evidence."""
    factor = Decimal(record["tables"]["agents"][treatment["ingredient"]]["prednisone_mg"])
    held = instructions(record, treatment["resource"])
    total = Fraction(0)
    for instruction in held:
        if len(held) > 1 and not rule_T4_counts_on(record, treatment, instruction, day):
            continue
        total += daily_mg(record, instruction) * Fraction(factor)
    return total


def rule_T4_counts_on(record: dict, treatment: dict, instruction: dict, day) -> bool:
    """One of several instructions counts within its own boundsPeriod; an open side of it is the request's."""
    start, end = bounds_of(record, instruction)
    if not bounds_period(instruction):
        return False
    begun = start["first"] if start else treatment["start"]
    stop = end["last"] if end else treatment["covers"]
    return rule_T3_runs_on(record, begun, stop, day)


def daily_mg(record: dict, instruction: dict) -> Fraction:
    repeat = (instruction.get("timing") or {}).get("repeat") or {}
    told = [one.get("doseQuantity") for one in instruction.get("doseAndRate") or []]
    as_needed = instruction.get("asNeededBoolean") or instruction.get("asNeededCodeableConcept")
    frequency, period = as_decimal(repeat.get("frequency")), as_decimal(repeat.get("period"))
    if as_needed or not all(told) or not frequency or not period:
        return Fraction(0)
    if "frequencyMax" in repeat or "periodMax" in repeat:
        return Fraction(0)
    masses = {mass_in_mg(record, quantity) for quantity in told} - {None}
    unit, _ = rule_F6_factor(record["tables"], {"unit": repeat.get("periodUnit")}, "time")
    if len(masses) != 1 or unit is None or any(quantity.get("comparator") for quantity in told):
        return Fraction(0)
    return masses.pop() * Fraction(frequency) / (Fraction(period) * Fraction(unit))


def mass_in_mg(record: dict, quantity: dict) -> Fraction | None:
    """A dose in mg, whatever else it is told in; None: in tablets."""
    dose = as_decimal(quantity.get("value"))
    factor, _ = rule_F6_factor(record["tables"], quantity, "dose")
    return None if dose is None or factor is None else Fraction(dose) * Fraction(factor)


def rule_T3_runs_on(record: dict, first: datetime, last: datetime, day) -> bool:
    """Is a calendar day one of those from a first to a last instant?"""
    return day_of(first, record["zone"]) <= day <= day_of(last, record["zone"])


def rule_T4_glucocorticoid_on(record: dict, day) -> Fraction:
    """mg/day on one calendar day: the sum over one resource type, the highest type counts."""
    by_kind: dict[str, Fraction] = {}
    for one in record["treatments"]:
        if class_of(record, one["ingredient"]) != "glucocorticoid":
            continue
        if rule_T3_runs_on(record, one["start"], one["covers"], day):
            known = rule_T4_mg_per_day(record, one, day)
            by_kind[one["kind"]] = by_kind.get(one["kind"], Fraction(0)) + known
    return max(by_kind.values(), default=Fraction(0))
