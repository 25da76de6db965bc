"""What is to be done, in the order of the buttons: what is open of each item, and when it was last done."""

from collections.abc import Iterable, Iterator, Sequence

from cds_service.cards.assessment import Assessment
from cds_service.cards.figures import age
from cds_service.cards.words import parts_named, say
from fhir_mapping.evidence import Findings
from models.advice import Advice, FollowUpItem, ItemPart, SuggestedOrder

LINES = 4
_DAYS_OF_A_YEAR = 365
_STATIN = "statin"


def to_do(assessment: Assessment, at_most: int = LINES) -> str:
    """The list under its heading, of more than `at_most` lines the first; empty where nothing can be advised."""
    advice = assessment.advice
    if advice is None or not (advice.follow_up or advice.suggestions):
        return ""
    lines = list(_lines(assessment, advice))
    planned = [item for item in advice.follow_up if item.state == "planned"]
    if not (lines or planned):
        return say("to_do.nothing_else" if _asks_for_more(assessment) else "to_do.nothing")
    last = min(len(lines), at_most) - 1
    if (
        planned and lines and last + 1 + len(planned) > at_most
    ):  # beside the last line, not at the cost of one
        lines[last] = "; ".join([lines[last], *map(_beside, planned)])
    else:
        lines += map(_planned, planned)
    shown, hidden = lines[:at_most], lines[at_most:]
    shown += [say("to_do.more", n=len(hidden))] if hidden else []
    return "\n".join([say("to_do.head"), "", *(f"- {line}" for line in shown)])


def _lines(assessment: Assessment, advice: Advice) -> Iterator[str]:
    """First what has a button, then what is open without one, and what is not known."""
    rows = {item.item: item for item in advice.follow_up if item.item != _STATIN}
    for suggestion in advice.suggestions:
        home = _home(suggestion, rows.values())
        yield _open(rows.pop(home), assessment.findings) if home else _asked(suggestion)
    for item in rows.values():
        if item.open_parts:
            yield _open(item, assessment.findings)
    if unknown := [_item(item) for item in rows.values() if item.state == "unknown" and not item.open_parts]:
        yield say("to_do.unknown", items=", ".join(unknown))


def _planned(item: FollowUpItem) -> str:
    if item.booked:
        return say("to_do.booked", item=_item(item), day=item.booked)
    return say("to_do.planned", item=_item(item))


def _beside(item: FollowUpItem) -> str:
    """What is planned, at the end of another line."""
    if item.booked:
        return _planned(item)
    return say("to_do.is_ordered" if len(item.parts) == 1 else "to_do.are_ordered", item=_item(item))


def _asks_for_more(assessment: Assessment) -> bool:
    """Whether something beside the follow-up wants to be thought of: a statin, or a disease that is not controlled."""
    advice = assessment.advice
    return bool(advice and advice.statin) or assessment.findings.phase != "controlled"


def _home(suggestion: SuggestedOrder, rows: Iterable[FollowUpItem]) -> str:
    """The item of the table that has the parts of a suggestion, if it is open."""
    asked = {order.part for order in suggestion.orders}
    return next((row.item for row in rows if not asked.isdisjoint(row.open_parts)), "")


def _asked(suggestion: SuggestedOrder) -> str:
    key = "question" if suggestion.why == "question" else "test"
    return say(f"to_do.{key}", item=parts_named([order.part for order in suggestion.orders]))


def _open(item: FollowUpItem, findings: Findings) -> str:
    """What is open of an item; of several parts only those that are, then when the others were done."""
    to_be_done = item.open_parts
    closed = [part for part in item.parts if part.part not in to_be_done]
    words = _state(item, [part for part in item.parts if part.part in to_be_done], findings)
    done = [part for part in closed if part.state == "ok" and part.last]
    if done:
        words += say(
            "to_do.done", parts=parts_named([p.part for p in done]), last=min(p.last for p in done if p.last)
        )
    ordered = [part.part for part in closed if part.state == "planned"]
    return words + (say("to_do.ordered", parts=parts_named(ordered)) if ordered else "")


def _state(item: FollowUpItem, parts: Sequence[ItemPart], findings: Findings) -> str:
    name = _item(item) if len(parts) == len(item.parts) else parts_named([part.part for part in parts])
    never = [part.part for part in parts if part.last is None]
    if never:
        words = _never(item, name if len(never) == len(parts) else parts_named(never))
        late = [part.part for part in parts if part.last is not None]
        return words + (say("to_do.also", parts=parts_named(late)) if late else "")
    last = min(part.last for part in parts if part.last)
    if item.due is None:
        return say("to_do.again", item=name, last=last)
    if item.state == "due":
        return say("to_do.due", item=name, due=item.due, last=last, caveat=_caveat(item))
    assert item.last  # no part was never done
    days = (findings.today - item.due - (last - item.last)).days
    return say("to_do.overdue", item=name, how_long=_how_long(days), last=last, caveat=_caveat(item))


def _how_long(days: int) -> str:
    """Days for a year, then years: nobody thinks in 1,361 days."""
    if days > _DAYS_OF_A_YEAR:
        return age(days)
    return say("to_do.day") if days == 1 else say("to_do.days", n=days)


def _never(item: FollowUpItem, name: str) -> str:
    return say("to_do.once" if item.item == "antibodies" else "to_do.never", item=name)


def _caveat(item: FollowUpItem) -> str:
    """A visit that counts because no specialty is coded says so (V4)."""
    return say("to_do.caveat") if any("specialty not coded" in e for e in item.evidence) else ""


def _item(item: FollowUpItem) -> str:
    return say(f"items.{item.item}")
