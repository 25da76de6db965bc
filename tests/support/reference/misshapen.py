# ruff: noqa: N802 - the functions bear the ids of the rules
"""Values of the wrong shape, as the text that a laboratory would write (rule U5b)."""

from .absence import VALUE_NAMES
from .tables import as_text

WRITTEN = ("valueQuantity", "valueInteger", "valueRange", "valueString", "valueCodeableConcept")


def rule_U5b_as_text(raw: dict, resource: dict) -> dict:
    """A value of the wrong shape as a text: F5 could read its number, were it not for its shape."""
    if resource["resourceType"] != "Observation":
        return resource
    broken = [name for name in WRITTEN if name in raw and resource.get(name) != raw[name]]
    if not broken:
        return resource
    texts = [misshapen(raw[name]) for name in broken] + [as_text(resource.get("valueString"))]
    numbered = [text for text in texts if any(map(str.isdigit, text))]
    if not numbered:
        return resource
    kept = {name: held for name, held in resource.items() if name not in VALUE_NAMES}
    return {**kept, "valueString": numbered[0]}


def misshapen(held) -> str:
    """A value of the wrong shape in the words of a laboratory."""
    if isinstance(held, list):
        return between(text for text in map(misshapen, held) if text)
    if isinstance(held, bool) or held is None:
        return ""
    if not isinstance(held, dict):
        return str(held)
    if "low" in held or "high" in held:
        low, high = misshapen(held.get("low")), misshapen(held.get("high"))
        return between([low, high]) if low and high else f">= {low}" if low else f"<= {high}" if high else ""
    if "value" not in held:
        return misshapen(held.get("text"))
    text, sign = misshapen(held["value"]), misshapen(held.get("comparator")).strip()
    begins, ends = text[:1].isdigit(), text[-1:].isdigit()
    if begins and sign in ("<", "<=", ">", ">=", "\u2264", "\u2265"):
        text = f"{sign} {text}"
    return f"{text} {unit_in(held)}".strip() if ends else text


def between(texts) -> str:
    """Several numbers of one unit as an interval, with the unit at its end."""
    parts = [text.rpartition(" ") for text in texts]
    if len({unit for _, blank, unit in parts if blank}) > 1 or len(parts) == 1:
        return " - ".join("".join(part) for part in parts)
    return (
        " - ".join(number or unit for number, _, unit in parts[:-1]) + " - " + "".join(parts[-1])
        if parts
        else ""
    )


def unit_in(held: dict) -> str:
    """Its unit, else its code; of what is no text a unit that nobody knows."""
    for name in ("unit", "code"):
        part = held.get(name)
        part = part[0] if isinstance(part, list) and len(part) == 1 else part
        if isinstance(part, str) and part:
            return part
    return "[unit]" if held.get("unit") is not None or held.get("code") is not None else ""
