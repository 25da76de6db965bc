"""What must be known now, one line each: the disease, a statin, the heart, falls, and what could not be read or used."""

import re
from collections.abc import Iterator, Mapping, Sequence

from cds_service.cards.assessment import Assessment, EligibilityUnknown
from cds_service.cards.figures import age_of, amount, capital, measured, plain, times_lowest, with_unit
from cds_service.cards.words import said, say
from fhir_mapping.evidence import Activity, Barring, Feature, Findings
from models.inputs import Statin
from models.risk import Abstained

_DOUBTS_NAMED = 3  # U6
_TROPONIN_T = "troponin T raised"
_HMGCR = "anti-hmgcr"
_VERSIONS = re.compile(r"FHIR (\S+) instead of (\S+)")


def now(assessment: Assessment, use_instead: str = "") -> list[str]:
    """The lines, the most pressing first. `use_instead` is a configured FHIR base, named where this one is no use."""
    findings, outcome = assessment.findings, assessment.outcome
    if isinstance(outcome, EligibilityUnknown):
        if use_instead:
            return [say("now.set_server", base=use_instead)]
        if outcome.failed:
            return [say("now.unread_again", sources=sources(outcome.failed))]
        return [say("now.unused", what=capital("; ".join(outcome.unused)))]
    lines = [_disease(findings)] if findings.eligibility.is_established else []
    lines.append(_statin(assessment))
    heart = findings.features["cardiac_involvement"]
    raised = next((e for e in heart.evidence if e.role == "troponin-t"), None)
    if raised and says_troponin_t(heart):  # C3: it decides nothing and is not left unsaid
        lines.append(say("now.troponin_t", value=with_unit(raised), date=raised.date))
    lines += [*_falls(findings), _doubts(findings.doubts)]
    if findings.failed:
        again = isinstance(outcome, Abstained) and outcome.code == "record-incomplete"
        lines.append(say("now.unread_again" if again else "now.unread", sources=sources(findings.failed)))
    return list(filter(None, lines))


def sources(unread: Mapping[str, str]) -> str:
    """What could not be read, for people: "diagnoses (timed out), ANA (HTTP 503)", or the one reason for all."""
    names = {key: said(f"sources.{key}", key) for key in unread}
    reasons = set(unread.values())
    if len(reasons) == 1:
        return f"{', '.join(names.values())} ({plain(reasons.pop())})"
    return ", ".join(f"{names[key]} ({plain(why)})" for key, why in unread.items())


def other_version(unread: Mapping[str, str]) -> tuple[str, str] | None:
    """The FHIR version of the server and the one that was expected, where that is why nothing could be read."""
    told = (_VERSIONS.search(why) for why in unread.values())
    return next(((match[1], match[2]) for match in told if match), None)


def statin_name(statin: Statin) -> str:
    """The statin by its ingredient, of several the first and how many more."""
    first = said(f"statins.{statin.names[0]}", statin.names[0])
    more = len(statin.names) - 1
    return say("statins.more", statin=first, n=more) if more else first


def no_ck(now: Activity, findings: Findings) -> str:
    """That there is no CK: none on record, or none that could be read."""
    unread = now.unread_ck or "enzymes" in findings.failed
    in_doubt = any(barring.doubt.role == "ck" for barring in findings.doubts)
    return say("disease.ck_unread" if unread or in_doubt else "disease.ck_none")


def says_ck(now: Activity, findings: Findings) -> bool:
    """Whether the latest CK stands in the first line already, with its day; or that there is none."""
    if now.phase == "unknown":
        return _is_open(now) or (now.ck is None and bool(_not_known(now, findings)))
    by_code = now.phase == "relapse" and now.coded is not None and now.times_lowest is None
    return now.ck is not None and now.phase in {"relapse", "rising", "active", "improving"} and not by_code


def _is_open(now: Activity) -> bool:
    """Whether the latest CK is itself what leaves open how high it is (D6)."""
    open_by = {doubt.resource for doubt in now.barred_by if doubt.reason == "interval"}
    return now.unread_ck is None and now.ck is not None and now.ck.resource in open_by


def _disease(findings: Findings) -> str:
    now = findings.activity
    if now is None or now.phase == "controlled":
        return ""
    if now.phase == "unknown":
        return _not_known(now, findings)
    if now.phase == "relapse" and now.coded and now.times_lowest is None:
        beside = _rhabdomyolysis(now)
        date = f" ({now.coded.date})" if now.coded.date else ""
        return say("now.relapse_coded", how=now.coded.role, date=date, beside=beside)
    assert now.ck
    lowest = ""  # how many times the lowest it is, with that value and its day where it is known
    if now.times_lowest is not None and now.lowest:
        value, date = amount(now.lowest), now.lowest.date
        lowest = say("now.lowest", times=times_lowest(now), value=value, date=date)
    elif now.times_lowest is not None:
        lowest = say("now.lowest_value", times=times_lowest(now))
    key = "active_unbroken" if now.phase == "active" and now.never_fell else now.phase
    return say(
        f"now.{key}",
        ck=measured(now.ck).removeprefix("CK ") if now.phase in {"rising", "improving"} else measured(now.ck),
        date=now.ck.date,
        lowest=lowest,
        beside=_rhabdomyolysis(now),
    )


def _rhabdomyolysis(now: Activity) -> str:
    return say("now.rhabdomyolysis", date=now.rhabdomyolysis.date) if now.rhabdomyolysis else ""


def _not_known(now: Activity, findings: Findings) -> str:
    """Phase `unknown`, by its first reason."""
    if "enzymes" in findings.failed and now.ck is None:
        return ""  # said with what could not be read
    if now.unread_ck is not None:
        return say("now.unknown_unread" if now.ck else "now.unknown_unread_alone")
    if now.ck is None:
        return say("now.unknown_none")
    if not now.barred_by:
        return say("now.unknown_old", age=age_of(now.ck.date, findings.today), date=now.ck.date)
    if _is_open(now):
        return say("now.unknown_open", ck=measured(now.ck), date=now.ck.date)
    if any(doubt.reason == "interval" for doubt in now.barred_by):
        return say("now.unknown_open_older")
    return say("now.unknown_older")


def why_warned(statin: Statin, assessment: Assessment) -> str:
    """The word of the catalogue for what makes a statin one to warn of: the antibody, or that nothing is known of it."""
    if not statin.never_answered:
        return "statin"
    rows = assessment.advice.follow_up if assessment.advice else ()
    unread = any(part.part == _HMGCR and part.state == "unknown" for row in rows for part in row.parts)
    return "statin_unread" if unread else "statin_untested"


def _statin(assessment: Assessment) -> str:
    """The statin row; of a patient who is only possibly one an active statin beside a positive anti-HMGCR (E3)."""
    findings, advice = assessment.findings, assessment.advice
    statin = advice.statin if advice else None
    if findings.eligibility.state == "possible":
        asked = findings.follow_up.statin
        statin = asked if asked and asked.state == "warn" and not asked.never_answered else None
    if statin is None:
        return ""
    if statin.state == "unknown":
        doubts = [b.doubt for b in findings.doubts if b.doubt.resource in statin.evidence]
        is_listed = all(doubt.role == _HMGCR for doubt in doubts)
        return say(
            "now.statin_open" if is_listed else "now.statin_unknown",
            statin=capital(statin_name(statin)),
            why=", ".join(dict.fromkeys(doubt.reason for doubt in doubts)),
        )
    since = say("now.since", date=statin.since) if statin.since else ""
    return say(f"now.{why_warned(statin, assessment)}", statin=statin_name(statin), since=since)


def says_troponin_t(feature: Feature) -> bool:
    """Whether a raised troponin T stands in a line of its own (C3)."""
    return feature.reason.startswith(_TROPONIN_T)


def _falls(findings: Findings) -> Iterator[str]:
    """X2: both values with their dates."""
    for context in findings.context:
        if context.finding in {"fvc-fall", "lvef-fall"}:
            after, before = context.evidence[0], context.evidence[1]
            yield say(
                f"now.{context.finding.replace('-', '_')}",
                before=with_unit(before),
                date_before=before.date,
                after=with_unit(after),
                date_after=after.date,
            )


def _doubts(doubts: Sequence[Barring]) -> str:
    """What could not be used (U6): the three newest by role, date and reason, and how many others there are."""
    told = []
    for barring in sorted(doubts, key=lambda barring: barring.doubt.when, reverse=True):
        doubt = barring.doubt
        date = f" of {doubt.date}" if doubt.date else ""
        told.append(f"{said(f'roles.{doubt.role}', doubt.role)}{date} ({plain(doubt.reason)})")
    named = list(dict.fromkeys(told))[:_DOUBTS_NAMED]
    others = sum(words not in named for words in told)
    more = [say("now.more", n=others)] if others else []
    return say("now.doubts", what="; ".join([*named, *more])) if named else ""
