"""From an outcome, a phase and the follow-up facts to advice (rules S6 and V): band, follow-up, indicator, suggestions.

The order of a call of `advise`: band (S6), columns (V5), items (V1 to V4), indicator and silence (V6), suggestions (V7).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, NamedTuple, get_args

from models.artefact import BandName, Column, Orderable, Policy
from models.inputs import PRESSING, FollowUpFacts, Part, PartName, Phase, Statin
from models.risk import DECISION_HORIZON, Abstained, NextBestTest, Scored

Band = Literal["low", "intermediate", "high", "uncertain"]
ItemState = Literal["ok", "due", "overdue", "never", "planned", "unknown", "warn"]

_GAPS: frozenset[ItemState] = frozenset({"overdue", "never"})  # V6
Suggested = Literal["overdue", "never", "due"]
_SUGGESTED: tuple[Suggested, ...] = get_args(Suggested)  # V7, the most pressing first
_NO_GAP = frozenset({"antibodies"})  # V6: nothing to hurry for
_STATIN = "statin"
_CT: PartName = "chest-ct"
_VISIT: PartName = "visit"
_COLUMN_OF: dict[Phase, Column] = {"relapse": "relapse", "rising": "relapse", "active": "active"}
_AT_LEAST_INTERMEDIATE: frozenset[Phase] = frozenset({"improving", "unknown"})  # V5


@dataclass(frozen=True, slots=True)
class Banding:
    """The band of a score (S6). `column` is the band in which the estimate lies.

    `ends` are the bands of the lowest and the highest estimate over the unknowns where the band is uncertain.
    """

    band: Band
    column: BandName
    ends: tuple[BandName, BandName] | None = None


class ItemPart(NamedTuple):
    """One part of an item in the light of the facts: its own state, when it was last done, when that is to be again."""

    part: PartName
    state: ItemState
    last: date | None = None
    due: date | None = None  # None: it was never done, or is done once


class FollowUpItem(NamedTuple):
    """One row of the follow-up table for one patient (V1, V2, V3).

    `last` is the earliest of the parts' latest days, None where a part was never done. `due` is the day on which it is
    to be repeated and `overdue_days` counts from there, 0 unless it is overdue; both are None where `last` is, in the
    state unknown, and for what is done once. `booked` is the day of the visit that is planned. `statin` stands in the
    statin row alone.
    """

    item: str
    state: ItemState
    last: date | None = None
    due: date | None = None
    overdue_days: int | None = None
    parts: tuple[ItemPart, ...] = ()
    evidence: tuple[str, ...] = ()
    booked: date | None = None
    statin: Statin | None = None

    @property
    def open_parts(self) -> tuple[PartName, ...]:
        """The parts that are to be done and neither planned nor unread."""
        return tuple([part.part for part in self.parts if part.state in _SUGGESTED])


class SuggestedOrder(NamedTuple):
    """One suggestion of the card (V7): what is to be ordered together, one order for each open part.

    `item` is an item of the follow-up table, the predictor that the next best test would decide, or `question` (E3).
    `until` is the last day on which it should happen.
    """

    item: str
    orders: tuple[Orderable, ...]
    until: date
    why: Literal["next-best-test", Suggested, "question"]


@dataclass(frozen=True, slots=True)
class Advice:
    """What a card says beside the risk. `band` is None on abstention, and where the patient is only possibly one (E3).

    `quiet`: neither band, phase nor follow-up asks for a card (V6). `indicator_without_band` is what the indicator
    would be if the band were intermediate.
    """

    band: Band | None
    ends: tuple[BandName, BandName] | None
    follow_up: tuple[FollowUpItem, ...]
    indicator: Literal["info", "warning"]
    quiet: bool
    suggestions: tuple[SuggestedOrder, ...]
    urgent: bool = False
    indicator_without_band: Literal["info", "warning"] = "info"

    @property
    def statin(self) -> Statin | None:
        """The statin of the follow-up table's last row."""
        return next((item.statin for item in self.follow_up if item.statin), None)


def advise(policy: Policy, outcome: Scored | Abstained, facts: FollowUpFacts, phase: Phase) -> Advice:
    """The advice for one patient, definite or probable (V1 to V7)."""
    banding = band_of(policy, outcome) if isinstance(outcome, Scored) else None
    intervals = _intervals(policy, banding, phase, facts)
    follow_up = tuple(
        [
            _item(policy, name, intervals[name], facts)
            for name, item in policy.items.items()
            if facts.items.get(name) and (item.once or intervals[name] is not None)
        ]
    )
    hurried = [item for item in follow_up if item.item not in _NO_GAP]
    gaps = any(item.state in _GAPS for item in hurried)
    # Also beside a part that is not known, which hides them in the state of the item (V1, V2)
    gaps_in_parts = any(part.state in _GAPS for item in hurried for part in item.parts)
    statin: tuple[FollowUpItem, ...] = ()
    if row := facts.statin:
        statin = (FollowUpItem(_STATIN, row.state, evidence=row.evidence, statin=row),)
    offered: Sequence[FollowUpItem] = follow_up
    if isinstance(outcome, Abstained) and outcome.code == "record-incomplete":
        # S5: in a phase that presses, the items whose sources were all read
        offered = [
            item
            for item in follow_up
            if phase in PRESSING and all(part.readable for part in facts.items[item.item])
        ]
    warns = phase in PRESSING or bool(facts.statin and facts.statin.state == "warn")
    without_band = warns or gaps
    if banding:
        warns = warns or banding.column == "high" or (banding.column == "intermediate" and gaps)
    return Advice(
        band=banding.band if banding else None,
        ends=banding.ends if banding else None,
        follow_up=follow_up + statin,
        indicator="warning" if warns else "info",
        quiet=_is_quiet(policy, outcome, banding, phase) and not gaps_in_parts and not statin,
        suggestions=_Suggesting(policy, facts, intervals).choose(outcome.next_best_test, offered),
        urgent=phase in {"relapse", "active"},
        indicator_without_band="warning" if without_band else "info",
    )


def ask(policy: Policy, facts: FollowUpFacts) -> Advice:
    """What would answer "is this IMNM?" (E3)."""
    until = facts.today + policy.order_within
    asked = [policy.orders[part] for part in facts.to_ask if part not in facts.ordered]
    suggestions = tuple(SuggestedOrder("question", (order,), until, "question") for order in asked)
    return Advice(None, None, (), "info", quiet=False, suggestions=suggestions)


def band_of(policy: Policy, scored: Scored) -> Banding:
    """The band of the 2-year risk; `uncertain` where the unknown predictors could move it (S6)."""
    column = _band_at(policy, scored.risk[DECISION_HORIZON].estimate)
    if not scored.unknown:
        return Banding(column, column)
    over = scored.range_over_unknowns[DECISION_HORIZON]
    lowest, highest = _band_at(policy, over.lowest), _band_at(policy, over.highest)
    if lowest == highest:
        return Banding(lowest, column)
    return Banding("uncertain", column, (lowest, highest))


def _band_at(policy: Policy, risk: float) -> BandName:
    if risk < policy.low_below:
        return "low"
    return "high" if risk >= policy.high_from else "intermediate"


_Intervals = Mapping[str, timedelta | None]  # how often each item is to be done; None: the columns omit it


def _intervals(policy: Policy, banding: Banding | None, phase: Phase, facts: FollowUpFacts) -> _Intervals:
    """What the columns of the follow-up table say that hold for a patient: the shortest interval counts (V5)."""
    band: BandName = banding.column if banding else "intermediate"
    if phase in _AT_LEAST_INTERMEDIATE and band == "low":
        band = "intermediate"
    columns: tuple[Column, ...] = (band, _COLUMN_OF[phase]) if phase in _COLUMN_OF else (band,)
    intervals: dict[str, timedelta | None] = {}
    for name, item in policy.items.items():
        if item.with_ild and facts.has_ild:
            since = facts.ild_since
            is_new = since is not None and facts.as_of - since <= item.with_ild.within
            intervals[name] = item.with_ild.first if is_new else item.with_ild.then
        else:
            every = [item.every[column] for column in columns if column in item.every]
            intervals[name] = min(every, default=None)
    return intervals


def _item(policy: Policy, name: str, interval: timedelta | None, facts: FollowUpFacts) -> FollowUpItem:
    """One item in the light of the facts (V1). A part is ok by what was read, even where more could not be read."""
    rows = facts.items[name]
    parts = tuple(
        ItemPart(p.name, _state(policy, p, interval, facts), p.last, _due(p.last, interval)) for p in rows
    )
    days = [p.last for p in rows if p.last is not None]
    last = min(days) if len(days) == len(rows) else None
    due = _due(last, interval)
    state = _of_parts(parts, due, facts.today)
    if state == "unknown":
        due = None
    late = (facts.today - due).days if due is not None and state == "overdue" else 0
    return FollowUpItem(
        item=name,
        state=state,
        last=last,
        due=due,
        overdue_days=None if due is None else late,
        parts=parts,
        evidence=tuple(p.evidence for p in rows if p.evidence),
        booked=_booked(interval, facts) if name == _VISIT and state == "planned" and interval else None,
    )


def _due(last: date | None, interval: timedelta | None) -> date | None:
    return last + interval if last is not None and interval is not None else None


def _state(policy: Policy, part: Part, interval: timedelta | None, facts: FollowUpFacts) -> ItemState:
    """The state of one part (V2, V3, V4)."""
    due = _due(part.last, interval)
    state: ItemState
    if part.last is None:
        state = "never"
    elif due is None:
        state = "due" if part.again else "ok"
    elif due < facts.today:
        state = "overdue"
    else:
        state = "due" if due - facts.today <= policy.due_within else "ok"
    if state == "ok":
        return state
    if not part.readable:
        return "unknown"
    if _is_planned(part, interval, facts):
        return "planned"
    unclear = part.unclear is not None and interval is not None and facts.today - part.unclear <= interval
    return "unknown" if unclear and state in _GAPS else state


def _of_parts(parts: Sequence[ItemPart], due: date | None, today: date) -> ItemState:
    """The state of an item (V1 to V3): one part that is not known hides the others, and all that is open is planned."""
    not_ok = {part.state for part in parts} - {"ok"}
    if not not_ok:
        return "ok"
    if "unknown" in not_ok:
        return "unknown"
    if not_ok == {"planned"}:
        return "planned"
    if any(part.last is None for part in parts):
        return "never"
    return "overdue" if due is not None and due < today else "due"


def _is_planned(part: Part, interval: timedelta | None, facts: FollowUpFacts) -> bool:
    """V3: a visit booked within the interval from now; an order not older than the interval, for what is once any."""
    if interval is None:
        return part.name in facts.ordered
    if part.name == _VISIT:
        return _booked(interval, facts) is not None
    return any(facts.as_of - written <= interval for written in part.orders)


def _booked(interval: timedelta, facts: FollowUpFacts) -> date | None:
    """V3: the day of the first visit that is booked within the interval from now."""
    bookings = (b for b in facts.appointments if timedelta(0) < b.start - facts.as_of <= interval)
    return next((booking.day for booking in bookings), None)


def _is_quiet(policy: Policy, outcome: Scored | Abstained, banding: Banding | None, phase: Phase) -> bool:
    """V6, of band and phase: controlled, and low, or low as far as is known with nothing that could tell more."""
    if not policy.quiet_low or banding is None or phase != "controlled":
        return False
    if banding.band == "low":
        return True
    may_be_high = banding.ends is None or banding.ends[1] == "high"
    return banding.column == "low" and not may_be_high and outcome.next_best_test is None


@dataclass(frozen=True, slots=True)
class _Suggesting:
    """V7: which orders are suggested, and until when."""

    policy: Policy
    facts: FollowUpFacts
    intervals: _Intervals

    def choose(
        self, test: NextBestTest | None, follow_up: Sequence[FollowUpItem]
    ) -> tuple[SuggestedOrder, ...]:
        """The next best test, then what is overdue, never done, due. Nothing twice, nothing that is planned already."""
        facts = self.facts
        taken = {part.part for item in follow_up for part in item.parts if part.state == "unknown"}
        taken |= set(self._planned(follow_up))
        # How old an order may be is said by the interval of an item; without one any order counts
        repeated = [item for item in follow_up if not self.policy.items[item.item].once]
        taken |= facts.ordered.difference(part.part for item in repeated for part in item.parts)
        # A referral within the interval is no booked visit, and not suggested again
        interval = self.intervals[_VISIT]
        referrals = [order for part in facts.items.get(_VISIT, ()) for order in part.orders]
        if interval is not None and any(facts.as_of - order <= interval for order in referrals):
            taken.add(_VISIT)
        if facts.pregnant:
            taken.add(_CT)
        chosen = []
        for suggestion in self._wanted(test, follow_up, frozenset(taken)):
            orders = tuple(order for order in suggestion.orders if order.part not in taken)
            taken.update(order.part for order in orders)
            if orders:
                chosen.append(SuggestedOrder(suggestion.item, orders, suggestion.until, suggestion.why))
        return tuple(chosen[: self.policy.suggestions_at_most])

    def _planned(self, follow_up: Sequence[FollowUpItem]) -> Iterator[PartName]:
        """What is booked or ordered, be it due or not."""
        for item in follow_up:
            interval = self.intervals[item.item]
            rows = self.facts.items[item.item]
            yield from (part.name for part in rows if _is_planned(part, interval, self.facts))

    def _wanted(
        self,
        test: NextBestTest | None,
        follow_up: Sequence[FollowUpItem],
        taken: frozenset[PartName],
    ) -> Iterator[SuggestedOrder]:
        if test is not None and any(order.part not in taken for order in test.orders):
            asked = [order.part for order in test.orders]
            homes = [item for item in follow_up if any(part.part in asked for part in item.parts)]
            beside = [part for item in homes for part in item.open_parts if part not in asked]
            orders = tuple(self.policy.orders[part] for part in (*asked, *beside))
            until = self.facts.today + self.policy.order_within
            yield SuggestedOrder(test.predictor, orders, until, "next-best-test")
        for state in _SUGGESTED:
            for item in follow_up:
                if item.state == state:
                    orders = tuple(self.policy.orders[part] for part in item.open_parts)
                    yield SuggestedOrder(item.item, orders, self._until(item), state)

    def _until(self, item: FollowUpItem) -> date:
        """From today to the due day, at least a week; a visit that is late within its interval, at most four weeks."""
        soon = self.facts.today + self.policy.order_within
        if item.state == "due":
            return max(soon, item.due) if item.due else soon
        interval = self.intervals[item.item]
        if item.item == _VISIT and interval is not None:
            return self.facts.today + min(interval, self.policy.visit_within)
        return soon
