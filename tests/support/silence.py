"""Rule V6 once more, from its text alone, over the `explain` object: what bars silence, each in a few words.

Written apart from `cds_service.cards.why` and `models.advice`, which decide it, and from `tests.support.reference`,
which reads the Bundle itself: this one believes what `explain` says of the patient and asks only what follows from it.
"""

from collections.abc import Collection, Iterator
from typing import Any

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
