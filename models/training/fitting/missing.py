"""Patients of whom not every predictor is known: imputed, or left out, and what difference that makes.

Complete cases are a selection: where whoever recurs is examined more, the risk of all comes out too high. So unknown
predictors are imputed (`statistics/imputation`) unless nearly everybody is complete, and complete cases stay beside as
a sensitivity analysis.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import expm1
from typing import Annotated

import msgspec
import numpy as np

from models.training.cohort.cohort import PREDICTORS, Cohort, FlowStep
from models.training.errors import TrainingError
from models.training.plain_json import Count, LogRatio, Probability
from models.training.statistics.arrays import Floats
from models.training.statistics.imputation.chained import FEWEST_KNOWN, impute
from models.training.statistics.resampling import SurvivalData

IMPUTATIONS = 20  # van Buuren 2018, 2.8: so many leave standard errors as good as settled
_MOST_IMPUTATIONS = 1000  # more move no figure that is shown
ENOUGH_COMPLETE = 0.95  # of the patients: what fewer lack moves no estimate by much
CODED_FROM = {"high_ana": "ana_titre", "high_drr": "de_ritis_ratio"}
"""The measured value that a predictor is coded from."""
_KNOWN_ENOUGH = 0.5  # of the patients: a column known of fewer informs nobody
_MOST_AUXILIARIES = 10  # more would make equations of few patients unstable


@dataclass(frozen=True, slots=True)
class Incomplete:
    """What imputation starts from: predictors, then `auxiliaries` by name, side by side (n, q), nan: not known.

    `coded_from` says of a column by number which other it is coded from.
    """

    columns: Floats
    coded_from: Mapping[int, int]
    auxiliaries: tuple[str, ...]


def incomplete(cohort: Cohort) -> Incomplete:
    """The predictors, and what informs them: measured values as log2, then candidates, known of half the patients."""
    names, columns = list(PREDICTORS), [cohort.column(name) for name in PREDICTORS]
    for name in (*cohort.raw, *(c for c in cohort.candidates if c not in cohort.raw)):
        values = cohort.column(name)
        if name in cohort.raw:
            values = np.log2(values, out=np.full(len(values), np.nan), where=values > 0)
        known = values[~np.isnan(values)]
        enough = len(known) >= max(FEWEST_KNOWN, _KNOWN_ENOUGH * len(values)) and np.ptp(known) > 0
        if enough and len(names) < len(PREDICTORS) + _MOST_AUXILIARIES:
            names.append(name)
            columns.append(values)
    pairs = {names.index(p): names.index(raw) for p, raw in CODED_FROM.items() if raw in names}
    return Incomplete(np.column_stack(columns), pairs, tuple(names[len(PREDICTORS) :]))


@dataclass(frozen=True, slots=True)
class Analysed:
    """Who is analysed, and their predictors: `sets` (m, n, p) completed ones, a single one of complete cases."""

    cohort: Cohort
    sets: Floats
    auxiliaries: tuple[str, ...] = ()

    @property
    def imputed(self) -> bool:
        """Whether unknown predictors were imputed."""
        return len(self.sets) > 1

    @property
    def data(self) -> list[SurvivalData]:
        """The sets, each with follow-up."""
        return [SurvivalData(x, self.cohort.time, self.cohort.event) for x in self.sets]


def unknown_of(cohort: Cohort) -> dict[str, int]:
    """Of how many patients each predictor is not known."""
    return {name: int(np.isnan(cohort.column(name)).sum()) for name in PREDICTORS}


def analysed(cohort: Cohort, imputations: int | None, seed: int) -> Analysed:
    """Complete the predictors `imputations` times, or take complete cases alone (0).

    None: IMPUTATIONS times where complete cases are fewer than ENOUGH_COMPLETE of the patients. Raises TrainingError.
    """
    if imputations and not 2 <= imputations <= _MOST_IMPUTATIONS:  # noqa: PLR2004
        raise TrainingError(f"imputations: 0 (complete cases alone), or 2 to {_MOST_IMPUTATIONS}")
    missing = np.isnan(cohort.matrix(PREDICTORS))
    complete = float(1 - missing.any(axis=1).mean())
    wanted = imputations if imputations is not None else IMPUTATIONS * (complete < ENOUGH_COMPLETE)
    if not (wanted and missing.any()):
        alone = cohort.complete(PREDICTORS)
        return Analysed(alone, alone.matrix(PREDICTORS)[None])
    for name, unknown in zip(PREDICTORS, missing.sum(axis=0), strict=True):
        if len(cohort) - unknown < FEWEST_KNOWN:
            raise TrainingError(
                f"{cohort.name}: {name} is known of {len(cohort) - unknown} of {len(cohort)} patients; at least "
                f"{FEWEST_KNOWN} are needed to impute it"
            )
    start = incomplete(cohort)
    sets = impute(
        start.columns,
        cohort.time,
        cohort.event,
        imputations=wanted,
        seed=seed,
        coded_from=start.coded_from,
    )
    lacking = int(missing.any(axis=1).sum())
    step = FlowStep(f"analysed, the unknown predictors of {lacking} imputed", len(cohort))
    whole = replace(cohort, flow=(*cohort.flow, step))
    return Analysed(whole, sets[..., : len(PREDICTORS)], start.auxiliaries)


@dataclass(frozen=True, slots=True)
class Estimates:
    """What one way gives: log hazard ratios before shrinkage with standard errors (p,), and the baseline risk.

    That is the risk at the decision horizon of a patient with no predictor present, as served.
    """

    log_hazard_ratios: tuple[LogRatio, ...]
    standard_errors: tuple[LogRatio, ...]
    baseline_risk: Probability


@dataclass(frozen=True, slots=True)
class Missingness:
    """What was not known, and what became of it.

    `complete` and `complete_recurrences` count the complete cases, `others` all other patients. `imputations` is 0 where
    complete cases alone were analysed. By predictor (p,): `missing_information` is its fraction, `degrees` are those of
    the pooled estimate. `alone` is what complete cases give, None where they are too few.
    """

    complete: Count
    complete_recurrences: Count
    others: Annotated[int, msgspec.Meta(ge=1)]
    others_recurrences: Count
    imputations: Annotated[int, msgspec.Meta(ge=0, le=_MOST_IMPUTATIONS)]
    auxiliaries: tuple[str, ...]
    missing_information: tuple[float, ...]
    degrees: tuple[Annotated[float, msgspec.Meta(ge=1)], ...]
    served: Estimates
    alone: Estimates | None

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many predictors each of its parts has numbers of."""
        estimates = (self.served, self.alone) if self.alone else (self.served,)
        parts = [part for by in estimates for part in (by.log_hazard_ratios, by.standard_errors)]
        return tuple(map(len, (self.missing_information, self.degrees, *parts)))

    @property
    def sentence(self) -> str:
        """What complete cases and all others differ by, and what that does to the risk, in words."""
        shares = "there is no complete case"
        if self.complete:
            shares = (
                f"complete cases have {_percent(self.complete_recurrences, self.complete)} recurrences, the others "
                f"{_percent(self.others_recurrences, self.others)}"
            )
        of = f"not every predictor is known of {self.others} of {self.complete + self.others} patients: {shares}"
        if not self.imputations:
            return f"{of}; complete cases alone were analysed"
        risk = f"the 2-year risk with no predictor present is {100 * self.served.baseline_risk:.1f} %"
        beside = f", from complete cases alone {100 * self.alone.baseline_risk:.1f} %" if self.alone else ""
        return f"{of}; unknown predictors were imputed {self.imputations} times; {risk}{beside}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"


def risk_of(cumulative_hazard: float) -> float:
    """The risk that goes with a cumulative hazard."""
    return -expm1(-cumulative_hazard)
