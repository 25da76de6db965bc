"""What the checklists say of centres and of groups of patients."""

from models.training.report.words import written
from models.training.validation.supplement.centres import Centres
from models.training.validation.supplement.fairness import GroupsOf
from models.training.validation.supplement.pooling import AcrossCentres
from models.training.validation.supplement.supplement import Supplement
from models.training.validation.validation import Measure


def supplement_facts(supplement: Supplement | None) -> dict[str, str]:
    """The facts by the names that `checklist.toml` uses; empty: left to the author."""
    if supplement is None:
        return {}
    centres, groups = supplement.centres, [of for of in supplement.fairness if of.groups]
    return {
        "centres_how": _how(centres) if centres else f"Not examined: {supplement.not_by_centre}.",
        "centres_results": _results(centres) if centres else "",
        "fairness_how": _groups_how(groups) if groups else "",
        "fairness_results": "; ".join(_groups_results(of) for of in groups),
    }


def _how(centres: Centres) -> str:
    made = (
        "The model was made anew without each centre and tried there (internal-external validation)"
        if centres.left_out
        else "The model was tried at each centre"
    )
    return (
        f"{made}: {len(centres.centres)} centres; C, observed over expected and slope pooled by random effects (REML, Hartung "
        "and Knapp) with a prediction interval. Centres are not in the model itself."
    )


def _results(centres: Centres) -> str:
    return f"C {_pooled(centres.concordance)}; observed over expected {_pooled(centres.observed_over_expected)}; slope {_pooled(centres.slope)}."


def _pooled(of: AcrossCentres) -> str:
    if of.mean.value is None or of.i_squared is None:
        return f"not pooled ({of.mean.reason})"
    text = f"{_said(of.mean)}, I² {written(of.i_squared, 0, percent=True)} %"
    low, high = of.predicted.low, of.predicted.high
    return (
        text if low is None or high is None else f"{text}, another centre {written(low)} to {written(high)}"
    )


def _groups_how(groups: list[GroupsOf]) -> str:
    names = ", ".join(of.label.lower() for of in groups)
    return (
        f"C, observed over expected and slope by {names}, with the differences to the largest group and their limits; no "
        "group is an input of the model. Which groups matter, and why, is for the author to add."
    )


def _groups_results(of: GroupsOf) -> str:
    parts = [
        f"{group.label} n {group.performance.n}, C {_said(group.performance.concordance)}, observed over expected "
        f"{_said(group.performance.observed_over_expected)}"
        for group in of.groups
    ]
    return f"{of.label}: {'; '.join(parts)}"


def _said(of: Measure) -> str:
    if of.value is None:
        return f"not estimable ({of.reason})"
    if of.low is None or of.high is None:
        return written(of.value)
    return f"{written(of.value)} ({written(of.low)} to {written(of.high)})"
