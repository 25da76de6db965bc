# ruff: noqa: N802 - the functions bear the ids of the rules
"""High ANA titre (rules 3.2)."""

import re
from fractions import Fraction

from .answers import (
    coded_answer,
    interpretation_answer,
    rule_E7_quantity,
    rule_E7_weak,
    sign_answer,
    text_of,
)
from .numbers import Magnitude, bounded
from .phrases import phrase_answer, words_answer
from .spelling import SENTENCE, SEPARATOR, anywhere, plain, says, says_any, whole_words
from .tables import as_text, codings_of, number, words, words_of
from .times import days
from .titres import (
    CLOSING,
    OPENING,
    TITRE_UNITS,
    Titre,
    phrase_spans,
    rule_A1_bare,
    rule_A1_number,
    rule_A1_ratio,
    rule_A1_titres,
    without_reference,
)
from .values import rule_F5_plausible

PATTERN_TITRES = ("20398-4", "20399-2", "20400-8", "20401-6", "53002-2", "53985-8", "53989-0")
AC = re.compile(r"ac\s*-?\s*([0-9]{1,2})", re.IGNORECASE)
CYTOPLASMIC_AC = range(15, 24)


def rule_F5_titres(record: dict, result: dict) -> str:
    """Read what an ANA Observation says; an implausible titre refuses it."""
    result["findings"], result["patterns"] = [], []
    for holder in [result["resource"], *(result["resource"].get("component") or [])]:
        reason = read_holder(record, result, holder)
        if reason:
            return reason
    for finding in result["findings"]:
        if finding["kind"] == "titre":
            ends = finding["magnitude"].ends
            if not all(rule_F5_plausible(record["tables"], "ana", end) for end in ends):
                return "implausible"
    return ""


def read_holder(record: dict, result: dict, holder: dict) -> str:
    """Titres and answers of one value, each with the pattern of its phrase; or the reason of a refusal."""
    tables = record["tables"]
    roles = rule_A1_roles(tables, result, holder)
    fixed = pattern_of_code(tables, holder) or pattern_of_code(tables, result["resource"])
    bare = rule_A1_bare(tables, text_of(holder))
    findings, named = read_phrases(tables, holder, bare, fixed)
    named += [fixed] if fixed else patterns_by_code(holder)
    if holder.get("valueRatio"):
        ratio = rule_A1_ratio(holder["valueRatio"])
        findings += [finding_of(ratio.magnitude, fixed)] if ratio else []
    written, reason = rule_A1_number(tables, holder, bare.strip(), under_titre_code="titre" in roles)
    if reason:
        return reason
    findings += [finding_of(written.magnitude, fixed)] if written else []
    findings += [{"kind": kind, "pattern": fixed} for kind in other_answer(record, result, holder, findings)]
    if "cytoplasmic" in pattern_of_code(tables, holder) and not rule_A4_stained(tables, holder, findings):
        named = []
        for finding in findings:
            finding["kind"] = "titre" if finding["kind"] == "titre" else "unsure"
    if "nuclear" in named_by_words(tables, holder, bare) and not any(
        finding["kind"] in ("negative", "titre") for finding in findings
    ):
        findings.append({"kind": "positive", "pattern": "nuclear"})
    kinds = {finding["kind"] for finding in findings}
    if "titre" in kinds:  # its titre answers a bare positive
        findings = [finding for finding in findings if finding["kind"] != "positive"]
    if "negative" in kinds and fixed:
        named = []  # nothing was seen, so the code's pattern was not seen
    for finding in findings:
        if not finding["pattern"] and named:
            finding["pattern"] = all_cytoplasmic(named)
    result["findings"].extend(findings)
    result["patterns"].extend(named)
    return ""


def rule_A1_roles(tables: dict, result: dict, holder: dict) -> set[str]:
    """A component without a known code is about ANA, but its number is a titre only where it is called one."""
    if holder is result["resource"]:
        return result["roles"]
    own = words_of(tables, "observations", holder.get("code") or {})
    if own:
        return own
    code = holder.get("code") or {}
    is_called_so = not codings_of(code) and as_text(code.get("text")).strip().lower() in TITRE_UNITS
    return result["roles"] if is_called_so else result["roles"] - {"titre"}


def rule_A4_stained(tables: dict, holder: dict, findings: list[dict]) -> bool:
    """Staining of the cytoplasm shows: a positive that nothing weakens or denies, a titre, or a pattern by name."""
    text = text_of(holder)
    if any(says_any(tables, text, role) for role in ("negation", "negated", "weak")):
        return False
    if rule_E7_weak(tables, holder, ""):
        return False
    kinds = {finding["kind"] for finding in findings}
    titres = [finding["magnitude"] for finding in findings if finding["kind"] == "titre"]
    if "negative" in kinds:
        return False
    named = any(rule_A4_pattern(tables, text[a:b]) for a, b in phrase_spans(text))
    return (
        "positive" in kinds
        or named
        or bool(patterns_by_code(holder))
        or any(titre.low is not None for titre in titres)
    )


def named_by_words(tables: dict, holder: dict, bare: str) -> list[str]:
    """The patterns that a value names, unless its code is that of the cytoplasm."""
    if "cytoplasmic" in words_of(tables, "observations", holder.get("code") or {}):
        return []
    return [*patterns_of_text(tables, bare), *patterns_by_code(holder)]


def patterns_of_text(tables: dict, text: str) -> list[str]:
    """Phrase by phrase; an "and" goes on with what was denied before it."""
    named = []
    for part in re.split(r"[,;+]", text):
        for sentence in SENTENCE.split(part):
            phrases = SEPARATOR.split(rule_A4_seen(tables, sentence))
            said = [phrase for phrase in phrases if phrase_answer(tables, phrase) != "negative"]
            named += [pattern for phrase in said if (pattern := rule_A4_pattern(tables, phrase))]
    return named


def rule_A4_seen(tables: dict, phrase: str) -> str:
    """What stands before a pattern that is denied; nothing where a denial speaks of all of the phrase."""
    held = plain(phrase)
    denials = [*words(tables, "negation"), *words(tables, "negated")]
    places = []
    for word in denials:
        shape = re.escape(word) if anywhere(word) else rf"(?<!\w){re.escape(word)}(?!\w)"
        places += [match.span() for match in re.finditer(shape, held)]
    if not places:
        return phrase
    start, end = min(places, key=lambda place: (place[0], -place[1]))
    following = re.match(r"\W*(\w+)", held[end:])
    word = following[1] if following else ""
    if any(says_any(tables, word, role) for role in ("cytoplasmic", "nuclear")):
        return held[:start]
    return ""


def finding_of(magnitude: Magnitude, pattern: str) -> dict:
    return {"kind": "titre", "pattern": pattern, "magnitude": magnitude}


def read_phrases(tables: dict, holder: dict, bare: str, fixed: str) -> tuple[list[dict], list[str]]:
    """What the phrases of a text say: titres, the first answer, and the patterns they name."""
    whole = without_reference(tables, text_of(holder))
    findings: list[dict] = []
    answer = words_answer(tables, bare, "")
    titres = rule_A1_titres(bare)  # in the whole text: a phrase may end where a titre does not
    for start, end in phrase_spans(bare):
        around = phrase_answer(tables, bare[start:end])
        for low, high in sentence_spans(bare, start, end):
            own = phrase_answer(tables, bare[low:high])
            kind = own or around
            pattern = fixed or ("" if own == "negative" else rule_A4_pattern(tables, whole[low:high]))
            for titre in (titre for titre in titres if low <= titre.start < high):
                if kind == "positive" and titre.magnitude.low is None and in_bracket(whole, titre):
                    continue  # "Positive (<1:80)": the laboratory's reference
                said = kind or (answer if answer == "positive" else "")  # "at" is told by the whole text too
                magnitude = rule_A1_in_words(tables, bare[start : titre.start], said, titre.magnitude)
                findings.append(finding_of(magnitude, pattern))
            if answer and own in (answer, "") and not any(f["kind"] == answer for f in findings) and own:
                findings.append({"kind": answer, "pattern": pattern})
    named = [] if fixed else patterns_of_text(tables, whole)
    if answer and not any(finding["kind"] != "titre" for finding in findings):
        findings.append({"kind": "negative" if answer == "negative" else "positive", "pattern": fixed})
    return findings, named


def in_bracket(whole: str, titre: Titre) -> bool:
    """Whether a titre stands in brackets, whatever their kind."""
    before = whole[: titre.start]
    return sum(before.count(mark) for mark in OPENING) > sum(before.count(mark) for mark in CLOSING)


def sentence_spans(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Where the sentences of a phrase lie."""
    spans, low = [], start
    for match in SENTENCE.finditer(text, start, end):
        spans.append((low, match.start()))
        low = match.end()
    return [*spans, (low, end)]


def rule_A1_in_words(tables: dict, before: str, kind: str, magnitude: Magnitude) -> Magnitude:
    """A positive "at" a titre is at least that titre; a titre in a negative phrase is below it."""
    if not magnitude.exact:
        return magnitude
    if kind == "negative":
        return bounded(magnitude.high, "<")
    at = any(
        says(before, word) if whole_words(word) else word in before for word in words(tables, "at-titre")
    )
    if kind == "positive" and at:
        return bounded(magnitude.low, ">=")
    return magnitude


def other_answer(record: dict, result: dict, holder: dict, findings: list[dict]) -> list[str]:
    """Weak, the answer by code or sign, then (nothing else being said) by the own limit, then by interpretation."""
    tables = record["tables"]
    if rule_E7_weak(tables, holder, ""):
        findings[:] = [finding for finding in findings if finding["kind"] == "titre"]
        return ["positive"]
    answer = coded_answer(tables, holder.get("valueCodeableConcept") or {}) or sign_answer(
        tables, text_of(holder)
    )
    if answer:
        return [answer]
    if findings:
        return []
    answer = rule_E7_quantity(record, holder, result)["answer"] or interpretation_answer(tables, holder)
    return ["positive" if answer == "weak" else answer] if answer else []


def rule_A4_pattern(tables: dict, phrase: str) -> str:
    """cytoplasmic, nuclear or nothing: a phrase that contains `cytoplasmic` is cytoplasmic whatever follows."""
    phrase = rule_A4_seen(tables, phrase) if names_pattern(tables, phrase) else phrase
    by_number = [int(match[1]) for match in re.finditer(rf"\b{AC.pattern}\b", plain(phrase))]
    if says_any(tables, phrase, "cytoplasmic") or any(one in CYTOPLASMIC_AC for one in by_number):
        return "cytoplasmic"
    every = whole_words(phrase)
    prefix = words(tables, "antibody-prefix")
    named = [word for before, word in zip(["", *every], every, strict=False) if before not in prefix]
    held = " ".join(named)
    nuclear = any(says(phrase if anywhere(word) else held, word) for word in words(tables, "nuclear"))
    return "nuclear" if nuclear or any(one > 0 for one in by_number) else ""


def names_pattern(tables: dict, phrase: str) -> bool:
    by_number = re.search(rf"\b{AC.pattern}\b", plain(phrase))
    return bool(by_number) or any(says_any(tables, phrase, role) for role in ("cytoplasmic", "nuclear"))


def patterns_by_code(holder: dict) -> list[str]:
    """AC-15 to AC-23 by code are cytoplasmic, the other numbers are not."""
    named = []
    for coding in codings_of(holder.get("valueCodeableConcept") or {}):
        match = AC.fullmatch(as_text(coding.get("code")).strip())
        if match and int(match[1]) > 0:
            named.append("cytoplasmic" if int(match[1]) in CYTOPLASMIC_AC else "nuclear")
    return named


def pattern_of_code(tables: dict, holder: dict) -> str:
    if "cytoplasmic" in words_of(tables, "observations", holder.get("code") or {}):
        return "cytoplasmic"
    codes = [coding.get("code") for coding in codings_of(holder.get("code") or {})]
    return "nuclear" if any(code in PATTERN_TITRES for code in codes) else ""


def all_cytoplasmic(patterns: list[str]) -> str:
    return "cytoplasmic" if all(pattern == "cytoplasmic" for pattern in patterns) else "nuclear"


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
            beside.extend(other["patterns"])
    return all_cytoplasmic(beside) if beside else ""


def beside_each_other(record: dict, result: dict, other: dict) -> bool:
    """Same specimen, same report or same collection time."""
    if result["specimen"] and result["specimen"] == other["specimen"]:
        return True
    for members in record["report_members"].values():
        if result["name"] in members and other["name"] in members:
            return True
    return (result["first"], result["last"]) == (other["first"], other["last"])


def rule_A2_decides(tables: dict, finding: dict) -> str:
    """present, low or open: what one nuclear titre says about the threshold."""
    high = finding["magnitude"].at_least(number(tables, "high_ana.threshold"))
    return {True: "present", False: "low", None: "open"}[high]


def rule_A3_said(record: dict, results: list[dict]) -> dict[str, list[tuple[Fraction, dict]]]:
    """What the results say, by kind: present, open, low, positive, negative, cytoplasmic; an interval by its lower end."""
    said: dict[str, list[tuple[Fraction, dict]]] = {}
    for result in results:
        for finding in result["findings"]:
            pattern = rule_A4_titre_pattern(record, result, finding)
            kind = finding["kind"]
            if kind == "titre":
                kind = rule_A2_decides(record["tables"], finding)
            if kind == "negative" and "pattern" in result["roles"]:
                continue  # no screen
            if pattern == "cytoplasmic" and kind not in ("negative", "unsure"):
                kind = "cytoplasmic"
            if kind == "positive" and "pattern" in result["roles"]:
                kind = "seen"  # no screen, but it speaks against a negative one
            ends = finding["magnitude"].ends if "magnitude" in finding else [Fraction(0)]
            said.setdefault(kind, []).append((ends[0], result))
        only = not result["findings"] and result["patterns"]
        if only and all_cytoplasmic(result["patterns"]) == "cytoplasmic":
            said.setdefault("cytoplasmic", []).append((Fraction(0), result))
    return said


def rule_A3_high_ana(record: dict) -> dict:
    """The predictor `high_ana`."""
    results = [result for result in record["results"] if result["analyte"] == "ana"]
    said = rule_A3_said(record, results)
    feature = combine(said)
    feature["rule"] = "A3"
    newest = max((result["last"] for result in results), default=None)
    limit = days(number(record["tables"], "high_ana.stale_after_days"))
    feature["stale"] = newest is not None and record["as_of"] - newest > limit
    if not results and "ana" in record["not_offered"]:
        feature["reason"] = "not offered by the server"
    barring = rule_A4b_doubts(record, results)
    if feature["state"] in ("absent", "missing") and barring:
        return {
            "state": "indeterminate",
            "rule": "A4b",
            "stale": feature["stale"],
            "reason": "a result could not be read",
        }
    if feature["state"] == "indeterminate" and "open" in said:
        feature["open"] = [(result, "ana") for _, result in said["open"]]
    return feature


def rule_A4b_doubts(record: dict, results: list[dict]) -> list:
    """Every doubt in an ANA role, but a line that says nothing ("see note") beside a result that was read."""
    barring = []
    for doubt in record["doubts"]:
        if doubt.role != "ana":
            continue
        beside = {
            "specimen": doubt.specimen,
            "name": doubt.resource,
            "first": doubt.first,
            "last": doubt.last,
        }
        says_nothing = doubt.reason == "no value" and "titre" not in doubt.roles
        note = says_nothing and any(beside_each_other(record, beside, one) for one in results)
        if not note:
            barring.append(doubt)
    return barring


def combine(said: dict) -> dict:
    if "seen" in said and {"negative", "cytoplasmic"} & said.keys():
        said = {**said, "positive": [*said.get("positive", []), *said["seen"]]}
    for kind, state, reason in (
        ("present", "present", ""),
        ("open", "indeterminate", "the comparator leaves the titre open"),
        ("low", "absent", ""),
        ("positive", "indeterminate", "positive without titre"),
        ("negative", "absent", ""),
        ("cytoplasmic", "absent", "cytoplasmic staining only"),
    ):
        if kind in said:
            titre, result = max(said[kind], key=lambda pair: (pair[0], pair[1]["last"]))
            feature = {"state": state, "kind": kind, "date": result["text"][:10], "reason": reason}
            if kind in ("present", "low"):
                feature["value"] = titre
            return feature
    return {"state": "missing", "reason": "no ANA result that can be read"}
