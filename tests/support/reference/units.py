# ruff: noqa: N802 - the functions bear the ids of the rules
"""Units, in codes and in texts (rule F6)."""

import re
from fractions import Fraction

from .spelling import nfkc
from .tables import UCUM, as_text, canonical_system, number

TEMPERATURE = re.compile(
    r"[\s,@/]*[(\[{]?\s*(?:at\s+)?[0-9]{2}\s*(?:°\s*C|C|Cel|deg\s*C)\b\s*[)\]}]?", re.IGNORECASE
)
IN_CODES = re.compile(r"([kmunµμ]|mc)?(?:\[iU\]|\[IU\]|\[U\]|IU|IE|UI|U|E)")
IN_TEXTS = re.compile(r"([kmunµμ]|mc)?(?:\[iu\]|\[u\]|iu|ie|ui|units?|u|e)")
MICRO = re.compile(r"^(?:µ|μ|mc)(?=[a-zA-Z])|(?<=[/*])(?:µ|μ|mc)(?=[a-zA-Z])")


def rule_F6_spelling(unit: str, *, is_code: bool) -> str:
    """One spelling of a unit: litre, international unit and micro as F6 says; texts in any case."""
    text = TEMPERATURE.sub("", nfkc(unit)).strip()
    text = re.sub(r"\s*/\s*", "/", text)
    if not is_code:
        text = text.casefold()
    parts = text.split("/")
    whole = (IN_CODES if is_code else IN_TEXTS).fullmatch(parts[0])
    if whole:
        prefix = whole[1] or ""
        parts[0] = ("u" if prefix in ("µ", "μ", "mc", "u") else prefix) + "U"
    parts = [parts[0], *(re.sub(r"^([a-zµμ]*)[lL]$", r"\1L", part) for part in parts[1:])]
    return MICRO.sub("u", "/".join(parts))


def rule_F6_lookup(tables: dict, unit: str, dimension: str, form: str) -> Fraction | None:
    """The factor of a unit of one dimension and form, or nothing."""
    wanted = rule_F6_spelling(unit, is_code=form == "ucum")
    for kind, written_form, written, factor in tables["units"]:
        if (kind, written_form) != (dimension, form):
            continue
        if unit == written or wanted == rule_F6_spelling(written, is_code=form == "ucum"):
            return factor
    if dimension == "nt-probnp-concentration":
        if wanted == rule_F6_spelling("pmol/L", is_code=form == "ucum"):
            return Fraction(number(tables, "units.nt_probnp_pmol"))
        return rule_F6_lookup(tables, unit, "mass-concentration", form)
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
