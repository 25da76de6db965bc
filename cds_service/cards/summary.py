"""The one line of a card, the first that holds: what is happening now, or the risk (card format, "Summary")."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from cds_service.cards.assessment import Assessment, EligibilityUnknown, NotEligible, NotShown
from cds_service.cards.detail import is_named, signs
from cds_service.cards.figures import amount, capital, listed, measured, one_line, times_lowest
from cds_service.cards.now import no_ck, other_version, statin_name, why_warned
from cds_service.cards.words import said, say
from fhir_mapping.evidence import Activity, Findings, Measured
from models.advice import Advice
from models.risk import DECISION_HORIZON, Abstained, Scored, percent

LENGTH = 139  # CDS Hooks: fewer than 140 characters
_YEARS = f"{DECISION_HORIZON.years:g}"
_OPEN = {"overdue", "never", "due"}
_EXCLUDED = {"minor": "summary.minor", "unreadable patient": "summary.unreadable_patient"}


def summary(assessment: Assessment) -> str:
    """One line with what matters most in it, at most 139 characters."""
    words = next(filter(None, _candidates(assessment)))
    return words if len(words) <= LENGTH else words[: LENGTH - 1] + "…"


def _candidates(assessment: Assessment) -> Iterator[str]:
    findings, outcome, advice = assessment.findings, assessment.outcome, assessment.advice
    if isinstance(outcome, Scored | Abstained | NotShown) and advice:
        yield _now(assessment)
        yield _statin(assessment, advice)
        yield _active(findings, advice)
        yield _ck_unread(assessment, advice)
        if isinstance(outcome, Abstained) and outcome.code == "record-incomplete":
            yield _unread(dict(findings.unread))
        yield _risk(assessment, outcome, advice)
    if isinstance(outcome, EligibilityUnknown):
        yield _not_assessed(outcome)
    if isinstance(outcome, NotEligible):
        if findings.eligibility.state == "excluded":
            yield say(_EXCLUDED.get(outcome.reason, "summary.no_birth_date"))
        elif is_named(findings):
            told = listed(signs(findings))
            yield say("summary.possible_named", signs=f"{told}; " if told else "")
        else:
            yield say("summary.possible", signs=listed(signs(findings)))


def _now(assessment: Assessment) -> str:
    """Relapse, or CK rising."""
    now = assessment.findings.activity
    if now is None or now.phase not in {"relapse", "rising"}:
        return ""
    is_dated = now.coded is not None and now.times_lowest is None  # beside a code it may be from long before
    write = partial(_in_phase, assessment, now)
    if now.ck is None:
        return write(no_ck(now, assessment.findings))
    return _fitting_ck(now.ck, write, say("summary.day", date=now.ck.date) if is_dated else "")


def _in_phase(assessment: Assessment, now: Activity, ck: str) -> str:
    lowest = say("summary.lowest", times=times_lowest(now)) if now.times_lowest else ""
    if now.phase == "rising":
        return say("summary.rising", ck=ck.removeprefix("CK "), lowest=lowest)
    days = assessment.model.policy.items["visit"].every["relapse"].days
    if not lowest and now.coded:
        date = f" {now.coded.date}" if now.coded.date else ""
        return say("summary.relapse_coded", how=now.coded.role, date=date, ck=ck, days=days)
    return say("summary.relapse", ck=ck, lowest=lowest, days=days)


def _statin(assessment: Assessment, advice: Advice) -> str:
    statin = advice.statin
    if statin is None or statin.state != "warn":
        return ""
    words = say(f"summary.{why_warned(statin, assessment)}", statin=capital(statin_name(statin)))
    if assessment.findings.phase == "active":
        more = say("summary.and_active")
    else:
        more = f"; {_risk_in_short(assessment, advice)}"
    return words + more if len(words + more) <= LENGTH else words


def _active(findings: Findings, advice: Advice) -> str:
    if findings.phase != "active" or findings.activity is None or findings.activity.ck is None:
        return ""
    told = partial(say, "summary.active", follow_ups=_follow_ups(advice))
    return _fitting_ck(findings.activity.ck, lambda ck: told(ck=ck))


def _ck_unread(assessment: Assessment, advice: Advice) -> str:
    """R4 `unknown` by a doubt: the newest CK."""
    findings = assessment.findings
    newest = findings.activity.unread_ck if findings.activity else None
    if findings.phase != "unknown" or newest is None:
        return ""
    date = f" of {newest.date}" if newest.date else ""
    return say("summary.ck_unread", date=date, then=_risk_in_short(assessment, advice))


def _risk_in_short(assessment: Assessment, advice: Advice) -> str:
    outcome = assessment.outcome
    if isinstance(outcome, NotShown):
        return say("summary.not_shown")
    if not isinstance(outcome, Scored):
        return say("summary.not_known")
    band = "" if advice.band in {"uncertain", None} else f"{advice.band}, "
    return say("summary.risk", band=band, risk=percent(outcome.risk[DECISION_HORIZON].estimate), years=_YEARS)


def _risk(assessment: Assessment, outcome: Scored | Abstained | NotShown, advice: Advice) -> str:
    if isinstance(outcome, NotShown):
        return say("summary.not_accepted", follow_ups=_follow_ups(advice))
    if isinstance(outcome, Abstained):
        of, known = len(outcome.pattern), len(outcome.pattern) - outcome.pattern.count("?")
        return say("summary.abstained", known=known, of=of, follow_ups=_follow_ups(advice))
    risk = outcome.risk[DECISION_HORIZON]
    if advice.ends:
        low, high = advice.ends
        tests = assessment.model.policy.tests
        named = listed([f"the {tests[name].name}" for name in outcome.unknown])
        verb = "is" if len(outcome.unknown) == 1 else "are"
        return say(
            "summary.uncertain",
            risk=percent(risk.estimate),
            years=_YEARS,
            low=low,
            high=high,
            tests=named,
            verb=verb,
        )
    return say(
        "summary.scored",
        band=advice.band,
        risk=percent(risk.estimate),
        years=_YEARS,
        low=percent(risk.low),
        high=percent(risk.high),
        follow_ups=_follow_ups(advice),
    )


def _follow_ups(advice: Advice) -> str:
    """How many items of the follow-up table are to be done, with the word for it; empty: none."""
    to_be_done = [item for item in advice.follow_up if item.state in _OPEN]
    # What is ordered makes nothing else late (V1, V3)
    late = all(
        item.state == "overdue" and any(part.state == "overdue" for part in item.parts) for item in to_be_done
    )
    word = "overdue" if late else "open"
    count = len(to_be_done)
    return {0: "", 1: say(f"summary.{word}_one")}.get(count, say(f"summary.{word}", n=count))


def _not_assessed(outcome: EligibilityUnknown) -> str:
    if versions := other_version(outcome.failed):
        spoken, expected = versions
        return say("summary.other_version", spoken=spoken, expected=expected)
    if outcome.failed:
        return _unread(outcome.failed)
    unused = outcome.unused
    return _fitting(len(unused), lambda n: say("summary.unused", what=_some(unused, "; ", n)))


def _unread(unread: dict[str, str]) -> str:
    """What could not be read, and why where that is not the time; of several reasons the first."""
    names = [said(f"sources.{key}", key) for key in unread]
    why = one_line(next(iter(unread.values())))
    key = "summary.unread" if why == "timed out" else "summary.unread_why"
    return _fitting(len(names), lambda n: say(key, sources=_some(names, ", ", n), why=why))


def _fitting(count: int, write: Callable[[int], str]) -> str:
    """What is written of as many things as fit into one line, at least of one."""
    lengths = (write(number) for number in range(count, 0, -1))
    return next((words for words in lengths if len(words) <= LENGTH), write(1))


def _fitting_ck(ck: Measured, write: Callable[[str], str], day: str = "") -> str:
    """What is written of a CK with as much beside it as fits: whose limit, then the day, then the limit is left out."""
    short = measured(ck, says_whose_limit=False)
    ways = (measured(ck) + day, short + day, short, f"CK {amount(ck)} {ck.unit}")
    lines = [write(way) for way in ways]
    return next((line for line in lines if len(line) <= LENGTH), lines[-1])


def _some(names: Sequence[str], between: str, count: int) -> str:
    """The first names, and how many others there are."""
    left = len(names) - count
    return between.join(names[:count]) + (f" {say('to_do.more', n=left)}" if left else "")
