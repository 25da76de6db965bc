# ruff: noqa: N802 - the functions bear the ids of the rules
"""Codes, words, numbers and titres of qualitative results (rule E7)."""

import re
from fractions import Fraction

from .limits import age_matches, range_matches, rule_F8_choice
from .numbers import Magnitude, bounded, rule_F5_text
from .phrases import antibodies_named, kept_phrases, phrase_answer, weak_phrase, words_answer
from .spelling import nfkc, says_any, texts_of
from .tables import as_text, words, words_of
from .titres import (
    TITRE_UNITS,
    rule_A1_number,
    rule_A1_ratio,
    rule_A1_titres,
    without_reference,
)
from .units import rule_F6_factor
from .values import COMPARATORS, as_decimal


def text_of(holder: dict) -> str:
    """The free text of a value: valueString, or the text of a valueCodeableConcept."""
    return as_text(holder.get("valueString")) or as_text(
        (holder.get("valueCodeableConcept") or {}).get("text")
    )


def coded_answer(tables: dict, concept) -> str:
    """The answer of the codings: one that all agree on, or weak."""
    said = words_of(tables, "qualifiers", concept) & {"positive", "negative", "weak"}
    return said.pop() if len(said) == 1 else "weak" if said else ""


def sign_answer(tables: dict, text: str) -> str:
    """`+` to `++++` as the whole text; one `+`, or one in brackets, is weak."""
    sign = re.sub(r"\s", "", nfkc(text))
    for answer in ("weak", "positive"):
        if sign in words(tables, f"{answer}-whole"):
            return answer
    return ""


def rule_E7_weak(tables: dict, holder: dict, ours: str) -> bool:
    """Weak in the codes, the sign or the words of a value, or in the interpretation."""
    if coded_answer(tables, holder.get("valueCodeableConcept") or {}) == "weak":
        return True
    if "weak" in words_of(tables, "qualifiers", holder.get("interpretation") or []):
        return True
    if sign_answer(tables, text_of(holder)) == "weak":
        return True
    said = [text_of(holder)] + [as_text(part.get("text")) for part in holder.get("interpretation") or []]
    return any(weak_phrase(tables, phrase) for text in said for phrase in kept_phrases(tables, text, ours))


def interpretation_answer(tables: dict, holder: dict) -> str:
    codes = words_of(tables, "qualifiers", holder.get("interpretation") or [])
    for answer in ("positive", "negative"):
        if answer in codes:
            return answer
    return ""


def quantity_of(tables: dict, holder: dict) -> tuple[Magnitude | None, set[str]]:
    """The number of a value and the texts of its unit, in whatever unit (F6: antibodies)."""
    quantity = holder.get("valueQuantity")
    if quantity:
        value, sign = as_decimal(quantity.get("value")), as_text(quantity.get("comparator"))
        units = {as_text(quantity.get("unit")), as_text(quantity.get("code"))} - {""}
        if value is None or sign not in COMPARATORS:
            return None, set()
        return bounded(value, sign), {unit.casefold() for unit in units}
    if "valueInteger" in holder:
        return bounded(holder["valueInteger"], ""), set()
    interval = holder.get("valueRange")
    if interval:
        ends = [as_decimal((interval.get(side) or {}).get("value")) for side in ("low", "high")]
        low, high = (None if end is None else Fraction(end) for end in ends)
        unit = {as_text((interval.get(side) or {}).get("unit")).casefold() for side in ("low", "high")} - {""}
        return (None if low is None and high is None else Magnitude(low, high)), unit
    return text_quantity(without_reference(tables, text_of(holder)))


def text_quantity(text: str) -> tuple[Magnitude | None, set[str]]:
    for written in rule_F5_text(text):
        if len(written.unit.split()) > 1:
            continue
        numbers = [*written.first, *written.second]
        low, high = min(numbers), max(numbers)
        if written.comparator:
            end = high if written.comparator.startswith("<") else low
            return bounded(end, written.comparator), {written.unit.casefold()} - {""}
        return Magnitude(low, high), {written.unit.casefold()} - {""}
    return None, set()


def same_unit(units: set[str], limit: dict) -> bool:
    """A limit counts where it has no unit or that of the value (F6)."""
    held = {as_text(limit.get("unit")).casefold(), as_text(limit.get("code")).casefold()} - {""}
    return not held or bool(held & units)


def title_of(tables: dict, held: dict) -> str:
    """What the title of a band says: positive, negative, weak or nothing (F8)."""
    for text in (as_text(held.get("text")), *texts_of(held.get("type") or {})):
        if text_limit(text)[0] is not None:
            continue
        if weak_phrase(tables, text):
            return "weak"
        answer = phrase_answer(tables, text)
        if answer:
            return answer
        if says_any(tables, text, "normal"):
            return "negative"
    return ""


def text_limit(text: str) -> tuple[Magnitude | None, set[str]]:
    """A text that is wholly `<`, `≤` or a range and a number: all that it allows."""
    magnitude, units = text_quantity(text)
    if magnitude is None or magnitude.high is None or magnitude.exact:
        return None, set()
    return magnitude, units


def bands_of(record: dict, ranges: list[dict], units: set[str]) -> list[tuple]:
    """(low, high, what the title says) of the titled bands, by their lower ends."""
    bands = []
    for held in ranges:
        title = title_of(record["tables"], held)
        ends = [held.get(side) or {} for side in ("low", "high")]
        if not title or not all(same_unit(units, end) for end in ends):
            continue
        low, high = (None if as_decimal(end.get("value")) is None else Fraction(end["value"]) for end in ends)
        if low is not None or high is not None:
            bands.append((low, high, title))
    return sorted(bands, key=by_lower_end)


def band_at(bands: list[tuple], value: Fraction) -> str:
    """The title of the band that holds a value; between two the lower one's, above all positive."""
    for low, high, title in bands:
        if (low is None or value >= low) and (high is None or value <= high):
            return title
    lower = [(high, title) for _, high, title in bands if high is not None and high < value]
    if not lower:
        return ""
    if len(lower) == len(bands):
        return "positive"
    return max(lower)[1]


def rule_F8_bands(
    record: dict, holder: dict, magnitude: Magnitude, units: set[str], moment: dict
) -> tuple[str, bool]:
    """What the bands say of a number, and whether it is left open: between several, or by one that was left out."""
    tables, ranges = record["tables"], holder.get("referenceRange") or []
    own = [held for held in ranges if range_matches(record, held, moment) is not None]
    perhaps = [held for held in ranges if not any(held is one for one in own)]
    perhaps = [held for held in perhaps if not for_others(record, held, moment)]
    fit = {id(held): range_matches(record, held, moment) for held in own if bands_of(record, [held], units)}
    best = [held for held in own if fit.get(id(held)) == max(fit.values(), default=0)]
    less = [held for held in own if id(held) in fit and not any(held is one for one in best)]
    bands, others = bands_of(record, best, units), bands_of(record, [*less, *perhaps], units)
    said, is_open = band_said(bands, magnitude)
    value = magnitude.low
    inside = magnitude.exact and any(
        (low is None or value >= low) and (high is None or value <= high) for low, high, _ in bands
    )
    if inside:
        return said, is_open
    with_others, _ = band_said(sorted([*bands, *others], key=by_lower_end), magnitude)
    if not bands:
        return "", with_others == "weak"
    placed = [held for held in (*own, *perhaps) if bands_of(record, [held], units)]
    lost = [held for held in (*own, *perhaps) if not any(held is one for one in placed)]
    titles = {title_of(tables, held) for held in lost} - {""}
    tops = [high for _, high, _ in bands]
    reaches = None not in tops and (magnitude.high is None or magnitude.high > max(tops))
    is_open = is_open or (bool(others) and with_others != said) or (reaches and bool(titles - {said}))
    return ("", True) if is_open else (said, False)


def for_others(record: dict, held: dict, moment: dict) -> bool:
    """Is a range surely for another sex or age?"""
    tables, sex = record["tables"], record["patient"]["sex"]
    for group in held.get("appliesTo") or []:
        named = words_of(tables, "qualifiers", group) & {"male", "female"}
        if sex and named and sex not in named:
            return True
    age, born = held.get("age") or {}, record["patient"]["born"]
    known = all(rule_F6_factor(tables, end, "time")[0] is not None for end in age.values())
    return bool(age and born and known and not age_matches(record, age, moment))


def by_lower_end(band: tuple) -> tuple:
    return band[0] is not None, band[0] or 0, band[1] or 0


def band_said(bands: list[tuple], magnitude: Magnitude) -> tuple[str, bool]:
    """What some bands say of all that a number allows, and whether they leave it open."""
    if not bands:
        return "", False
    edges = sorted({end for low, high, _ in bands for end in (low, high) if end is not None})
    bottom = edges[0] if magnitude.low is None else magnitude.low
    top = edges[-1] + 1 if magnitude.high is None else magnitude.high
    tried = [bottom, top, *(edge for edge in edges if bottom < edge < top)]
    tried = sorted({*tried, *((a + b) / 2 for a, b in zip(sorted(tried), sorted(tried)[1:], strict=False))})
    if not magnitude.exact:
        tried = [v for v in tried if not (magnitude.low_open and v == magnitude.low)]
        tried = [v for v in tried if not (magnitude.high_open and v == magnitude.high)]
    said = {band_at(bands, value) for value in tried}
    return (said.pop(), False) if len(said) == 1 else ("", True)


def rule_F8_own_limits(record: dict, holder: dict, units: set[str], moment: dict) -> list[Magnitude]:
    """All that each of the laboratory's own limits allows, of those that F8 leaves."""
    ranges: list[tuple[dict, Magnitude]] = []
    for held in holder.get("referenceRange") or []:
        if title_of(record["tables"], held) in ("positive", "weak"):
            continue
        high = held.get("high") or {}
        value = as_decimal(high.get("value"))
        if value is not None and value > 0 and same_unit(units, high):
            ranges.append((held, Magnitude(None, Fraction(value))))
        elif value is None and as_text(held.get("text")):
            limit, limit_units = text_limit(as_text(held.get("text")))
            if limit is not None and limit.high > 0 and (not limit_units or limit_units & units):
                ranges.append((held, Magnitude(None, limit.high, high_open=limit.high_open)))
    usable = [held for held, _ in ranges if range_matches(record, held, moment) is not None]
    kept = rule_F8_choice(record, usable, moment)
    return [limit for held, limit in ranges if any(held is other for other in kept)]


def over(magnitude: Magnitude, limit: Magnitude) -> bool | None:
    """Is a number above a limit? One that is `<` does not hold its own number."""
    if not limit.high_open:
        return magnitude.above(limit.high)
    below = magnitude.below(limit.high)
    return None if below is None else not below


def against_limits(record: dict, holder: dict, magnitude: Magnitude, units: set[str], moment: dict) -> dict:
    """positive or negative by the own limits; open; or `several reference ranges`."""
    said = {over(magnitude, limit) for limit in rule_F8_own_limits(record, holder, units, moment)}
    if not said:
        return {"answer": "", "open": False, "reason": ""}
    if len(said) > 1:
        return {"answer": "", "open": False, "reason": "several reference ranges"}
    answer = said.pop()
    return {
        "answer": {True: "positive", False: "negative", None: ""}[answer],
        "open": answer is None,
        "reason": "",
    }


def rule_E7_quantity(record: dict, holder: dict, moment: dict) -> dict:
    """A quantity or a text number against its own bands or limit."""
    magnitude, units = quantity_of(record["tables"], holder)
    if magnitude is None:
        return {"answer": "", "open": False, "reason": ""}
    answer, is_open = rule_F8_bands(record, holder, magnitude, units, moment)
    if answer or is_open:
        return {"answer": answer, "open": is_open, "reason": ""}
    return against_limits(record, holder, magnitude, units, moment)


def rule_E7_titre(record: dict, holder: dict, ours: str, moment: dict) -> dict:
    """A titre above its own limit, else any titre without `<`, is positive."""
    tables, nothing = record["tables"], {"answer": "", "open": False, "reason": ""}
    phrases = kept_phrases(tables, text_of(holder), ours)
    titres = [titre for phrase in phrases for titre in rule_A1_titres(phrase)]
    titres.append(rule_A1_ratio(holder["valueRatio"]) if holder.get("valueRatio") else None)
    under_titre_code = "titre" in moment["roles"]
    text = without_reference(tables, text_of(holder)).strip()
    titres.append(rule_A1_number(tables, holder, text, under_titre_code=under_titre_code)[0])
    titres = [titre for titre in titres if titre and titre.shown >= 1]
    if not titres:
        return nothing
    said = [titre_answer(record, holder, titre.magnitude, moment) for titre in titres]
    for wanted in ({"answer": "positive"}, {"open": True}):
        for one in said:
            if wanted.items() <= one.items():
                return one
    return said[0]


def titre_answer(record: dict, holder: dict, titre: Magnitude, moment: dict) -> dict:
    by_limit = against_limits(record, holder, titre, {*TITRE_UNITS, "1"}, moment)
    if by_limit["answer"] or by_limit["open"] or by_limit["reason"]:
        return by_limit
    return {**by_limit, "answer": "negative" if titre.low is None else "positive"}


def rule_E7_answer(record: dict, resource: dict, moment: dict) -> dict:
    """positive, negative, weak or nothing: what one antibody Observation says; and what leaves it open."""
    tables, ours = record["tables"], moment["analyte"]
    plainly = {"open": False, "reason": ""}
    holders = [resource, *(resource.get("component") or [])]
    if any(rule_E7_weak(tables, holder, ours) for holder in holders):
        return {"answer": "weak", **plainly}
    said = rule_E7_itself(record, resource, moment)
    parts = resource.get("component") or []
    if said["answer"] == "negative" and any(part_is_positive(tables, part, ours) for part in parts):
        return {"answer": "weak", **plainly}
    return said


def part_is_positive(tables: dict, part: dict, ours: str) -> bool:
    """A component that may be about this antibody, and is positive."""
    code, text = part.get("code") or {}, text_of(part)
    coded, named = words_of(tables, "observations", code), antibodies_named(tables, as_text(code.get("text")))
    if any(about and ours not in about for about in (coded, named)):
        return False
    answer = coded_answer(tables, part.get("valueCodeableConcept") or {}) or sign_answer(tables, text)
    answer = answer or words_answer(tables, text, ours) or interpretation_answer(tables, part)
    return answer == "positive"


def rule_E7_itself(record: dict, resource: dict, moment: dict) -> dict:
    """What the resource says without its components."""
    tables, ours, plainly = record["tables"], moment["analyte"], {"open": False, "reason": ""}
    text = text_of(resource)
    answer = coded_answer(tables, resource.get("valueCodeableConcept") or {}) or sign_answer(tables, text)
    answer = answer or words_answer(tables, text, ours)
    if answer:
        return {"answer": answer, **plainly}
    by_number = rule_E7_quantity(record, resource, moment)
    by_titre = rule_E7_titre(record, resource, ours, moment)
    for said in (by_number, by_titre):
        if said["answer"]:
            return {"answer": said["answer"], **plainly}
    answer = interpretation_answer(tables, resource)
    if answer:
        return {"answer": answer, **plainly}
    reason = by_number["reason"] or by_titre["reason"]
    return {"answer": "", "open": not reason and (by_number["open"] or by_titre["open"]), "reason": reason}
