"""What the checklists say of centres and of groups of patients."""

from models.training.report.words import said, written
from models.training.validation.supplement.pooling import AcrossCentres
from models.training.validation.supplement.supplement import Supplement


def supplement_facts(supplement: Supplement | None) -> dict[str, str]:
    """The facts by the names that `checklist.toml` uses; empty: left to the author."""
    if supplement is None:
        return {}
    centres, groupings = supplement.centres, [of for of in supplement.fairness if of.groups]
    centres_how, centres_results = f"Not examined: {supplement.not_by_centre}.", ""
    if centres:
        made = (
            "The model was made anew without each centre and tried there (internal-external validation)"
            if centres.left_out
            else "The model was tried at each centre"
        )
        centres_how = (
            f"{made}: {len(centres.centres)} centres; C, observed over expected and slope pooled by random effects (REML, Hartung "
            "and Knapp) with a prediction interval. Centres are not in the model itself."
        )
        centres_results = (
            f"C {_pooled(centres.concordance)}; observed over expected {_pooled(centres.observed_over_expected)}; "
            f"slope {_pooled(centres.slope)}."
        )
    names, results = ", ".join(of.label.lower() for of in groupings), []
    for of in groupings:
        groups = [
            f"{group.label} n {group.performance.n}, C {said(group.performance.concordance)}, observed over expected "
            f"{said(group.performance.observed_over_expected)}"
            for group in of.groups
        ]
        results.append(f"{of.label}: {'; '.join(groups)}")
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


def _pooled(of: AcrossCentres) -> str:
    if of.mean.value is None or of.i_squared is None:
        return f"not pooled ({of.mean.reason})"
    text = f"{said(of.mean)}, I² {written(of.i_squared, 0, percent=True)} %"
    low, high = of.predicted.low, of.predicted.high
    return (
        text if low is None or high is None else f"{text}, another centre {written(low)} to {written(high)}"
    )
