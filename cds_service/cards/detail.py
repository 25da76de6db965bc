"""The detail of a card, in the order of the card format, as GitHub Flavored Markdown without HTML.

What must be known now, what to do, why, the estimate, the disease, what else there is, the limits.

Nothing of the record is printed but numbers in our own units, dates, and names of our own tables.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from cds_service.cards.assessment import Assessment, EligibilityUnknown, NotShown
from cds_service.cards.figures import (
    DAYS_OF_A_YEAR,
    age_of,
    amount,
    capital,
    listed,
    measured,
    plain,
    sentence_of,
    span,
    times_limit,
    whole,
    with_unit,
    words_in,
)
from cds_service.cards.now import no_ck, now, says_ck, says_troponin_t
from cds_service.cards.to_do import LINES, to_do
from cds_service.cards.words import said, say
from fhir_mapping.evidence import Activity, ContextFinding, Evidence, Feature, Findings
from fhir_mapping.findings import SOURCES
from models.inputs import NOT_READ
from models.risk import DECISION_HORIZON, Abstained, Scored, percent

LONGEST = 180  # words
_TOO_OLD = ", over 365 days ago"
_FROM_MUSCLE = "AST and ALT may not come from muscle: "
_ASSOCIATED = ("ild", "lymphopenia")  # X1: the source's comparison
_ANSWERS = frozenset({"negative", "positive", "weak"})
_ON_RECORD = ("dysphagia", "statin", "checkpoint-inhibitor")


def detail(assessment: Assessment, use_instead: str = "") -> str:
    """The Markdown of the card, section by section; an empty section is left out.

    `use_instead` is a configured FHIR base, named where it could not be read whether this is an IMNM patient. A card
    that would be too long leaves out the last lines of what is also on record, then of what is to be done.
    """
    first = "\n\n".join(now(assessment, use_instead))
    middle = _why(assessment), _estimate(assessment), _disease(assessment.findings)
    limits = f"*{assessment.model.limits}*"
    also, lines = list(_also(assessment)), LINES
    while True:
        sections = [first, to_do(assessment, lines), *middle, _list(also), limits]
        if sum(map(words_in, sections)) <= LONGEST or not (also or lines > 1):
            return "\n\n".join(filter(None, sections))
        if also:
            also.pop()
        else:
            lines -= 1


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def signs(findings: Findings) -> list[str]:
    """What speaks for IMNM (E2, E3), without its date: "CK 13 × ULN", "anti-HMGCR positive"."""
    told = (_sign(evidence, findings) for evidence in findings.eligibility.evidence if _is_sign(evidence))
    return list(dict.fromkeys(told))


def is_named(findings: Findings) -> bool:
    """Whether the problem list names IMNM in words alone (E3)."""
    return any(map(_is_name, findings.eligibility.evidence))


def _is_name(evidence: Evidence) -> bool:
    return evidence.role == "core"


def _is_sign(evidence: Evidence) -> bool:
    return evidence.role in {"condition", "ck"} or evidence.value == "positive"


def _sign(evidence: Evidence, findings: Findings) -> str:
    if evidence.role == "condition":
        return say("signs.broad")
    if _is_name(evidence):
        return say("signs.named")
    if evidence.role == "ck":
        now = findings.activity
        known = filter(None, (now.peak, now.ck, now.nadir) if now else ())
        if measurement := next((ck for ck in known if ck.resource == evidence.resource), None):
            return say("signs.ck", times=times_limit(measurement))
        return f"CK {with_unit(evidence)}"
    return say("signs.positive", antibody=say(f"parts.{evidence.role}"))


def _why(assessment: Assessment) -> str:
    """The four predictors with state, value and date; of a patient who is only possibly one, what speaks for it."""
    findings, outcome = assessment.findings, assessment.outcome
    if findings.eligibility.state == "possible":
        return _for_and_against(findings)
    if not isinstance(outcome, Scored | Abstained | NotShown):
        return ""
    rows = [
        f"| {say(f'predictors.{spec.name}')} | {_row(spec.name, findings)} |"
        for spec in assessment.model.predictors
    ]
    return "\n".join([say("predictors.head"), "| --- | --- |", *rows])


def _for_and_against(findings: Findings) -> str:
    eligibility = findings.eligibility
    told: dict[str, list[str]] = {}
    for evidence in eligibility.evidence:
        if _is_sign(evidence) or _is_name(evidence):
            told.setdefault(_sign(evidence, findings), []).extend(filter(None, [evidence.date]))
    dated = [sign + (f" ({min(dates)})" if dates else "") for sign, dates in told.items()]
    lines = [say("possible.for", signs=listed(dated))]
    against = []
    for evidence in eligibility.against:
        if evidence.value in {"negative", "weak"}:
            counter = say(f"possible.{evidence.value}", antibody=say(f"parts.{evidence.role}"))
        else:
            counter = say("disease.too", what=evidence.role.replace("-", " "))
        against.append(f"{counter} ({evidence.date})" if evidence.date else counter)
    if against:
        lines.append(say("possible.against", signs=listed(against)))
    return "\n\n".join([*lines, say("possible.no_risk")])


def _row(name: str, findings: Findings) -> str:
    """State, value, date, and what must be said of that number beside it."""
    feature = findings.features[name]
    if feature.reason == NOT_READ:
        why = dict.fromkeys(findings.unread[key] for key in SOURCES[name] if key in findings.unread)
        return say("predictors.unread", why=f" ({', '.join(map(plain, why))})" if why else "")
    value = _value(name, feature)
    if feature.state.known:
        day = feature.date or next((e.date for e in feature.evidence if e.date), "")
        old = age_of(day, findings.today) if feature.stale else ""
        caveats = [say("predictors.old", age=old)] if old else []
        caveats += [said(f"caveats.{note.rule}", "") for note in feature.notes]
        beside = sentence_of([value, *dict.fromkeys(caveats)])
        return say(f"predictors.{feature.state}", value=f": {beside}" if beside else "")
    if feature.reason.startswith(_FROM_MUSCLE):
        reason = f"{plain(feature.reason.removeprefix(_FROM_MUSCLE), 80)} is coded"
    else:
        undated = feature.reason.removesuffix(_TOO_OLD)  # the date says how old
        spelled = undated.replace("< ", "under ").replace("> ", "over ")
        reason = said(f"reasons.{feature.reason}", spelled)
    is_said = reason.endswith("older than 180 days") or says_troponin_t(feature)
    return say(
        "predictors.unknown",
        reason=f": {reason}" if reason else "",
        value=f" ({value})" if value and not is_said else "",
    )


def _value(name: str, feature: Feature) -> str:
    """The value that decided, with its date; where the predictor has none of its own, that of its first evidence."""
    if feature.value is not None:
        written = with_unit(feature)
        named = say("predictors.lvef", value=written) if feature.unit == "%" else written  # no risk
        return ", ".join(filter(None, (named, feature.date)))
    shown = next((e for e in feature.evidence if isinstance(e.value, Decimal)), None)
    answer = next((e for e in feature.evidence if e.value in _ANSWERS), None)
    if shown is None and answer is not None:
        said_already = "" if feature.state.known else str(answer.value)  # by the reason
        return ", ".join(filter(None, (str(answer.value).removeprefix(said_already), answer.date)))
    if shown is None:
        coded = feature.state.known and feature.evidence
        return ", ".join(filter(None, (say("predictors.coded"), feature.date))) if coded else ""
    value = with_unit(shown)
    if said(f"roles.{shown.role}", ""):
        value = f"{say(f'roles.{shown.role}')} {value}"
    if name == "treatment_refractory" and feature.state.known:
        value = say("predictors.on_treatment", value=value)
    return ", ".join(filter(None, (value, shown.date)))


def _estimate(assessment: Assessment) -> str:
    """One sentence; in a relapse none, in active disease "after improvement" (R5)."""
    outcome, phase = assessment.outcome, assessment.findings.phase
    if isinstance(outcome, Abstained) and outcome.code == "too-few-predictors":
        of, known = len(outcome.pattern), len(outcome.pattern) - outcome.pattern.count("?")
        needed = assessment.model.policy.known_at_least
        return say("estimate.abstained", known=known, of=of, needed=needed)
    if isinstance(outcome, NotShown) and phase != "relapse":
        return say(f"not_shown.{assessment.model.evidence}")
    if not isinstance(outcome, Scored) or phase == "relapse":
        return ""
    horizons = outcome.risk
    if phase == "active":
        risk, unknown = horizons[DECISION_HORIZON], len(outcome.unknown)
        left = say("estimate.not_known_one") if unknown == 1 else say("estimate.not_known", n=unknown)
        after_improvement = say(
            "estimate.active" if unknown else "estimate.active_known",
            years=f"{DECISION_HORIZON.years:g}",
            risk=percent(risk.estimate),
            range=span(risk.low, risk.high),
            unknown=left,
        )
        return after_improvement + _landmark(assessment)
    estimate = say(
        "estimate.open" if outcome.unknown else "estimate.known",
        years=listed([f"{horizon.years:g}" for horizon in horizons]),
        risks=listed([whole(e.estimate) for e in horizons.values()]),
        ranges=", ".join(span(e.low, e.high) for e in horizons.values()),
    )
    return estimate + _landmark(assessment)


def _landmark(assessment: Assessment) -> str:
    """Whose baseline it is, where the model has several (S11)."""
    used = assessment.landmark
    if used is None:
        return ""
    if used.days:
        years = used.days // DAYS_OF_A_YEAR  # landmarks are whole years (S11)
        return " " + say("estimate.landmark_one" if years == 1 else "estimate.landmark", years=years)
    return " " + say("estimate.landmark_unknown" if used.since is None else "estimate.landmark_start")


def _disease(findings: Findings) -> str:
    """CK now with peak and lowest, antibodies, how the diagnosis is known. Nothing twice."""
    now, eligibility = findings.activity, findings.eligibility
    if now is None:
        return ""
    course = _course(now, findings, is_said=eligibility.is_established and says_ck(now, findings))
    if eligibility.state == "possible":
        return _capital_sentence(course)
    how_known = {
        "definite": say("disease.definite"),
        "probable": say("disease.probable", signs=listed(signs(findings))),
    }.get(eligibility.state, "")
    coded_too = [
        say("disease.too", what=note.text.removesuffix(" is coded too"))
        for note in eligibility.notes
        if note.rule == "E6"
    ]
    parts = [course, say(f"subtypes.{eligibility.subtype}"), how_known, *coded_too]
    return _capital_sentence(sentence_of(parts))


def _capital_sentence(text: str) -> str:
    """A sentence of parts; one that begins with an antibody keeps its small letter."""
    begun = text if text.startswith("anti-") else capital(text)
    return f"{begun}." if text else ""


def _course(now: Activity, findings: Findings, *, is_said: bool) -> str:
    """CK with its day, unless the first line said it; the peak, unless it is the latest; the lowest since, likewise."""
    parts = []
    if not is_said:
        parts.append(
            say("disease.ck", ck=measured(now.ck), date=now.ck.date) if now.ck else no_ck(now, findings)
        )
    if now.peak and now.ck and now.peak.resource != now.ck.resource:
        parts.append(say("disease.peak", value=amount(now.peak), date=now.peak.date))
    is_lowest_said = is_said and now.lowest
    is_latest = now.nadir and now.ck and now.nadir.resource == now.ck.resource
    if now.nadir and not (is_lowest_said or is_latest):
        parts.append(say("disease.lowest", value=amount(now.nadir)))
    return ", ".join(parts)


def _also(assessment: Assessment) -> Iterator[str]:
    """What is shown beside the score: one line each (X1, X3, X4, Z1)."""
    findings = assessment.findings
    if isinstance(assessment.outcome, EligibilityUnknown) or findings.eligibility.state == "possible":
        return
    contexts = {context.finding: context for context in findings.context}
    if associated := [_named(contexts[name]) for name in _ASSOCIATED if name in contexts]:
        yield capital(say("also.associated", what=", ".join(associated)))
    if tumour := contexts.get("malignancy"):
        first = (tumour.near_onset or tumour.evidence)[0]
        key = "also.malignancy_near" if tumour.near_onset else "also.malignancy"
        yield say(key, date=f" {first.date}" if first.date else "")
    if "cancer-window" in contexts and (until := contexts["cancer-window"].until):
        yield say("also.cancer_window", date=until.isoformat())
    if "childhood-onset" in contexts:
        yield say("also.childhood")
    if findings.srp_refractory is not None:
        yield _srp(findings)
    warned = {"statin"} if assessment.advice and assessment.advice.statin else set()  # said already
    if other := [_named(contexts[name]) for name in _ON_RECORD if name in contexts and name not in warned]:
        yield say("also.context", what=", ".join(other))


def _named(context: ContextFinding) -> str:
    """A finding, of the laboratory with its latest value."""
    first = context.evidence[0]
    value = with_unit(first)
    return say(f"context.{context.finding}") + (f" ({value})" if value else "")


def _srp(findings: Findings) -> str:
    """Z1: the published factors that are present, and those that are not recorded."""
    flags = findings.srp_refractory
    names = ("male", "severe_weakness", "ild")
    present = [say(f"factors.{name}") for name in names if getattr(flags, name) == "present"]
    missing = [say(f"factors.open_{name}") for name in names if getattr(flags, name) == "missing"]
    left = say("also.srp_open", factors=", ".join(missing)) if missing else ""
    return say("also.srp" if present else "also.srp_none", factors=", ".join(present), open=left)
