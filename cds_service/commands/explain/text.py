"""The `explain` object for people: what was read, what it means, what could not be used, and the card."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds_service.cards.why import silence
from cds_service.cards.words import say
from cds_service.terminal import show_card, show_silence, show_unknown
from models.risk import percent

Answer = Mapping[str, Any]


def show_explanation(console: Console, answer: Answer) -> None:
    """Print an `explain` object: head lines, the predictors with their sources, what follows, doubts and notes, the card."""
    for line in _head(answer):
        console.print(Text(line))
    table = Table(box=None, pad_edge=False)
    table.add_column("Predictor", no_wrap=True)
    for column in ("State", "Rule", "Reason, value", "From"):
        table.add_column(column, overflow="fold")
    for name, feature in answer["features"].items():
        value = _number(feature["value"]) if "value" in feature else ""
        why = _joined(feature.get("reason", ""), value, feature.get("date", ""))
        state = feature["state"] + (" (stale)" if feature["stale"] else "")
        cells = (name, state, feature["rule"], why, _joined(*_sources(feature)))
        table.add_row(*map(Text, cells))
    console.print(table)
    for line in _details(answer):
        console.print(Text(line))
    for card in answer["cards"]:
        show_card(console, card)
    if answer["outcome"] == "eligibility-unknown":
        show_unknown(console, say("silence.unknown"))
    elif not answer["cards"]:
        show_silence(console, silence(answer["eligibility"]["state"], answer.get("band", "not known")))


def _head(answer: Answer) -> Iterator[str]:
    patient, eligibility = answer["patient"], answer["eligibility"]
    age = f"{patient['age']} years" if "age" in patient else "age unknown"
    yield f"Patient {patient['id']}, {patient.get('sex', 'sex unknown')}, {age}; as of {answer['as_of']}"
    yield f"IMNM: {eligibility['state']} ({eligibility['reason']}); antibodies: {eligibility['subtype']}"
    yield f"Outcome: {answer['outcome']}"
    if eligibility["state"] in {"definite", "probable"}:
        present = sum(feature["state"] == "present" for feature in answer["features"].values())
        yield f"{present} of {len(answer['features'])} predictors present"
    if "abstention" in answer:
        yield f"Abstained: {answer['abstention']['reason']}"
    for horizon, risk in answer.get("risk", {}).items():
        yield f"Risk {horizon}: {percent(risk['estimate'])} ({percent(risk['low'])} to {percent(risk['high'])})"
    for horizon, over in answer.get("range_over_unknowns", {}).items():
        yield f"Risk {horizon} over what is not known: {percent(over['lowest'])} to {percent(over['highest'])}"
    if "band" in answer:
        yield f"Band: {answer['band']}"
    if used := answer.get("landmark"):
        since = (
            f"{used['since_time_zero']} days since time zero" if "since_time_zero" in used else "not known"
        )
        yield f"Baseline: from landmark {used['days']} ({since})"


def _details(answer: Answer) -> Iterator[str]:
    if activity := answer.get("activity"):
        yield _joined(f"Disease: {activity['phase']}", activity.get("reason"))
    for name, ck in (("CK", "ck"), ("Highest CK", "peak"), ("Lowest CK since", "nadir")):
        if measured := answer.get("activity", {}).get(ck):
            value = f"{measured.get('comparator', '')}{_number(measured['value'])} {measured['unit']}"
            yield f"{name}: {value} ({_number(measured['times_uln'])} × ULN), {measured['date']}"
    for item in answer.get("follow_up", ()):
        days = (f"{name} {item[name]}" for name in ("last", "due") if name in item)
        yield _joined(f"Follow-up: {item['item']} {item['state']}", *days)
    for context in answer.get("context", ()):
        yield _joined(f"Also: {context['finding']}", *_sources(context))
    for refused in answer["refused"]:
        yield f"Refused: {refused['resource']} ({refused['reason']})"
    for doubt in answer["doubts"]:
        yield f"Doubt: {doubt['resource']} ({doubt['role']}, {doubt['reason']}), bars {', '.join(doubt['bars'])}"
    for note in answer["notes"]:
        yield f"Note ({note['rule']}): {note['text']}"


def _sources(shown: Answer) -> Iterable[str]:
    return dict.fromkeys(evidence["resource"] for evidence in shown.get("evidence", ()))


def _joined(*parts: str | None) -> str:
    return ", ".join(filter(None, parts))


def _number(value: float) -> str:
    """A whole number with all its digits, else six of them."""
    return f"{value:g}" if isinstance(value, float) else f"{value}"
