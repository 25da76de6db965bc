"""Rule V6 once more, from its text alone, over the `explain` object: what bars silence, each in a few words.

Written apart from `cds_service.cards.why` and `models.advice`, which decide it, and from `tests.support.reference`,
which reads the Bundle itself: this one believes what `explain` says of the patient and asks only what follows from it.
"""

from collections.abc import Collection, Iterator
from typing import Any

from cds_service.cards.assessment import Assessment
from cds_service.commands.explain.format import as_json
from tests.support.records import Record

ALWAYS_SHOWN = ("relapse", "rising", "active")  # R5
LOW_BELOW, HIGH_FROM = 0.20, 0.45  # S6
PREDICTORS_AND_MORE = {
    "eligibility",
    "subtype",
    "cardiac_involvement",
    "high_ana",
    "treatment_refractory",
    "high_drr",
    "phase",
    "statin",
    "silence",
}


def bars_silence(answer: dict[str, Any], failed: Collection[str] = ()) -> list[str]:
    """Everything for which V6 wants a card of this patient, definite or probable; nothing: `cards: []`."""
    return list(_bars(answer, failed))


def _bars(answer: dict[str, Any], failed: Collection[str]) -> Iterator[str]:
    phase = answer["activity"]["phase"]
    if phase != "controlled":
        yield f"phase {phase}"
    for row in answer["follow_up"]:
        if row["item"] == "statin":
            yield "a statin row"
        elif row["item"] != "antibodies" and row["state"] in ("overdue", "never"):
            yield f"{row['item']} {row['state']}"
    for doubt in answer["doubts"]:
        if PREDICTORS_AND_MORE & set(doubt["bars"]):
            yield f"a doubt in {doubt['role']}"
    if failed:
        yield "a source failed"
    if answer["outcome"] != "scored":
        yield answer["outcome"]
    else:
        yield from _of_band(answer)


def _of_band(answer: dict[str, Any]) -> Iterator[str]:
    """The band must be low; or uncertain with a low estimate, no end that is high, and no test that would tell more."""
    if answer["band"] == "low":
        return
    if answer["band"] != "uncertain":
        yield f"band {answer['band']}"
        return
    if answer["risk"]["2y"]["estimate"] >= LOW_BELOW:
        yield "an estimate that is not low"
    if answer["range_over_unknowns"]["2y"]["highest"] >= HIGH_FROM:
        yield "a highest end that is high"
    if "next_best_test" in answer:
        yield "a test that would tell more"


def wrongs(record: Record, assessment: Assessment) -> Iterator[str]:
    """What V6 would have otherwise, in sentences."""
    answer = as_json(assessment)
    barred = bars_silence(answer, record.failed)
    if answer["cards"] and not barred:
        yield "there is a card and V6 allows silence"
    if not answer["cards"]:
        yield from (f"silent against {bar}" for bar in barred)
        yield from unsafe(record, assessment)
    elif answer["activity"]["phase"] in ALWAYS_SHOWN and answer["cards"][0]["indicator"] != "warning":
        yield f"a card in phase {answer['activity']['phase']} is no warning"


def unsafe(record: Record, assessment: Assessment) -> Iterator[str]:
    """What nobody who is silent may have, asked of the findings themselves."""
    findings, advice = assessment.findings, assessment.advice
    if findings.phase != "controlled":
        yield f"silent in phase {findings.phase}"
    if findings.doubts or findings.failed or record.failed:
        yield "silent against a doubt or a source that failed"
    for item in advice.follow_up:
        if item.item == "statin" or (item.item != "antibodies" and item.state in ("overdue", "never")):
            yield f"silent although {item.item} is {item.state}"
