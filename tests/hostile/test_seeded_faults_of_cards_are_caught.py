"""A fault put into silence, memory, orders or words is seen by the property that watches over it."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from cds_service.cards import detail, identity, orders, render, summary, why
from cds_service.cards.assessment import Assessment
from cds_service.cards.card_settings import CardSettings
from cds_service.web import memory
from models import advice
from tests.support import overridden
from tests.support.card_words import flaws
from tests.support.changes import replace
from tests.support.faults import Fault, Faults, every, of_imnm_charts
from tests.support.imnm_charts import assessed
from tests.support.overridden import forgotten, remembering
from tests.support.records import Record
from tests.support.silence import wrongs
from tests.support.two_readings import gathered
from tests.support.walker import Seen, order_flaws

pytestmark = pytest.mark.thorough
FOR = CardSettings()


def replaced(assessment: Assessment, **members: object) -> Assessment:
    """The assessment with other findings."""
    return replace(assessment, findings=replace(assessment.findings, **members))


def in_phase(assessment: Assessment, phase: str) -> Assessment:
    return replaced(assessment, activity=replace(assessment.findings.activity, phase=phase))


# Silence (V6)

SILENCE = Faults()


def change_quiet(patch: pytest.MonkeyPatch, change: Callable) -> None:
    """Let V6 be asked of another outcome or phase."""
    right = advice._is_quiet
    patch.setattr(advice, "_is_quiet", lambda *arguments: right(*change(*arguments)))


@SILENCE.named("whoever is improving may be silent")
def silent_while_improving(patch):
    def controlled(policy, outcome, banding, phase):
        return policy, outcome, banding, "controlled" if phase == "improving" else phase

    change_quiet(patch, controlled)
    patch.setattr(why, "_NOT_CONTROLLED", {})  # the one decision asks the phase once more


@SILENCE.named("an uncertain band is silent although a test would tell more")
def silent_before_a_test(patch):
    change_quiet(
        patch,
        lambda policy, outcome, banding, phase: (
            policy,
            replace(outcome, next_best_test=None),
            banding,
            phase,
        ),
    )


@SILENCE.named("what was never done does not bar silence")
def never_is_no_gap(patch):
    patch.setattr(advice, "_GAPS", frozenset({"overdue"}))


@SILENCE.named("a missing antibody bars silence")
def antibodies_are_a_gap(patch):
    patch.setattr(advice, "_NO_GAP", frozenset())


def deaf(change: Callable[[Assessment], Assessment]) -> Fault:
    """Let the one decision be made of another assessment."""

    def make(patch):
        right = why.speaks
        patch.setattr(render, "speaks", lambda assessment, settings: right(change(assessment), settings))

    return make


SILENCE |= {
    "a doubt does not bar silence": deaf(lambda assessment: replaced(assessment, doubts=())),
    "a source that failed does not bar silence": deaf(lambda assessment: replaced(assessment, failed={})),
}


def found_by_silence(record: Record) -> list[str]:
    return list(wrongs(record, assessed(record)))


# Orders and words

ORDERS, WORDS = Faults(), Faults()


@ORDERS.named("two tests stand in one order")
def two_in_one_order(patch):
    right = orders.suggestions

    def together(*arguments):
        made = right(*arguments)
        for one in made:
            first, *others = one["actions"]
            for other in others:
                first["resource"]["code"]["coding"] += other["resource"]["code"]["coding"]
            one["actions"] = [first]
        return made

    patch.setattr(render, "suggestions", together)


@ORDERS.named("a test is ordered by two buttons of one card")
def the_first_button_twice(patch):
    right = orders.suggestions
    patch.setattr(render, "suggestions", lambda *arguments: [*(made := right(*arguments)), *made[:1]])


@ORDERS.named("an order is for another patient")
def for_another_patient(patch):
    right = orders.suggestions

    def other(state, assessment, settings):
        return right(state, replaced(assessment, patient_id="p2"), settings)

    patch.setattr(render, "suggestions", other)


@WORDS.named("a percentage is printed in a relapse")
def percentage_in_a_relapse(patch):
    right = detail._estimate
    patch.setattr(detail, "_estimate", lambda assessment: right(in_phase(assessment, "controlled")))


@WORDS.named("a card may be as long as it likes")
def a_long_card(patch):
    patch.setattr(detail, "LONGEST", 1000)


@WORDS.named("a summary is cut in the middle of a word")
def a_cut_summary(patch):
    patch.setattr(summary, "_fitting", lambda count, write: write(count))


@WORDS.named("the nadir is told once more below the line that told it")
def nadir_twice(patch):
    right = detail._course
    patch.setattr(
        detail, "_course", lambda now, *more, **told: right(replace(now, lowest=None), *more, **told)
    )


def cards_of(record: Record) -> Iterator[tuple[Assessment, dict]]:
    assessment = assessed(record)
    for card in render.render(assessment, FOR):
        yield assessment, card


def found_in_orders(record: Record) -> list[str]:
    seen = Seen()
    seen.read(gathered(record))
    return [flaw for _, card in cards_of(record) for flaw in order_flaws({"cards": [card]}, seen)]


def found_in_words(record: Record) -> list[str]:
    return [flaw for assessment, card in cards_of(record) for flaw in flaws(card, assessment.findings.phase)]


def first_found(make: Fault, detect: Callable[[Record], list[str]]) -> int:
    """How many charts it took; a chart in which something is found without the fault proves nothing."""
    for number, reading in enumerate(every(of_imnm_charts), start=1):
        record = reading.record
        with pytest.MonkeyPatch.context() as patch:
            make(patch)
            found = detect(record)
        if found and not detect(record):
            return number
    return 0


@pytest.mark.parametrize(
    ("sentence", "make", "detect"),
    [
        *((sentence, make, found_by_silence) for sentence, make in SILENCE.items()),
        *((sentence, make, found_in_orders) for sentence, make in ORDERS.items()),
        *((sentence, make, found_in_words) for sentence, make in WORDS.items()),
    ],
)
def test_a_fault_is_seen_within_two_thousand_charts(sentence, make, detect):
    found = first_found(make, detect)
    print(f"{sentence}: seen at the {found}. chart")
    assert found


# Memory (V8)

MEMORY = Faults()


@MEMORY.named("the memory silences a relapse")
def memory_silences_a_relapse(patch):
    patch.setattr(memory, "PRESSING", frozenset())


@MEMORY.named("the memory silences what could not be read")
def memory_silences_a_failure(patch):
    right = memory._may_be_quiet
    patch.setattr(
        memory,
        "_may_be_quiet",
        lambda assessment, settings: right(replaced(assessment, failed={}), settings),
    )


def without(position: int) -> Fault:
    """Let the identity of a card leave out one of the things that it says."""

    def make(patch):
        def less(assessment, settings):
            state = identity.state_of(assessment, settings)
            return [*state[:position], *state[position + 1 :]]

        for module in (memory, overridden):
            patch.setattr(module, "state_of", less)

    return make


MEMORY |= {
    f"the identity of a card forgets {what}": without(position)
    for position, what in enumerate(
        ("the band", "the phase", "the predictors", "the follow-up", None, "the doubts"), start=3
    )
    if what
}


@pytest.mark.parametrize("sentence", MEMORY)
def test_a_fault_of_the_memory_is_seen_within_two_hundred_charts(sentence, tmp_path):
    charts = [assessed(reading.record) for reading in of_imnm_charts(0) + of_imnm_charts(1)]
    with pytest.MonkeyPatch.context() as patch:
        MEMORY[sentence](patch)
        with closing(remembering(charts, tmp_path)) as store:
            assert list(forgotten(charts, store))
