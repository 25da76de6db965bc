"""Internal-external validation: the model is made anew without one centre and tried there, centre after centre.

What comes out says how the steps of the fit do at a hospital that they have not seen (Debray et al. 2017, BMJ 356:i6460;
Steyerberg and Harrell 2016). The estimates of the centres are pooled with random effects.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from models.inputs import Horizon
from models.training.cohort.cohort import Cohort
from models.training.errors import TrainingError
from models.training.statistics.arrays import Floats, Members
from models.training.statistics.baseline import Baseline
from models.training.statistics.progress import Progress, quiet
from models.training.statistics.resampling import SurvivalData
from models.training.validation.groups import in_words
from models.training.validation.supplement.parts import (
    FEWEST_SHOWN,
    PartPerformance,
    part_performance,
    without_estimate,
)
from models.training.validation.supplement.pooling import LOG, LOGIT, PLAIN, AcrossCentres, pooled

_MOST_CENTRES = 50  # more are no hospitals, and each needs a fit of its own

Develop = Callable[[SurvivalData], Baseline]
"""All steps of the fit, on complete rows. Raises TrainingError where they give no model."""
_Try = Callable[[Members, Members], Floats]
"""The risks of those at one centre, by a model of those at the others. Raises TrainingError."""


@dataclass(frozen=True, slots=True)
class Centre:
    """One centre that was left out, and how the model of the others did there."""

    label: str
    others: int  # patients of the other centres
    performance: PartPerformance


@dataclass(frozen=True, slots=True)
class Centres:
    """Every centre that may be shown, the largest first.

    `left_out`: the model was made anew without each centre; else one given model was tried at each. `unknown` patients
    have no centre and are in no fit here. `small` centres have fewer than five patients each: they are among the others of
    every fit, but are not shown. `incomplete` patients lack a predictor, and a fit takes none of them.
    """

    left_out: bool
    horizon: str
    centres: tuple[Centre, ...]
    small: int
    unknown: int
    incomplete: int
    concordance: AcrossCentres
    observed_over_expected: AcrossCentres
    slope: AcrossCentres


def internal_external(
    cohort: Cohort, names: tuple[str, ...], develop: Develop, horizon: Horizon, progress: Progress = quiet
) -> Centres:
    """Leave out each centre of a cohort, complete rows only. Raises TrainingError where that cannot be done."""
    whole = cohort.complete(names)
    data = SurvivalData(whole.matrix(names), whole.time, whole.event)

    def without(others: Members, here: Members) -> Floats:
        base = develop(SurvivalData(data.x[others], data.time[others], data.event[others]))
        risk = np.asarray(1 - base.survival(data.x[here], np.array([horizon.years]))[:, 0])
        if not np.isfinite(risk).all():
            raise TrainingError(f"nobody there was followed for {in_words(horizon.years)}")
        return risk

    centres = _centres(whole, without, horizon, progress, left_out=True)
    return replace(centres, incomplete=len(cohort) - len(whole))


def at_centres(cohort: Cohort, risk: Floats, horizon: Horizon) -> Centres:
    """How given risks (n,) do at each centre. Raises TrainingError where fewer than two are named."""
    return _centres(cohort, lambda _, here: risk[here], horizon, quiet, left_out=False)


def _centres(
    cohort: Cohort, attempt: _Try, horizon: Horizon, progress: Progress, *, left_out: bool
) -> Centres:
    centre = np.array(cohort.groups.get("centre", ()))
    labels, counts = np.unique(centre[centre != ""], return_counts=True)
    if len(labels) < 2:  # noqa: PLR2004
        raise TrainingError("fewer than two centres are named")
    if len(labels) > _MOST_CENTRES:
        raise TrainingError(f"more than {_MOST_CENTRES} centres are named")
    largest_first = np.lexsort((labels, -counts))
    shown = [str(label) for label in labels[largest_first] if counts[labels == label] >= FEWEST_SHOWN]
    centres = []
    for k, label in enumerate(shown):
        here, others = centre == label, (centre != label) & (centre != "")
        time, status = cohort.time[here], cohort.status[here]
        try:
            risk = attempt(others, here)
        except (TrainingError, np.linalg.LinAlgError) as error:
            performance = without_estimate(time, status, f"the other centres give no model: {error}")
        else:
            performance = part_performance(time, status, risk, horizon)
        centres.append(Centre(label, int(others.sum()), performance))
        progress("centres", k + 1, len(shown))
    performances = [each.performance for each in centres]
    return Centres(
        left_out=left_out,
        horizon=horizon,
        centres=tuple(centres),
        small=len(labels) - len(shown),
        unknown=int((centre == "").sum()),
        incomplete=0,
        concordance=pooled([there.concordance for there in performances], LOGIT),
        observed_over_expected=pooled([there.observed_over_expected for there in performances], LOG),
        slope=pooled([there.slope for there in performances], PLAIN),
    )
