"""Two models on the same patients: differences of C, AUC, Brier score and net benefit, with bootstrap intervals.

Both models are scored in each resample of the patients (paired), so what the patients have in common cancels out. The
limits are the 2.5 and 97.5 % points of the differences. A model that was fitted to these patients looks better than it
is: its advantage is shown as it appears and less its optimism, where internal validation gives that; without limits, as
resamples of the patients do not show what another fit would have been.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.inputs import Horizon
from models.training.cohort.cohort import Cohort
from models.training.statistics.arrays import Counts, Floats, Members
from models.training.statistics.discrimination import DECIMALS, Pairs
from models.training.statistics.progress import Progress, quiet
from models.training.statistics.resampling import draw_resamples
from models.training.statistics.smooth import cloglog
from models.training.validation.performance import ENOUGH
from models.training.validation.validation import Measure, finite_or_none, measure, missing

_BAND = (0.025, 0.975)


@dataclass(frozen=True, slots=True)
class FigureDifference:
    """One model's figure less the other's, both as they are; `corrected` is the difference less the model's optimism.

    `at` is the horizon in years, None: for all of follow-up; `threshold` is that of net benefit.
    """

    figure: str  # "C", "AUC", "Brier", "net benefit"
    at: float | None
    threshold: float | None
    model: float | None
    other: float | None
    difference: Measure
    corrected: Measure


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """A model against another one in the patients that both can score.

    `fitted_here` names which of them was fitted to these very patients: "", "model", "other", "both".
    """

    other_id: str
    other_version: str
    other_sha256: str
    other_evidence: str
    fitted_here: str
    n: int = 0
    events: int = 0
    resamples: int = 0
    rows: tuple[FigureDifference, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """Every figure of one model in one sample: C, AUC (k,), Brier score (k,), net benefit (k, m); nan: not shown there."""

    concordance: float
    auc: Floats
    brier: Floats
    benefit: Floats


class RankedRisks:
    """What one model says about patients: risks (n, k); equal risks share a place, and places lie in order of risk."""

    def __init__(self, risks: Floats) -> None:
        self.risks = risks
        self.places = [
            np.unique(np.round(cloglog(risk), DECIMALS), return_inverse=True)[1] for risk in risks.T
        ]


class Sample:
    """Patients, of whom resamples as multiplicities (n,) are looked at; all but C costs time linear in n."""

    def __init__(self, cohort: Cohort, years: Floats, thresholds: Floats) -> None:
        self.time, self.event, self.years, self.thresholds = cohort.time, cohort.event, years, thresholds
        self.times, self.place = np.unique(cohort.time, return_inverse=True)

    def figures(self, scored: RankedRisks, count: Counts, concordance: float) -> Figures:
        """Of one model in one resample."""
        often, size = count.astype(np.float64), len(self.times)
        ended = np.bincount(self.place, often * self.event, size)
        lost = np.bincount(self.place, often * ~self.event, size)
        at_risk = np.cumsum((ended + lost)[::-1])[::-1] - ended  # at equal times events come first
        share = np.divide(lost, at_risk, out=np.zeros(size), where=at_risk > 0)
        after = np.concatenate([[1.0], np.cumprod(1 - share)])  # G after each number of times
        before = after[self.place]  # G(T-) of each patient
        auc, brier, benefit = [], [], []
        for k, years in enumerate(self.years):
            case = self.event & (self.time <= years)
            left = float(after[np.searchsorted(self.times, years, side="right")])
            free = (self.time > years) & (left > 0)
            # Who is not in the resample may come after all of it
            own = np.where(case & (before > 0), before, 1)
            weight = often * np.where(case, 1 / own, np.where(free, 1 / (left or 1), 0))
            risk, seen = scored.risks[:, k], left > 0
            # The weighted share of pairs that is ranked right, equal risks counting one half
            cases = np.bincount(scored.places[k], weight * case)
            controls = np.bincount(scored.places[k], weight * free)
            below, pairs = np.cumsum(controls) - controls / 2, cases.sum() * controls.sum()
            auc.append(float(cases @ below / pairs) if seen and pairs > 0 else np.nan)
            loss = np.where(case, (1 - risk) ** 2, risk**2)
            brier.append(float(weight @ loss / often.sum()) if seen else np.nan)
            benefit.append([self._benefit(often, risk >= cut, years, cut) for cut in self.thresholds])
        return Figures(concordance, np.array(auc), np.array(brier), np.array(benefit))

    def _benefit(self, often: Floats, positive: Members, years: float, threshold: float) -> float:
        """Net benefit of acting on the positive; nan where none of them was followed to the horizon."""
        weight = often * positive
        if not weight.any():
            return 0.0
        if not (weight * (self.time >= years)).any():
            return np.nan
        size = len(self.times)
        ended = np.bincount(self.place, weight * self.event, size)
        at_risk = np.cumsum(np.bincount(self.place, weight, size)[::-1])[::-1]
        hazard = np.divide(ended, at_risk, out=np.zeros(size), where=at_risk > 0)
        free = float(np.prod(1 - hazard[self.times <= years]))
        odds = threshold / (1 - threshold)
        return float(weight.sum() / often.sum() * (1 - free - free * odds))


def compare(
    sample: Cohort,
    first: Floats,
    second: Floats,
    horizons: Sequence[Horizon],
    thresholds: Floats,
    *,
    resamples: int,
    seed: int,
    decisive: int,
    progress: Progress = quiet,
) -> tuple[FigureDifference, ...]:
    """The rows of a comparison of risks (n, k) of two models in the same patients; `decisive` is the horizon of C."""
    years = np.array([horizon.years for horizon in horizons])
    here, pairs = Sample(sample, years, thresholds), Pairs(sample.time, sample.event)
    everybody = np.ones((1, len(sample)), dtype=np.int64)
    counts = np.vstack([everybody, draw_resamples(len(sample), resamples, seed)])
    models = [RankedRisks(first), RankedRisks(second)]
    concordance = [
        pairs.concordance(np.broadcast_to(cloglog(scored.risks[:, decisive]), counts.shape), counts)
        for scored in models
    ]
    figures = []
    for b, count in enumerate(counts):
        both = [
            here.figures(scored, count, float(c[b])) for scored, c in zip(models, concordance, strict=True)
        ]
        figures.append([np.concatenate([[f.concordance], f.auc, f.brier, f.benefit.ravel()]) for f in both])
        progress("comparing models", b, resamples)
    return tuple(_rows(np.array(figures), years, thresholds))


def _rows(figures: Floats, years: Floats, thresholds: Floats) -> list[FigureDifference]:
    """One row a figure, of (1 + B, 2, f): the first are of all patients, the others of the resamples."""
    names: list[tuple[str, float | None, float | None]] = [("C", None, None)]
    names += [("AUC", float(t), None) for t in years] + [("Brier", float(t), None) for t in years]
    names += [("net benefit", float(t), float(cut)) for t in years for cut in thresholds]
    none = missing("neither model was fitted to these patients")
    rows = []
    differences = (figures[:, 0] - figures[:, 1]).T
    for (figure, at, threshold), own, other, column in zip(names, *figures[0], differences, strict=True):
        apparent, again = float(column[0]), column[1:][np.isfinite(column[1:])]
        difference = measure(apparent)
        if np.isfinite(apparent) and len(again) >= ENOUGH * (len(column) - 1):
            low, high = np.quantile(again, _BAND)
            difference = measure(apparent, limits=(float(low), float(high)))
        rows.append(
            FigureDifference(
                figure, at, threshold, finite_or_none(own), finite_or_none(other), difference, none
            )
        )
    return rows
