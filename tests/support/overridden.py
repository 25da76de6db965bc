"""V8: charts whose card was overridden, in a store on disk, and what must be shown all the same."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from random import Random

from cds_service.cards.assessment import Assessment
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.identity import state_of, uuid_of
from cds_service.cards.reasons import SYSTEM
from cds_service.cards.why import speaks
from cds_service.web.memory import recall
from cds_service.web.store import Feedback, Store
from fhir_mapping.evidence import Barring
from fhir_mapping.record import Doubt
from models.advice import FollowUpItem
from models.inputs import State, Statin
from tests.support.alert_load import PHASES
from tests.support.changes import replace
from tests.support.silence import ALWAYS_SHOWN

REASONS = ("cds-not-applicable", "recipient-disagrees-evidence", "action-completed")
AGO = timedelta(minutes=1)
SECONDS = 30.0
Change = Callable[[Assessment, Random], Assessment]


def other_band(assessment: Assessment, random: Random) -> Assessment:
    others = [b for b in ("low", "intermediate", "high", "uncertain") if b != assessment.advice.band]
    return replace(assessment, advice=replace(assessment.advice, band=random.choice(others)))


def other_predictor(assessment: Assessment, random: Random) -> Assessment:
    features = assessment.findings.features
    name = random.choice(list(features))
    state = random.choice([state for state in State if state is not features[name].state])
    changed = {**features, name: replace(features[name], state=state)}
    return replace(assessment, findings=replace(assessment.findings, features=changed))


def other_follow_up(assessment: Assessment, random: Random) -> Assessment:
    rows = list(assessment.advice.follow_up)
    number = random.randrange(len(rows))
    states = ("ok", "due", "overdue", "never", "planned", "unknown", "warn")
    state = random.choice([state for state in states if state != rows[number].state])
    rows[number] = replace(rows[number], state=state)
    return replace(assessment, advice=replace(assessment.advice, follow_up=tuple(rows)))


def other_phase(assessment: Assessment, random: Random) -> Assessment:
    now = assessment.findings.activity
    phase = random.choice([phase for phase in PHASES if phase != now.phase])
    return replace(assessment, findings=replace(assessment.findings, activity=replace(now, phase=phase)))


def other_statin(assessment: Assessment, random: Random) -> Assessment:
    rows = assessment.advice.follow_up
    kept = tuple(row for row in rows if row.item != "statin")
    if len(kept) == len(rows) or random.random() < 0.5:
        statin = Statin("warn", ("a statin that was not there",), "", (), never_answered=False)
        kept = (*kept, FollowUpItem("statin", "warn", statin=statin))
    return replace(assessment, advice=replace(assessment.advice, follow_up=kept))


def other_doubt(assessment: Assessment, random: Random) -> Assessment:
    doubts = assessment.findings.doubts
    if doubts and random.random() < 0.5:
        doubts = doubts[1:]
    else:
        new = Doubt("Observation/new", "ck", "no unit", assessment.as_of, "", by="code")
        doubts = (*doubts, Barring(new, ("silence",)))
    return replace(assessment, findings=replace(assessment.findings, doubts=doubts))


CHANGES: dict[str, Change] = {
    "the band": other_band,
    "the state of a predictor": other_predictor,
    "the state of a follow-up": other_follow_up,
    "the phase": other_phase,
    "the statin row": other_statin,
    "a doubt": other_doubt,
}


def reader(number: int) -> CardSettings:
    """For whom the chart of that number is opened: each in a hospital of its own, because all are patient p1."""
    return CardSettings(user="Practitioner/1", client=f"hospital {number}", secret=b"of all workers")


def overridden(assessment: Assessment, number: int) -> Feedback:
    """The feedback of a user who never wants to see this card again."""
    card = uuid_of(state_of(assessment, reader(number)), reader(number))
    reason = (SYSTEM, REASONS[number % len(REASONS)])
    return Feedback("imnm-recurrence", card, "overridden", assessment.as_of - AGO, reasons=(reason,))


def stays_away(assessment: Assessment, number: int, store: Store) -> bool:
    """Whether the memory silences a card that there would be."""
    with closing(asyncio.new_event_loop()) as loop:
        return loop.run_until_complete(recall(assessment, reader(number), store, SECONDS)) == "overridden"


def forgotten(every: list[Assessment], store: Store) -> Iterator[str]:
    """What the memory does other than V8 wants, of charts whose every card was overridden."""
    random = Random(len(every))
    for number, assessment in enumerate(every):
        phase, failed = assessment.findings.phase, assessment.findings.failed
        may = speaks(assessment, reader(number)) and phase not in ALWAYS_SHOWN and not failed
        if stays_away(assessment, number, store) != may:
            yield f"phase {phase}, failed {bool(failed)}: {'shown again' if may else 'silenced'}"
        for name, change in CHANGES.items():
            if stays_away(change(assessment, random), number, store):
                yield f"silenced although {name} changed"


def remembering(every: list[Assessment], folder: Path) -> Store:
    """A store in which the card of each chart was overridden a minute before it is opened again."""
    times = iter(assessment.as_of - AGO for assessment in every)
    store = Store(folder / "feedback.sqlite3", SECONDS, lambda: next(times))
    store.add([overridden(assessment, number) for number, assessment in enumerate(every)])
    return store
