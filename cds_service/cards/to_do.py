"""What is to be done, in the order of the buttons: what is open of each item, and when it was last done."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from cds_service.cards.assessment import Assessment
from cds_service.cards.figures import DAYS_OF_A_YEAR, age
from cds_service.cards.words import parts_named, say
from fhir_mapping.evidence import Findings
from models.advice import Advice, FollowUpItem, ItemPart, ItemState

LINES = 4
_STATIN = "statin"
_PRESSING: tuple[ItemState, ...] = ("overdue", "never", "due")
_CLOSED: dict[ItemState, str] = {"planned": "to_do.ordered", "unknown": "to_do.not_known"}


def to_do(assessment: Assessment, at_most: int = LINES) -> str:
    """The list under its heading, of more than `at_most` lines the first; empty where nothing can be advised."""
    advice = assessment.advice
    if advice is None or not (advice.follow_up or advice.suggestions):
        return ""
    lines = list(_lines(assessment, advice))
    planned = [item for item in advice.follow_up if item.state == "planned"]
    if not (lines or planned):
        asks_for_more = advice.statin or assessment.findings.phase != "controlled"
        return say("to_do.nothing_else" if asks_for_more else "to_do.nothing")
    kept = min(len(lines), at_most)
    if planned and lines and kept + len(planned) > at_most:
        # Beside the last line, not at the cost of one
        lines[kept - 1] = "; ".join([lines[kept - 1], *map(_beside, planned)])
    else:
        lines += map(_planned, planned)
    shown, hidden = lines[:at_most], lines[at_most:]
    shown += [say("to_do.more", n=len(hidden))] if hidden else []
    return "\n".join([say("to_do.head"), "", *(f"- {line}" for line in shown)])


def _lines(assessment: Assessment, advice: Advice) -> Iterator[str]:
    """First what has a button, then what is open without one, and what is not known."""
    rows = {item.item: item for item in advice.follow_up if item.item != _STATIN}
    for suggestion in advice.suggestions:
        asked = [order.part for order in suggestion.orders]
        home = next((row.item for row in rows.values() if not set(asked).isdisjoint(row.open_parts)), "")
        if home:
            yield _open(rows.pop(home), assessment.findings)
        else:
            key = "question" if suggestion.why == "question" else "test"
            yield say(f"to_do.{key}", item=parts_named(asked))
    for item in rows.values():
        if item.open_parts:
            yield _open(item, assessment.findings)
    unknown = [item for item in rows.values() if item.state == "unknown" and not item.open_parts]
    if unknown:
        yield say("to_do.unknown", items=", ".join([_in_state(item, "unknown") for item in unknown]))


def _planned(item: FollowUpItem) -> str:
    if item.booked:
        return say("to_do.booked", item=_item(item), day=item.booked)
    return say("to_do.planned", item=_in_state(item, "planned"))


def _beside(item: FollowUpItem) -> str:
    """What is planned, at the end of another line."""
    if item.booked:
        return _planned(item)
    planned = sum(part.state == "planned" for part in item.parts)
    return say("to_do.is_ordered" if planned == 1 else "to_do.are_ordered", item=_in_state(item, "planned"))


def _open(item: FollowUpItem, findings: Findings) -> str:
    """What is open of an item, parts of one state and day together, the most pressing first; then its other parts.

    Those are what was done, each with its day, what is ordered, what is not known.
    """
    groups = sorted(_alike(item, _PRESSING), key=lambda parts: _PRESSING.index(parts[0].state))
    told = [_state(item, parts, findings) for parts in groups]
    told += [
        say("to_do.done", parts=_names(parts), last=parts[0].last)
        for parts in _alike(item, ("ok",))
        if parts[0].last
    ]
    for state, key in _CLOSED.items():
        if closed := [part for part in item.parts if part.state == state]:
            told.append(say(key, parts=_names(closed)))
    return "; ".join(told)


def _alike(item: FollowUpItem, states: Sequence[ItemState]) -> list[list[ItemPart]]:
    """The parts in these states, those of one state and day together, the longest ago first."""
    groups: dict[tuple[ItemState, date | None], list[ItemPart]] = {}
    for part in item.parts:
        if part.state in states:
            groups.setdefault((part.state, part.last), []).append(part)
    return sorted(groups.values(), key=lambda parts: parts[0].last or date.min)


def _state(item: FollowUpItem, parts: Sequence[ItemPart], findings: Findings) -> str:
    """What is to be said of parts of one state and day."""
    first, name = parts[0], _name(item, parts)
    if first.state == "never":
        return say("to_do.once" if item.item == "antibodies" else "to_do.never", item=name)
    if first.due is None:
        return say("to_do.again", item=name, last=first.last)
    if first.state == "due":
        return say("to_do.due", item=name, due=first.due, last=first.last, caveat=_caveat(item))
    days = (findings.today - first.due).days
    if days > DAYS_OF_A_YEAR:
        how_long = age(days)  # nobody thinks in 1,361 days
    else:
        how_long = say("to_do.day") if days == 1 else say("to_do.days", n=days)
    return say("to_do.overdue", item=name, how_long=how_long, last=first.last, caveat=_caveat(item))


def _names(parts: Iterable[ItemPart]) -> str:
    return parts_named([part.part for part in parts])


def _name(item: FollowUpItem, parts: Sequence[ItemPart]) -> str:
    """The name of an item where it is all of its parts, else theirs (V1)."""
    return _item(item) if len(parts) == len(item.parts) else _names(parts)


def _in_state(item: FollowUpItem, state: ItemState) -> str:
    return _name(item, [part for part in item.parts if part.state == state])


def _caveat(item: FollowUpItem) -> str:
    """A visit that counts because no specialty is coded says so (V4)."""
    return say("to_do.caveat") if any("specialty not coded" in e for e in item.evidence) else ""


def _item(item: FollowUpItem) -> str:
    return say(f"items.{item.item}")
