"""The relapse label for training, `relapse.v1` (R3): no part of an assessment, never shown beside a chart.

A relapse is a change of treatment after an improvement, together with a possible relapse of R2, and is dated by the
change. "Together": the card would have said "possible relapse" on the day of the change, or it said "CK rising" and the
rise was confirmed, or the relapse was coded, within 60 days. A possible relapse that CK alone says, without such a
change, is biochemical and no relapse.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Literal

from fhir_mapping.checks import judge
from fhir_mapping.laboratory.bounds import is_raised
from fhir_mapping.patient_record import PatientRecord
from fhir_mapping.record import Gathered, local_day
from fhir_mapping.rules.activity import COMING_BACK, coded_relapses
from fhir_mapping.rules.exposures import (
    GLUCOCORTICOID,
    Episode,
    episodes,
    glucocorticoid_dose,
)
from fhir_mapping.rules.rise import confirmed_rise, improvements, in_order, rising

_PER_CENT = 100
_DAY = timedelta(days=1)
_PLACES = 6  # of mg: what is left behind them is left by dividing through a period
_Sign = Literal["rising", "coded", "CK"]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of treatment (R3 a): glucocorticoid raised, or another agent begun, with what says so."""

    when: datetime
    agent: str
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """What a record says of relapses up to a moment.

    `improved`: the first improvement of CK (R2), None: never. `relapses`: the changes of treatment that are relapses,
    earliest first. `biochemical`: the moments at which CK said "possible relapse" (R2 b) without a change beside it.
    """

    improved: datetime | None
    relapses: tuple[Change, ...] = ()
    biochemical: tuple[datetime, ...] = ()


def relapses(gathered: Gathered, until: datetime, record: PatientRecord | None = None) -> Course:
    """Label the relapses up to `until` (R3); `record` is the record as of then, if it is at hand already."""
    record = record or judge(gathered, until)
    better = (each.ck.when.last for each in improvements(record) if each.answer.truth)
    improved = min(better, default=None)
    if improved is None:
        return Course(None)
    look = cache(partial(_look, gathered))
    signs = {moment: look(moment) for moment in _moments(record, improved) if _is_relapse(look(moment))}
    changes = [change for change in treatment_changes(record) if change.when > improved]
    together = record.mapping.tables.rules.days("relapse.together_days")

    def goes_with(change: Change, moment: datetime) -> bool:
        """The possible relapse still stands when treatment is changed, or what was seen then is confirmed soon."""
        since, then = moment - change.when, look(change.when)
        if since <= timedelta():
            return _is_relapse(then) and -since <= together
        return since <= together and (bool(then) or "coded" in signs[moment])

    def is_relapse(change: Change) -> bool:
        """The possible relapse stood already, or came soon after."""
        later = (moment for moment in signs if moment > change.when)
        return _is_relapse(look(change.when)) or any(goes_with(change, moment) for moment in later)

    by_ck = (moment for moment, seen in signs.items() if "CK" in seen)
    alone = [moment for moment in by_ck if not any(goes_with(change, moment) for change in changes)]
    return Course(improved, tuple(filter(is_relapse, changes)), tuple(alone))


def treatment_changes(record: PatientRecord) -> tuple[Change, ...]:
    """Every change of R3 (a) in order of time: glucocorticoid raised, or an episode of another agent begun."""
    treated = episodes(record)
    begun = (
        Change(episode.start, episode.agent, (episode.exposures[0].treatment.resource,))
        for episode in treated
        if episode.agent != GLUCOCORTICOID
    )
    raised = (
        change
        for episode in treated
        if episode.agent == GLUCOCORTICOID
        for change in _raised(record, episode)
    )
    return tuple(sorted((*begun, *raised), key=lambda change: (change.when, change.agent)))


def _moments(record: PatientRecord, improved: datetime) -> list[datetime]:
    """After the improvement, the moments at which a possible relapse can begin: a raised CK, or a code for it."""
    times = record.mapping.tables.rules.number("activity.times_uln")
    cks = (ck.when.last for ck in in_order(record) if is_raised(ck, times))
    coded = (
        told.last
        for diagnosis in record.diagnoses
        if diagnosis.clinical in COMING_BACK and (told := diagnosis.recorded or diagnosis.onset)
    )
    return sorted({moment for moment in (*cks, *coded) if improved < moment <= record.as_of})


def _is_relapse(seen: frozenset[_Sign]) -> bool:
    return not seen.isdisjoint({"coded", "CK"})


def _look(gathered: Gathered, moment: datetime) -> frozenset[_Sign]:
    """What was to be seen at that moment: a possible relapse by code or by CK (R2 a, b), a rising CK; nothing: quiet."""
    record = judge(gathered, moment)
    seen: dict[_Sign, bool] = {
        "CK": confirmed_rise(record).holds,
        "coded": bool(coded_relapses(record)),
        "rising": rising(record).holds,
    }
    return frozenset(sign for sign, is_seen in seen.items() if is_seen)


def _raised(record: PatientRecord, episode: Episode) -> Iterator[Change]:
    """The days on which glucocorticoid is raised by half or more, and to 20 mg of prednisone or more (R3 a)."""
    rules, zone = record.mapping.tables.rules, record.mapping.time_zone
    factor = 1 + rules.number("relapse.raised_percent") / _PER_CENT
    enough = rules.number("relapse.raised_to_mg")
    # The dose may change where a resource or one of its instructions begins; of each day the first moment
    moments = [exposure.start for exposure in episode.exposures]
    moments += [
        dosage.bounds.start.first
        for exposure in episode.exposures
        for dosage in exposure.treatment.dosages
        if dosage.bounds.start and exposure.start <= dosage.bounds.start.first <= exposure.end
    ]
    starts = {local_day(moment, zone): moment for moment in sorted(moments, reverse=True)}
    for day, when in sorted(starts.items()):
        dose = glucocorticoid_dose(record, (episode,), day)
        if dose is None or (mg := round(dose.mg, _PLACES)) < enough:
            continue
        if day > episode.first_day:
            last_days = (min(e.last_day, day - _DAY) for e in episode.exposures if e.first_day < day)
            earlier = glucocorticoid_dose(record, (episode,), max(last_days))
            if earlier is None or mg < round(factor * earlier.mg, _PLACES):
                continue  # a dose that is not written in numbers is no evidence (T4)
        yield Change(when, GLUCOCORTICOID, tuple(e.treatment.resource for e in dose.exposures))
