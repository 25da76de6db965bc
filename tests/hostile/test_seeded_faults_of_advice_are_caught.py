"""A fault put into the phase of the disease or into the advice is seen as a disagreement of the two readings."""

import pytest

from fhir_mapping import findings
from fhir_mapping.checks import medicines
from fhir_mapping.rules import activity, barring, context, follow_up, rise, statins, tristate
from models import advice
from models.risk import Abstained
from tests.support.changes import replace
from tests.support.faults import (
    AT_MOST,
    Faults,
    change_number,
    first_disagreement,
    of_imnm_charts,
    of_records,
)

pytestmark = pytest.mark.thorough
FAULTS = Faults()
fault = FAULTS.named


def change_phase(patch: pytest.MonkeyPatch, **instead: str) -> None:
    """Let the advice take one phase for another."""
    right = advice.advise

    def other(policy, outcome, facts, phase):
        return right(policy, outcome, facts, instead.get(phase, phase))

    patch.setattr(advice, "advise", other)


def change_advice(patch: pytest.MonkeyPatch, change) -> None:
    """Let the advice be another one, by outcome."""
    right = advice.advise

    def other(policy, outcome, facts, phase):
        return change(right(policy, outcome, facts, phase), outcome)

    patch.setattr(advice, "advise", other)


@fault("the phase is ignored: everybody is controlled")
def always_controlled(patch):
    right = activity.activity
    patch.setattr(findings, "activity", lambda record: replace(right(record), phase="controlled"))


@fault("the advice ignores the phase")
def advice_without_phase(patch):
    change_phase(
        patch, **dict.fromkeys(("relapse", "rising", "active", "improving", "unknown"), "controlled")
    )


@fault("R2c is ignored: one steep rise is no relapse")
def no_steep_rise(patch):
    patch.setattr(activity, "steep_rise", lambda *_: rise.NO_RISE)


@fault("R2b is ignored: a rising CK is none")
def nothing_rises(patch):
    patch.setattr(activity, "rising", lambda *_: rise.NO_RISE)


@fault("a comparator that leaves a question of the phase open is read as no")
def open_is_no(patch):
    right = rise.times_uln

    def decided(ck, times):
        answer = right(ck, times)
        return answer if answer.truth is not None else tristate.NO

    for module in (rise, activity):
        patch.setattr(module, "times_uln", decided)


@fault("the phase ignores a newer CK that could not be read")
def newer_ck_ignored(patch):
    patch.setattr(activity, "newer_ck_doubts", lambda _: ())


@fault("the phase ignores U5b: an older CK that could not be read is no nadir")
def older_ck_ignored(patch):
    patch.setattr(activity._Course, "older", ())


@fault("a relapse has the intervals of its band")
def relapse_by_band(patch):
    patch.setattr(advice, "_COLUMN_OF", {"active": "active"})


@fault("active disease has the intervals of its band")
def active_by_band(patch):
    patch.setattr(advice, "_COLUMN_OF", {"relapse": "relapse", "rising": "relapse"})


@fault("whoever is improving may have the intervals of the low band")
def improving_may_be_low(patch):
    patch.setattr(advice, "_AT_LEAST_INTERMEDIATE", frozenset({"unknown"}))


@fault("whoever abstains has no follow-up")
def abstention_without_follow_up(patch):
    def without(given, outcome):
        return replace(given, follow_up=()) if isinstance(outcome, Abstained) else given

    change_advice(patch, without)


@fault("an open part is reported as the whole item")
def parts_of_one_state(patch):
    right = advice._item

    def whole(*arguments):
        item = right(*arguments)
        return replace(item, parts=tuple(replace(part, state=item.state) for part in item.parts))

    patch.setattr(advice, "_item", whole)


@fault("a part that was never done is hidden by one that was")
def never_hidden(patch):
    right = advice._item

    def hiding(policy, name, interval, facts):
        done = tuple(part for part in facts.items[name] if part.last is not None)
        items = {**facts.items, name: done or facts.items[name]}
        return right(policy, name, interval, replace(facts, items=items))

    patch.setattr(advice, "_item", hiding)


@fault("a statin is named only where anti-HMGCR is positive")
def statin_only_with_antibody(patch):
    right = statins.statin_row

    def row(record, serology):
        found = right(record, serology)
        return None if found and found.never_answered else found

    patch.setattr(follow_up, "statin_row", row)


@fault("a statin by its words alone is not named")
def statin_by_words_silent(patch):
    right = statins.statin_doubts

    def by_code(record, serology):
        return tuple(doubt for doubt in right(record, serology) if doubt.by == "code")

    for module in (statins, barring):
        patch.setattr(module, "statin_doubts", by_code)


@fault("an undated statin is lost")
def undated_statin_lost(patch):
    patch.setattr(medicines, "_time_problem", lambda _resource, start, _roles, case: case.time_problem(start))


@fault("a chest CT is suggested in pregnancy")
def ct_in_pregnancy(patch):
    patch.setattr(follow_up, "pregnant", lambda _: False)


@fault("what is ordered already is suggested again")
def ordered_again(patch):
    patch.setattr(follow_up, "_ordered", lambda _: frozenset())
    patch.setattr(advice._Suggesting, "_planned", lambda *_: ())


@fault("a visit of which nobody can say what it was is counted as none")
def unclear_is_never(patch):
    patch.setattr(follow_up, "_may_be_visit", lambda *_: False)


@fault("a fall of the vital capacity is ignored")
def fvc_fall_ignored(patch):
    patch.setattr(context, "fvc_fall", lambda _: None)


@fault("after a fall of the vital capacity no CT is asked for again")
def no_ct_again(patch):
    patch.setattr(follow_up, "fvc_fell", lambda _: None)


@fault("the window of the cancer screening is one year")
def cancer_window_of_a_year(patch):
    change_number(patch, "context.cancer_days", "-731")


@fault("the next best test comes without the open parts of its item")
def lonely_test(patch):
    right = advice._Suggesting._wanted

    def alone(self, test, rows, taken):
        asked = {order.part for order in test.orders} if test else set()
        for one in right(self, test, rows, taken):
            kept = tuple(order for order in one.orders if order.part in asked)
            yield replace(one, orders=kept) if one.why == "next-best-test" else one

    patch.setattr(advice._Suggesting, "_wanted", alone)


@pytest.mark.parametrize("sentence", FAULTS)
def test_a_fault_is_seen_within_two_thousand_charts_of_either_kind(sentence):
    found = first_disagreement(FAULTS[sentence], of_imnm_charts) or first_disagreement(
        FAULTS[sentence], of_records
    )
    print(f"{sentence}: seen at the {found}. chart")
    assert 0 < found <= AT_MOST
