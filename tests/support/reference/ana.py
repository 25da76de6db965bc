# ruff: noqa: N802 - the functions bear the ids of the rules
"""High ANA titre (rules 3.2)."""

from decimal import Decimal

from .answers import (
    interpretation_answer,
    number_titre,
    phrase_answer,
    phrase_spans,
    quantity_answer,
    ratio_titre,
    rule_A1_bare,
    says_weak,
    text_of,
    titres_in,
    whole_words,
    without_reference,
)
from .tables import codings_of, number, words, words_of
from .times import days

PATTERN_TITRES = ("20398-4", "20399-2", "20400-8", "20401-6", "53002-2", "53985-8", "53989-0")


def rule_F5_titres(record: dict, result: dict) -> str:
    """Read what an ANA Observation says; an implausible titre refuses it."""
    result["findings"], result["patterns"] = [], []
    for holder in [result["resource"], *(result["resource"].get("component") or [])]:
        read_holder(record, result, holder)
    low = number(record["tables"], "plausible.ana_titre_low")
    high = number(record["tables"], "plausible.ana_titre_high")
    for finding in result["findings"]:
        if finding["kind"] == "titre" and not low <= finding["titre"] <= high:
            return "implausible"
    return ""


def read_holder(record: dict, result: dict, holder: dict) -> None:
    """Titres and answers of one value, each with the pattern of its phrase."""
    tables = record["tables"]
    own = words_of(tables, "observations", holder.get("code") or {}) | result["roles"]
    under_titre_code = "titre" in own
    fixed = pattern_of_code(tables, holder) or pattern_of_code(tables, result["resource"])
    whole = without_reference(tables, text_of(holder))
    bare = rule_A1_bare(tables, text_of(holder))
    found, named, answer = [], [fixed] if fixed else [], ""
    for start, end in phrase_spans(bare):
        phrase = bare[start:end]
        pattern = fixed or rule_A4_pattern(tables, whole[start:end])
        if pattern and not fixed:
            named.append(pattern)
        for titre in titres_in(phrase):
            found.append({"kind": "titre", "pattern": pattern, **titre})
        if not answer:
            answer = phrase_answer(tables, phrase)
            if answer:
                found.append({"kind": answer, "pattern": pattern})
    if holder.get("valueRatio") and ratio_titre(holder["valueRatio"]):
        found.append({"kind": "titre", "pattern": fixed, **ratio_titre(holder["valueRatio"])})
    plain = number_titre(
        {**holder, "valueString": bare} if "valueString" in holder else holder, under_titre_code
    )
    if plain:
        found.append({"kind": "titre", "pattern": fixed, **plain})
    found.extend({"kind": kind, "pattern": fixed} for kind in coded_answer(record, result, holder, found))
    if any(finding["kind"] == "titre" for finding in found):  # its titre answers a bare positive
        found = [finding for finding in found if finding["kind"] != "positive"]
    if any(finding["kind"] == "negative" for finding in found):
        named = [] if fixed else named  # nothing was seen, so the code's pattern was not seen
    for finding in found:
        if not finding["pattern"] and named:
            finding["pattern"] = all_cytoplasmic(named)
    result["findings"].extend(found)
    result["patterns"].extend(named)


def coded_answer(record: dict, result: dict, holder: dict, found: list[dict]) -> list[str]:
    """The answer by code, then (nothing else being said) by the own limit, then by the interpretation (E7)."""
    tables = record["tables"]
    codes = words_of(tables, "qualifiers", holder.get("valueCodeableConcept") or {})
    if says_weak(tables, holder, rule_A1_bare(tables, text_of(holder))):
        found[:] = [one for one in found if one["kind"] == "titre"]
        return ["positive"]
    for answer in ("negative", "positive"):
        if answer in codes:
            return [answer]
    if found:
        return []
    answer = quantity_answer(record, holder, result) or interpretation_answer(tables, holder)
    return [answer] if answer else []


def rule_A4_pattern(tables: dict, phrase: str) -> str:
    """cytoplasmic, nuclear or nothing: a phrase that contains `cytoplasmic` is cytoplasmic whatever follows."""
    said = whole_words(phrase)
    if any(word in said for word in words(tables, "cytoplasmic")):
        return "cytoplasmic"
    prefix = words(tables, "antibody_prefix")
    named = [word for before, word in zip(["", *said], said, strict=False) if before not in prefix]
    return "nuclear" if any(word in words(tables, "nuclear") for word in named) else ""


def pattern_of_code(tables: dict, holder: dict) -> str:
    if "cytoplasmic" in words_of(tables, "observations", holder.get("code") or {}):
        return "cytoplasmic"
    codes = [coding.get("code") for coding in codings_of(holder.get("code") or {})]
    return "nuclear" if any(code in PATTERN_TITRES for code in codes) else ""


def all_cytoplasmic(patterns: list[str]) -> str:
    return "cytoplasmic" if all(one == "cytoplasmic" for one in patterns) else "nuclear"


def rule_A4_titre_pattern(record: dict, result: dict, finding: dict) -> str:
    """The pattern of a titre: its phrase's, its Observation's, else that of the pattern results beside it."""
    if finding["pattern"]:
        return finding["pattern"]
    if result["patterns"]:
        return all_cytoplasmic(result["patterns"])
    if finding["kind"] != "titre":
        return ""
    beside = []
    for other in record["results"]:
        if other is result or "pattern" not in other["roles"]:
            continue
        if beside_each_other(record, result, other):
            beside.extend(pattern for pattern in other["patterns"])
    return all_cytoplasmic(beside) if beside else ""


def beside_each_other(record: dict, one: dict, other: dict) -> bool:
    """Same specimen, same report or same collection time."""
    if one["specimen"] and one["specimen"] == other["specimen"]:
        return True
    for members in record["report_members"].values():
        if one["name"] in members and other["name"] in members:
            return True
    return (one["first"], one["last"]) == (other["first"], other["last"])


def rule_A2_decides(tables: dict, finding: dict) -> str:
    """present, low or open: what one nuclear titre says about the threshold."""
    threshold, titre = number(tables, "high_ana.threshold"), finding["titre"]
    sign = finding["comparator"]
    if sign in (">", ">="):
        return "present" if titre >= threshold else "open"
    if sign == "<":
        return "low" if titre <= threshold else "open"
    if sign == "<=":
        return "low" if titre < threshold else "open"
    return "present" if titre >= threshold else "low"


def rule_A3_high_ana(record: dict) -> dict:
    """The predictor `high_ana`."""
    results = [result for result in record["results"] if result["analyte"] == "ana"]
    said: dict[str, list[tuple[Decimal, dict]]] = {}
    for result in results:
        for finding in result["findings"]:
            pattern = rule_A4_titre_pattern(record, result, finding)
            kind = finding["kind"]
            if kind == "titre":
                kind = rule_A2_decides(record["tables"], finding)
            if kind == "negative" and "pattern" in result["roles"]:
                continue  # no screen
            if pattern == "cytoplasmic" and kind != "negative":
                kind = "cytoplasmic"
            said.setdefault(kind, []).append((finding.get("titre", Decimal(0)), result))
        if (
            not result["findings"]
            and result["patterns"]
            and all_cytoplasmic(result["patterns"]) == "cytoplasmic"
        ):
            said.setdefault("cytoplasmic", []).append((Decimal(0), result))
    feature = combine(said)
    feature["rule"] = "A3"
    newest = max((result["last"] for result in results), default=None)
    limit = days(number(record["tables"], "high_ana.stale_after_days"))
    feature["stale"] = newest is not None and record["as_of"] - newest > limit
    if not results and "ana" in record["not_offered"]:
        feature["reason"] = "not offered by the server"
    return feature


def combine(said: dict) -> dict:
    for kind, state in (
        ("present", "present"),
        ("open", "indeterminate"),
        ("low", "absent"),
        ("positive", "indeterminate"),
        ("negative", "absent"),
        ("cytoplasmic", "absent"),
    ):
        if kind in said:
            titre, result = max(said[kind], key=lambda pair: (pair[0], pair[1]["last"]))
            feature = {"state": state, "kind": kind, "date": result["text"][:10]}
            if kind in ("present", "low"):
                feature["value"] = titre
            return feature
    return {"state": "missing"}
