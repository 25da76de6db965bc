"""The `explain` object for people: what was read, what it means, what was refused, and the card."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds_service.cards.why import silence
from cds_service.terminal import show_card, show_silence
from models.risk import percent

Answer = Mapping[str, Any]


def show_explanation(console: Console, answer: Answer) -> None:
    """Print an `explain` object: head lines, the predictors with their sources, refusals and notes, the card."""
    for line in _head(answer):
        console.print(Text(line))
    console.print(_features(answer["features"]))
    for refused in answer["refused"]:
        console.print(Text(f"Refused: {refused['resource']} ({refused['reason']})"))
    for note in answer["notes"]:
        console.print(Text(f"Note ({note['rule']}): {note['text']}"))
    for card in answer["cards"]:
        show_card(console, card)
    if not answer["cards"]:
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
    if used := answer.get("landmark"):
        since = (
            f"{used['since_time_zero']} days since time zero" if "since_time_zero" in used else "not known"
        )
        yield f"Baseline: from landmark {used['days']} ({since})"


def _features(features: Mapping[str, Answer]) -> Table:
    table = Table("Predictor", "State", "Rule", "Reason, value", "From", box=None, pad_edge=False)
    for name, feature in features.items():
        value = f"{feature['value']:g}" if "value" in feature else ""
        why = ", ".join(filter(None, (feature.get("reason", ""), value, feature.get("date", ""))))
        sources = ", ".join(dict.fromkeys(e["resource"] for e in feature.get("evidence", ())))
        state = feature["state"] + (" (stale)" if feature["stale"] else "")
        table.add_row(*(Text(cell) for cell in (name, state, feature["rule"], why, sources)))
    return table
