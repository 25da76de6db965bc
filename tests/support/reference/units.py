# ruff: noqa: N802 - the functions bear the ids of the rules
"""Units, in codes and in texts (rule F6)."""

import re
from fractions import Fraction

from .spelling import nfkc
from .tables import UCUM, as_text, canonical_system

TEMPERATURE = re.compile(
    r"[(\[{]?\s*(?:@|at|bei)?\s*(?<![0-9*^.])[0-9]{2}(?:[.,][0-9])?\s*(?:°|deg)?\s*c(?:el)?(?![a-z])\s*[)\]}]?",
    re.IGNORECASE,
)
INTERNATIONAL_UNITS = ("U", "IU", "[iU]", "[IU]", "[U]", "IE", "UI", "E")
IN_TEXTS_ALSO = ("unit", "units")
PREFIXES = {"": "", "k": "k", "m": "m", "n": "n", "u": "u", "µ": "u", "μ": "u", "mc": "u"}
POWERS = (("x10", "10"), ("10^", "10*"), ("10**", "10*"), ("10e", "10*"))
SUPERSCRIPTS = {ord(sign): f"^{power}" for power, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}


def rule_F6_spelling(unit: str, *, is_code: bool) -> str:
    """One spelling of a unit: litre, international unit and micro as F6 says; texts in any case, without blanks."""
    text = TEMPERATURE.sub("", nfkc(unit.translate(SUPERSCRIPTS)))
    text = "".join(text.split())
    if not is_code:
        text = text.casefold().replace(".", "")
    for written, plain in POWERS:
        text = text.replace(written, plain)
    return "/".join(rule_F6_part(part, is_code=is_code) for part in text.split("/"))


def rule_F6_part(part: str, *, is_code: bool) -> str:
    """What stands before or after a stroke: `mcL`, `µl`, `kIE`."""
    names = INTERNATIONAL_UNITS if is_code else (*INTERNATIONAL_UNITS, *IN_TEXTS_ALSO)
    for written, prefix in PREFIXES.items():
        for name in names:
            if part == written + (name if is_code else name.casefold()):
                return f"{prefix}U"
        if part in (f"{written}l", f"{written}L"):
            return f"{prefix}L"
    if part in ("dl", "dL"):
        return "dL"
    for written in ("µ", "μ", "mc"):
        if part.startswith(written) and len(part) > len(written):
            return f"u{part[len(written) :]}"
    return part


def rule_F6_lookup(tables: dict, unit: str, dimension: str, form: str) -> Fraction | None:
    """The factor of a unit of one dimension, or nothing: a code of UCUM is also a spelling in texts."""
    wanted = rule_F6_spelling(unit, is_code=form == "ucum")
    for kind, written_form, written, factor in tables["units"]:
        if kind != dimension or written == "(none)" or (form == "ucum" and written_form != "ucum"):
            continue
        if wanted == rule_F6_spelling(written, is_code=form == "ucum"):
            return factor
    return None


def rule_F6_no_unit(tables: dict, dimension: str) -> Fraction | None:
    """The factor of a value without a unit, where that is accepted."""
    for kind, form, written, factor in tables["units"]:
        if (kind, form, written) == (dimension, "text", "(none)"):
            return factor
    return None


def rule_F6_factor(tables: dict, quantity: dict, dimension: str) -> tuple[Fraction | None, str]:
    """The factor to the canonical unit, or the reason of the refusal."""
    code, text = as_text(quantity.get("code")), as_text(quantity.get("unit")).strip()
    by_text = rule_F6_lookup(tables, text, dimension, "text") if text else None
    if code and canonical_system(tables, quantity.get("system")) == UCUM:
        by_code = rule_F6_lookup(tables, code, dimension, "ucum")
        if by_code is None:
            return None, "unknown unit"
        if by_text is not None and by_text != by_code:
            return None, "unknown unit"
        return by_code, ""
    if text:
        return (by_text, "") if by_text is not None else (None, "unknown unit")
    if code:
        return None, "unknown unit"
    none = rule_F6_no_unit(tables, dimension)
    return (none, "") if none is not None else (None, "no unit")
