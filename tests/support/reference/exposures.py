# ruff: noqa: N802 - the functions bear the ids of the rules
"""Medicines: what counts, when it was taken, and how much (rules T1 to T4)."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from .bundles import resource_at
from .tables import number, words_of
from .times import day_of, days, parse_time, rule_F3_past
from .values import as_decimal, rule_F6_factor

ACCEPTED = {
    "MedicationRequest": ("active", "completed", "stopped", "on-hold"),
    "MedicationStatement": ("active", "completed", "stopped", "on-hold"),
    "MedicationAdministration": ("completed", "in-progress", "stopped"),
    "MedicationDispense": ("completed",),
}
INTENTS = ("order", "original-order", "reflex-order", "filler-order", "instance-order")
NOT_AGENTS = ("statin", "checkpoint-inhibitor")
INFUSED = ("ivig", "infusion", "fcrn", "complement")


def rule_T1_medication(record: dict, resource: dict):
    """The code of the medicine: on the resource, or on the Medication it points to."""
    if resource.get("medicationCodeableConcept"):
        return resource["medicationCodeableConcept"]
    medication = referenced(record, resource)
    code = medication.get("code") or {}
    if words_of(record["tables"], "medications", code):
        return code
    return [one.get("itemCodeableConcept") or {} for one in medication.get("ingredient") or []] or code


def referenced(record: dict, resource: dict) -> dict:
    """The Medication that a medication resource points to, contained or in the Bundle."""
    reference = (resource.get("medicationReference") or {}).get("reference")
    return resource_at(record, reference, resource) or {}


def rule_T1_excluded_route(record: dict, resource: dict) -> bool:
    """Every instruction names an excluded route, or the product's form is one."""
    form = referenced(record, resource).get("form") or {}
    if "excluded-route" in words_of(record["tables"], "qualifiers", form):
        return True
    return bool(written(resource)) and not instructions(record, resource)


def written(resource: dict) -> list[dict]:
    held = resource.get("dosageInstruction") or resource.get("dosage") or []
    return held if isinstance(held, list) else [held]


def instructions(record: dict, resource: dict) -> list[dict]:
    """The dosage instructions, without those by an excluded route."""
    kept = []
    for one in written(resource):
        if "excluded-route" not in words_of(record["tables"], "qualifiers", one.get("route") or {}):
            kept.append(one)
    return kept


def rule_T2_counts(resource: dict) -> str:
    """The status, else the intent, else `do not perform`."""
    kind, status = resource["resourceType"], resource.get("status")
    if status not in ACCEPTED[kind]:
        return status or "no status"
    if kind == "MedicationRequest":
        if resource.get("intent") not in INTENTS:
            return resource.get("intent") or "no intent"
        if resource.get("doNotPerform") is True:
            return "do not perform"
    return ""


def rule_T3_treatment(record: dict, resource: dict) -> tuple[dict, str]:
    """From when to when one medication resource says that the medicine was taken."""
    period = {
        "MedicationRequest": request_period,
        "MedicationStatement": statement_period,
        "MedicationAdministration": administration_period,
        "MedicationDispense": dispense_period,
    }[resource["resourceType"]]
    start, end = period(record, resource)
    if start is None:
        return {}, "undated"
    past = rule_F3_past(start, record["as_of"], record["tolerance"])
    if past is None:
        return {}, "future"
    begun = past["first"]
    if end == "as_of":
        end = record["as_of"]
    elif end == "one day":
        end = begun + timedelta(days=1)
    elif isinstance(end, timedelta):
        end = begun + end
    kind, number_ = resource["resourceType"], resource.get("id")
    reasons = resource.get("statusReason") or resource.get("statusReasonCodeableConcept") or []
    return {
        "id": number_,
        "name": f"{kind}/{number_}",
        "kind": kind,
        "start": begun,
        "end": max(begun, min(end, record["as_of"])),
        "status": resource.get("status"),
        "intolerance": "intolerance" in words_of(record["tables"], "qualifiers", reasons),
        "resource": resource,
    }, ""


def request_period(record: dict, resource: dict):
    zone = record["zone"]
    bounds = [bounds_of(record, one) for one in instructions(record, resource)]
    supply = resource.get("dispenseRequest") or {}
    valid = supply.get("validityPeriod") or {}
    starts = [start for start, _ in bounds if start]
    ends = [end for _, end in bounds if end]
    start = min(starts, key=lambda moment: moment["first"]) if starts else None
    start = start or parse_time(valid.get("start"), zone) or parse_time(resource.get("authoredOn"), zone)
    if ends:
        return start, max(end["last"] for end in ends)
    if parse_time(valid.get("end"), zone):
        return start, parse_time(valid["end"], zone)["last"]
    length = duration_days(record, supply.get("expectedSupplyDuration"))
    if length is not None:
        return start, days(length * (1 + (supply.get("numberOfRepeatsAllowed") or 0)))
    return start, "as_of" if resource.get("status") == "active" else "one day"


def bounds_of(record: dict, instruction: dict) -> tuple[dict | None, dict | None]:
    repeat = (instruction.get("timing") or {}).get("repeat") or {}
    period = repeat.get("boundsPeriod") or {}
    return parse_time(period.get("start"), record["zone"]), parse_time(period.get("end"), record["zone"])


def duration_days(record: dict, quantity) -> Fraction | None:
    value = as_decimal((quantity or {}).get("value"))
    if value is None:
        return None
    if not quantity.get("unit") and not quantity.get("code"):
        return Fraction(value)
    factor, _ = rule_F6_factor(record["tables"], quantity, "time")
    return None if factor is None else Fraction(value) * Fraction(factor)


def statement_period(record: dict, resource: dict):
    zone = record["zone"]
    period = resource.get("effectivePeriod") or {}
    start = parse_time(resource.get("effectiveDateTime"), zone) or parse_time(period.get("start"), zone)
    end = parse_time(period.get("end"), zone)
    if end:
        return start, end["last"]
    return start, "as_of" if resource.get("status") == "active" else "one day"


def administration_period(record: dict, resource: dict):
    zone = record["zone"]
    at = parse_time(resource.get("effectiveDateTime"), zone)
    if at:
        return at, at["last"]
    period = resource.get("effectivePeriod") or {}
    start, end = parse_time(period.get("start"), zone), parse_time(period.get("end"), zone)
    return start, end["last"] if end else start and start["last"]


def dispense_period(record: dict, resource: dict):
    zone = record["zone"]
    start = parse_time(resource.get("whenHandedOver"), zone) or parse_time(resource.get("whenPrepared"), zone)
    length = duration_days(record, resource.get("daysSupply"))
    return start, "one day" if length is None else days(length)


def same_treatment(one: dict, other: dict) -> bool:
    """F7: medication resources of one type with the same ingredient, period and dosage."""
    same = all(one[name] == other[name] for name in ("kind", "ingredient", "start", "end"))
    if not same or written(one["resource"]) != written(other["resource"]):
        return False
    other["intolerance"] = one["intolerance"] or other["intolerance"]  # the one that is kept
    return True


def class_of(record: dict, ingredient: str) -> str:
    return record["tables"]["agents"][ingredient]["class"]


def agents_on_record(record: dict) -> dict[str, list[dict]]:
    """Treatments by agent; all systemic glucocorticoids are one agent."""
    found: dict[str, list[dict]] = {}
    for one in record["treatments"]:
        kind = class_of(record, one["ingredient"])
        if kind in NOT_AGENTS:
            continue
        agent = "glucocorticoid" if kind == "glucocorticoid" else one["ingredient"]
        found.setdefault(agent, []).append(one)
    return found


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
                current["treatments"].append(one)
                continue
            current = {
                "agent": agent,
                "class": kind,
                "start": one["start"],
                "end": one["end"],
                "treatments": [one],
            }
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
        start, end = bounds_of(record, instruction)
        if len(held) > 1 and not (start and end):
            continue
        if len(held) > 1 and not covers(record, start["first"], min(end["last"], record["as_of"]), day):
            continue
        total += daily_mg(record, instruction) * Fraction(factor)
    return total


def daily_mg(record: dict, instruction: dict) -> Fraction:
    repeat = (instruction.get("timing") or {}).get("repeat") or {}
    doses = [one["doseQuantity"] for one in instruction.get("doseAndRate") or [] if one.get("doseQuantity")]
    as_needed = instruction.get("asNeededBoolean") or instruction.get("asNeededCodeableConcept")
    frequency, period = as_decimal(repeat.get("frequency")), as_decimal(repeat.get("period"))
    if as_needed or not doses or not frequency or not period:
        return Fraction(0)
    if "frequencyMax" in repeat or "periodMax" in repeat:
        return Fraction(0)
    dose, quantity = as_decimal(doses[0].get("value")), doses[0]
    factor, _ = rule_F6_factor(record["tables"], quantity, "dose")
    unit, _ = rule_F6_factor(record["tables"], {"unit": repeat.get("periodUnit")}, "time")
    if dose is None or factor is None or unit is None or quantity.get("comparator"):
        return Fraction(0)
    return Fraction(dose) * Fraction(factor) * Fraction(frequency) / (Fraction(period) * Fraction(unit))


def last_day(record: dict, start, end):
    """The last calendar day of a stretch of time; one that ends at midnight does not reach the next day."""
    return day_of(max(start, end - timedelta(microseconds=1)), record["zone"])


def covers(record: dict, start, end, day) -> bool:
    return day_of(start, record["zone"]) <= day <= last_day(record, start, end)


def rule_T4_glucocorticoid_on(record: dict, day) -> Fraction:
    """mg/day on one calendar day: the sum over one resource type, the highest type counts."""
    by_kind: dict[str, Fraction] = {}
    for one in record["treatments"]:
        if class_of(record, one["ingredient"]) != "glucocorticoid":
            continue
        if covers(record, one["start"], one["end"], day):
            known = rule_T4_mg_per_day(record, one, day)
            by_kind[one["kind"]] = by_kind.get(one["kind"], Fraction(0)) + known
    return max(by_kind.values(), default=Fraction(0))
