"""What the checklists say of centres and of groups of patients."""

from models.training.report.words import said, written
from models.training.validation.supplement.pooling import AcrossCentres
from models.training.validation.supplement.supplement import Supplement


def supplement_facts(supplement: Supplement | None) -> dict[str, str]:
    """The facts by the names that `checklist.toml` uses; empty: left to the author."""
    if supplement is None:
        return {}
    centres_how, centres_results = f"Not examined: {supplement.not_by_centre}.", ""
    if centres := supplement.centres:
        made = "The model was tried at each centre"
        if centres.left_out:
            made = (
                "The model was made anew without each centre and tried there (internal-external validation)"
            )
        centres_how = (
            f"{made}: {len(centres.centres)} centres; C, observed over expected and slope pooled by random effects (REML, Hartung "
            "and Knapp) with a prediction interval. Centres are not in the model itself."
        )
        centres_results = (
            f"C {_pooled(centres.concordance)}; observed over expected {_pooled(centres.observed_over_expected)}; "
            f"slope {_pooled(centres.slope)}."
        )
    groupings = [grouping for grouping in supplement.fairness if grouping.groups]
    results = []
    for grouping in groupings:
        groups = [
            f"{group.label} n {group.performance.n}, C {said(group.performance.concordance)}, observed over expected "
            f"{said(group.performance.observed_over_expected)}"
            for group in grouping.groups
        ]
        results.append(f"{grouping.label}: {'; '.join(groups)}")
    names = ", ".join(grouping.label.lower() for grouping in groupings)
    fairness_how = (
        f"C, observed over expected and slope by {names}, with the differences to the largest group and their limits; no "
        "group is an input of the model. Which groups matter, and why, is for the author to add."
    )
    return {
        "centres_how": centres_how,
        "centres_results": centres_results,
        "fairness_how": fairness_how if groupings else "",
        "fairness_results": "; ".join(results),
    }


def _pooled(across: AcrossCentres) -> str:
    if across.mean.value is None or across.i_squared is None:
        return f"not pooled ({across.mean.reason})"
    text = f"{said(across.mean)}, I² {written(across.i_squared, 0, percent=True)} %"
    low, high = across.predicted.low, across.predicted.high
    if low is None or high is None:
        return text
    return f"{text}, another centre {written(low)} to {written(high)}"
