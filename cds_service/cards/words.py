"""The words of a card: `summary` and `detail` (GitHub Flavored Markdown without HTML) of an assessment.

The order of `detail` is fixed: disease now, risk and range, predictors with value and date, follow-up that is missing,
what would change the answer, the limits line. Nothing of the record is printed but numbers in our own units and dates;
whatever else might come from there goes through `plain`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal

from cds_service.cards.assessment import Assessment, EligibilityUnknown, NotEligible
from fhir_mapping.evidence import Activity, Barring, ContextFinding, Evidence, Feature, Findings, Measured
from fhir_mapping.findings import SOURCES
from models.inputs import NOT_READ
from models.advice import FollowUpItem
from models.risk import DECISION_HORIZON, Abstained, Scored, percent

DOUBTS_NAMED = 3  # U6
SUMMARY_LENGTH = 139  # CDS Hooks: fewer than 140 characters

SOURCE_WORDS = {
    "patient": "patient data",
    "conditions": "diagnoses",
    "antibodies": "antibodies",
    "ana": "ANA",
    "enzymes": "muscle and liver enzymes",
    "bloodCount": "blood count",
    "cardiacTests": "cardiac tests",
    "lungFunction": "lung function",
    "medicationRequests": "prescriptions",
    "medicationStatements": "medication list",
    "medicationDispenses": "dispensed medicines",
    "medicationAdministrations": "infusions and injections",
    "encounters": "visits",
    "appointments": "appointments",
    "orders": "orders",
    "procedures": "procedures",
    "reports": "reports",
}
CONTEXT_WORDS = {
    "ild": "interstitial lung disease",
    "lymphopenia": "low lymphocytes",
    "ldh": "LDH",
    "hbdh": "HBDH",
    "nlr": "neutrophil/lymphocyte ratio",
    "dysphagia": "dysphagia",
    "malignancy": "malignancy",
    "statin": "statin before onset",
    "checkpoint-inhibitor": "checkpoint inhibitor before onset",
}
EXCLUDED_WORDS = {"minor": "the patient is a minor", "unknown birth date": "the birth date is not known"}
_ROLE_WORDS = {
    "core": "diagnosis of IMNM",
    "broad": "diagnosis of a myopathy",
    "cardiac": "diagnosis of the heart",
    "agent": "medicine",
    "ast": "AST",
    "alt": "ALT",
    "drr": "AST/ALT ratio",
    "ana": "ANA",
    "anti-srp": "anti-SRP",
    "anti-hmgcr": "anti-HMGCR",
    "troponin-i": "troponin I",
    "troponin-t": "troponin T",
    "nt-probnp": "NT-proBNP",
    "lvef": "LVEF",
    "ck": "CK",
}
_UNIT_WORDS = {"10*9/L": "× 10⁹/L"}  # two asterisks in a paragraph would be Markdown
_ASSOCIATED = ("ild", "lymphopenia")  # X1: the source's univariate comparison
_COMPARATORS = {"<": "below ", "<=": "at most ", ">": "above ", ">=": "at least "}


def plain(text: str, length: int = 60) -> str:
    """Text of the record made harmless: one line, no Markdown, no HTML, at most `length` characters."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    shortened = re.sub(r"\s+", " ", printable).strip()[:length]
    return re.sub(r"([\\`*_{}\[\]()#+!|~>:@-])", r"\\\1", shortened.replace("<", "‹").replace("&", "＆"))


def number(value: Decimal) -> str:
    """A measured value for people: thousands with a comma, at most two decimals, no trailing zeros."""
    exponent = Decimal("0.01") if abs(value) < 100 else Decimal(1)  # noqa: PLR2004 - readable, not clinical
    text = f"{value.quantize(exponent, ROUND_HALF_UP):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def summary(assessment: Assessment) -> str:
    """One line with the number in it, at most 139 characters."""
    words = _relapse(assessment) or _summary(assessment)
    return words if len(words) <= SUMMARY_LENGTH else words[: SUMMARY_LENGTH - 1] + "…"


def _relapse(assessment: Assessment) -> str:
    findings = assessment.findings
    if findings.phase != "relapse" or assessment.advice is None:
        return ""
    ck = findings.activity and findings.activity.ck
    return f"Possible IMNM relapse now: {_measured(ck)}" if ck else "Possible IMNM relapse now"


def _summary(assessment: Assessment) -> str:
    match assessment.outcome:
        case Scored(risk=risk, present=present, pattern=pattern) if assessment.advice:
            two = risk[DECISION_HORIZON]
            return (
                f"IMNM: {assessment.advice.band} recurrence risk, {percent(two.estimate)} in 2 years "
                f"({percent(two.low)} to {percent(two.high)}); {present} of {len(pattern)} predictors present"
            )
        case Abstained(pattern=pattern, code=code):
            known = len(pattern) - pattern.count("?")
            why = "record incomplete" if code == "record-incomplete" else "too little is known"
            return f"IMNM recurrence risk not assessed: {why} ({known} of {len(pattern)} predictors known)"
        case NotEligible(reason=reason) if assessment.findings.eligibility.state == "possible":
            return f"Is this IMNM? {reason}"
        case NotEligible(reason=reason):
            return f"IMNM recurrence risk not assessed: {EXCLUDED_WORDS.get(reason, reason)}"
        case EligibilityUnknown(unread=unread, unused=unused):
            said = [f"could not read {sources(unread)}"] if unread else []
            return f"IMNM not assessed: {'; '.join([*said, *unused])}"
    raise AssertionError("every outcome has its summary")


def detail(assessment: Assessment, use_instead: str = "") -> str:
    """The Markdown of the card, section by section; an empty section is left out.

    `use_instead` is a configured FHIR base, named where it could not be read whether this is an IMNM patient.
    """
    unread = isinstance(assessment.outcome, EligibilityUnknown)
    sections = [
        f"**What to do:** set the FHIR server to `{use_instead}` and open the chart again."
        if unread and use_instead
        else "",
        *_now(assessment),
        *_risk(assessment),
        *_predictors(assessment),
        *_follow_up(assessment),
        *_what_would_change(assessment),
        f"*{_limits(assessment)}*",
    ]
    return "\n\n".join(section for section in sections if section)


def _measured(measured: Measured | None) -> str:
    if measured is None:
        return "no CK on record"
    limit = ", default limit" if measured.default_limit else ""
    value = f"{_COMPARATORS.get(measured.comparator, '')}{number(measured.value)} {measured.unit}"
    return f"CK {value} ({number(measured.times_uln)} × ULN{limit}) on {measured.date}"


def _now(assessment: Assessment) -> list[str]:
    findings = assessment.findings
    if findings.activity is None:
        return []
    activity = findings.activity
    unread = "enzymes" in findings.failed and activity.ck is None
    lines = [f"**Disease now:** {'CK could not be read.' if unread else _course(activity)}"]
    if activity.phase == "relapse":
        lines.insert(0, f"**Possible relapse now:** {plain(activity.reason, 300)}.")
    elif activity.phase == "rising":
        lines.append("CK rising.")
    eligibility = findings.eligibility
    if eligibility.state == "excluded":  # from the score: it says nothing about the disease
        said = f"Not scored: {EXCLUDED_WORDS.get(eligibility.reason, eligibility.reason)}"
    else:
        said = f"IMNM {eligibility.state}: {_in_words(eligibility.reason)}"
    lines.append(f"{said}. Antibodies: {eligibility.subtype}.")
    if eligibility.state == "possible":
        lines.append("\n".join(f"- {_cited(e)}" for e in eligibility.evidence))
    return ["\n\n".join(lines)]


def _cited(evidence: Evidence) -> str:
    """One piece of evidence: what it is, its value where that is a number, its date."""
    value = _with_unit(evidence.value, evidence.unit)
    role = _ROLE_WORDS.get(evidence.role, evidence.role)
    return ", ".join(filter(None, (f"{role} {value}".strip(), evidence.date)))


def _course(activity: Activity) -> str:
    parts = [_measured(activity.ck)]
    for word, measured in (("peak", activity.peak), ("lowest since", activity.nadir)):
        if measured is not None:
            parts.append(f"{word} {number(measured.value)} {measured.unit} on {measured.date}")
    return "; ".join(parts) + "."


def _risk(assessment: Assessment) -> list[str]:
    outcome, advice = assessment.outcome, assessment.advice
    if isinstance(outcome, Abstained):
        again = " Open the chart again." if outcome.code == "record-incomplete" else ""
        return [f"**Recurrence risk not assessed:** {_why_abstained(outcome, assessment)}.{again}"]
    if not isinstance(outcome, Scored) or advice is None:
        return []
    rows = [
        f"| {horizon.years:g} | {percent(e.estimate)} ({percent(e.low)} to {percent(e.high)}) |"
        for horizon, e in outcome.risk.items()
    ]
    return [
        (
            f"**Risk of recurrence from today,** at 2 years: {advice.band}; "
            f"{outcome.present} of {len(outcome.pattern)} predictors present."
        ),
        "\n".join(["| Years | Risk (plausible range) |", "| --- | --- |", *rows]),
        _unknown_range(outcome),
        "This estimate is not meant for an active relapse." if assessment.findings.phase == "relapse" else "",
        assessment.model.range_note,
    ]


def _unknown_range(outcome: Scored) -> str:
    if not outcome.unknown:
        return ""
    over = outcome.range_over_unknowns[DECISION_HORIZON]
    return f"Depending on what is not known: {percent(over.lowest)} to {percent(over.highest)} at 2 years."


def _why_abstained(outcome: Abstained, assessment: Assessment) -> str:
    if outcome.code == "record-incomplete":
        return f"could not read {sources(assessment.findings.unread)}"
    return outcome.reason


def sources(unread: Mapping[str, str]) -> str:
    """What could not be read, for people: "diagnoses (timed out), ANA (HTTP 503)", or the one reason for all."""
    reasons = set(unread.values())
    if len(unread) > 1 and len(reasons) == 1:
        keys = ", ".join(SOURCE_WORDS.get(key, key) for key in unread)
        return f"{keys} ({plain(reasons.pop())})"
    return ", ".join(f"{SOURCE_WORDS.get(key, key)} ({plain(what)})" for key, what in unread.items())


def _predictors(assessment: Assessment) -> list[str]:
    """The four predictors: state, value with date, and the 2-year risk without a present one (S7)."""
    if assessment.advice is None:
        return []
    outcome = assessment.outcome
    without = outcome.contributions if isinstance(outcome, Scored) else {}
    rows = []
    for spec in assessment.model.predictors:
        feature = assessment.findings.features[spec.name]
        alone = percent(without[spec.name].risk_2y_without) if spec.name in without else "–"
        unread = _unread(spec.name, feature, assessment.findings)
        said = unread or ", ".join(filter(None, (_state(feature), _value(feature))))
        rows.append(f"| {spec.label} | {said} | {alone} |")
    head = ["| Predictor | State, value, date | 2 years without it |", "| --- | --- | --- |"]
    return ["\n".join([*head, *rows])]


def _unread(name: str, feature: Feature, findings: Findings) -> str:
    """S5: of a predictor whose source failed what became of that, and nothing of tests."""
    if feature.reason != NOT_READ:
        return ""
    what = dict.fromkeys(findings.failed[key] for key in SOURCES[name] if key in findings.failed)
    return f"{NOT_READ} ({', '.join(map(plain, what))})"


def _in_words(reason: str) -> str:
    """A reason of the rules without signs that Markdown or HTML could take for its own."""
    return plain(reason.replace("< ", "less than ").replace("> ", "more than "), 200)


def _state(feature: Feature) -> str:
    stale = ", stale" if feature.stale else ""
    reason = f": {_in_words(feature.reason)}" if feature.reason and not feature.state.known else ""
    return f"{feature.state}{stale}{reason}"


def _value(feature: Feature) -> str:
    """The value that decided, with its date; where the predictor has none of its own, that of its first evidence."""
    if feature.value is None:
        cited = next((e for e in feature.evidence if isinstance(e.value, Decimal)), None)
        value = (
            ""
            if cited is None
            else f"{_ROLE_WORDS.get(cited.role, cited.role)} {_with_unit(cited.value, cited.unit)}"
        )
        date = cited.date if cited else feature.date
    else:
        value, date = _with_unit(feature.value, feature.unit), feature.date
    return ", ".join(filter(None, (value, date)))


def _with_unit(value: Decimal | str | None, unit: str) -> str:
    if not isinstance(value, Decimal):
        return ""
    if unit == "{titer}":
        return f"1:{value:f}"
    return number(value) if unit in {"", "1"} else f"{number(value)} {_UNIT_WORDS.get(unit, unit)}"


def _last_done(item: FollowUpItem) -> str:
    """When it was last done; a visit that counts because no specialty is coded says so (V4)."""
    uncoded = any("specialty not coded" in evidence for evidence in item.evidence)
    return f"last {item.last}{', specialty not coded' if uncoded else ''}"


_OPEN: dict[str, Callable[[FollowUpItem], str]] = {
    "overdue": lambda i: f"**{i.item}: {i.overdue_days} days overdue** ({_last_done(i)})",
    "never": lambda i: f"**{i.item}: none on record**",
    "due": lambda i: f"{i.item}: due {i.due} ({_last_done(i)})",
    "unknown": lambda i: f"{i.item}: not known, could not be read",
    "planned": lambda i: f"{i.item}: planned",
}


def _follow_up(assessment: Assessment) -> list[str]:
    """What is missing against what the band asks for, the most pressing first; what is done is not listed."""
    if assessment.advice is None or not assessment.advice.follow_up:
        return []
    follow_up = assessment.advice.follow_up
    warnings = [f"**Warning:** {i.item} is on the medication list." for i in follow_up if i.state == "warn"]
    items = [said(i) for state, said in _OPEN.items() for i in follow_up if i.state == state]
    if not items:
        return [*warnings, "**Follow-up:** nothing is due."]
    return [*warnings, "**Follow-up:**", "\n".join(f"- {item}" for item in items)]


def _what_would_change(assessment: Assessment) -> list[str]:
    """The next best test, context that is never scored, published factors, notes, and what could not be read."""
    findings, outcome = assessment.findings, assessment.outcome
    lines: list[str] = []
    if isinstance(outcome, Scored | Abstained):
        if outcome.next_best_test is not None:
            lines.append(f"The one test that would narrow the answer most: {outcome.next_best_test.name}.")
        if isinstance(outcome, Abstained) and outcome.code == "too-few-predictors" and outcome.needs:
            lines.append(f"What would help: {', '.join(outcome.needs)}.")
    if findings.failed:
        lines.append(f"**Could not be read:** {sources(findings.failed)}.")
    if findings.doubts:
        lines.append(f"**Could not be used:** {_doubts(findings.doubts)}.")
    heading = "What would change the answer, and what else is on record" if lines else "Also on record"
    lines += [*_context(findings), *filter(None, [_srp_refractory(assessment)])]
    lines += [f"Note: {plain(note.text, 200)}." for note in findings.notes]
    body = "\n".join(f"- {line}" for line in lines)
    return [f"**{heading}:**", body] if lines else []


def _doubts(doubts: Sequence[Barring]) -> str:
    """What could not be used (U6): the three newest by role, date and reason, and how many others there are."""
    newest = sorted(doubts, key=lambda barring: barring.doubt.when, reverse=True)
    named = [
        f"{_ROLE_WORDS.get(doubt.role, doubt.role)}{f' of {doubt.date}' if doubt.date else ''} ({doubt.reason})"
        for doubt in (barring.doubt for barring in newest[:DOUBTS_NAMED])
    ]
    others = len(doubts) - len(named)
    return "; ".join([*named, f"{others} more"] if others else named)


def _context(findings: Findings) -> list[str]:
    named = {c.finding: CONTEXT_WORDS[c.finding] + _latest(c) for c in findings.context}
    scored = [words for finding, words in named.items() if finding in _ASSOCIATED]
    other = [words for finding, words in named.items() if finding not in _ASSOCIATED]
    lines = []
    if scored:
        lines.append(
            f"{', '.join(scored)}: associated with recurrence in the source's univariate comparison; not scored."
        )
    if other:
        lines.append(f"Severity context, not scored: {', '.join(other)}.")
    return lines


def _srp_refractory(assessment: Assessment) -> str:
    """Z1: published factors as flags, with odds ratios, denominators and their warning; never a percentage of risk."""
    flagged, published = assessment.findings.srp_refractory, assessment.model.srp_factors
    if flagged is None:
        return ""
    flags = [
        f"{factor.label} {getattr(flagged, name)} (odds ratio {factor.odds_ratio})"
        for name, factor in published.factors.items()
    ]
    unread = " and ".join(factor.label for factor in published.unread.values())
    return (
        f"Refractory course in anti-SRP disease, published factors: {', '.join(flags)}; {unread}: reported, not read "
        f"from the record. {published.source}: {published.patients} patients, {published.refractory_percent} % "
        f"refractory. {published.warning}"
    )


def _latest(context: ContextFinding) -> str:
    """The value behind a finding of the laboratory, with its date; nothing for a diagnosis."""
    first = context.evidence[0] if context.evidence else None
    if first is None or not isinstance(first.value, Decimal):
        return ""
    return f" ({_with_unit(first.value, first.unit)}, {first.date})"


def _limits(assessment: Assessment) -> str:
    model = assessment.model
    return f"{model.limits} {model.time_zero_note}" if assessment.advice else model.limits
