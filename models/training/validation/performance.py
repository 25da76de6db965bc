"""How one model does in one set of complete patients, as plain numbers: what is compared between resample and cohort."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from models.training.errors import TrainingError
from models.training.statistics.accuracy import brier_at
from models.training.statistics.arrays import Floats
from models.training.statistics.benefit import net_benefit
from models.training.statistics.cox import fit_slopes
from models.training.statistics.discrimination import DECIMALS, auc_at, harrell_c
from models.training.statistics.resampling import SurvivalData
from models.training.statistics.smooth import Smoother, cloglog, smoother

ENOUGH = 0.8  # of the resamples: as for the shrinkage factor; with fewer, those that are left are a selection
TOO_FEW_SHOW = "fewer than four in five resamples show it"


@dataclass(frozen=True, slots=True)
class Scales:
    """Where it is asked how a model does: horizons in years (k,), predicted risks (k, g), thresholds (m,)."""

    years: Floats
    predicted: Floats
    thresholds: Floats


@dataclass(frozen=True, slots=True)
class Performance:
    """One model in one set of patients; nan: these patients do not show it.

    `auc`, `ipa` and `ici` are by horizon (k,). `curve` is the observed risk at the predicted ones (k, g), `benefit` the
    net benefit at the thresholds less that of acting for all (k, m).
    """

    slope: Floats
    concordance: Floats
    auc: Floats
    ipa: Floats
    ici: Floats
    curve: Floats
    benefit: Floats


def performance(data: SurvivalData, coef: Floats, hazard: Floats, scales: Scales) -> Performance:
    """How log hazard ratios (p,) with baseline hazards (k,) do in these patients."""
    lp = np.round(data.x @ coef, DECIMALS)  # so that equal patients are equal to the last digit
    curve: Smoother | None
    try:
        curve = smoother(lp, data.time, data.event)
    except (TrainingError, np.linalg.LinAlgError):
        curve = None
    # AUC, IPA, ICI, curve, benefit
    by_horizon = [_at(data, lp, float(hazard[k]), scales, k, curve) for k in range(len(scales.years))]
    try:
        slope = float(fit_slopes(lp[None], data.time, data.event)[0])
    except TrainingError:
        slope = np.nan
    return Performance(
        np.array(slope),
        np.array(harrell_c(data.time, data.event, lp).value),
        *(np.array(column) for column in zip(*by_horizon, strict=True)),
    )


def _at(
    data: SurvivalData, lp: Floats, hazard: float, scales: Scales, k: int, curve: Smoother | None
) -> tuple[float, float, float, Floats, Floats]:
    """AUC, IPA, ICI, curve and benefit at one horizon; nan where the model has no risk there."""
    t, grid = float(scales.years[k]), scales.predicted[k]
    unknown = np.full(len(grid), np.nan), np.full(len(scales.thresholds), np.nan)
    if not hazard > 0:
        return np.nan, np.nan, np.nan, *unknown
    risk = -np.expm1(-hazard * np.exp(lp))
    ici, observed = np.nan, unknown[0]
    if curve is not None:
        ici = float(np.abs(curve.at(lp, t) - risk).mean())
        observed = curve.at(cloglog(grid) - np.log(hazard), t)
    benefit = net_benefit(data.time, data.event, risk, t, scales.thresholds)
    gained = np.where(benefit.unfollowed & ~benefit.nobody, np.nan, benefit.model) - benefit.treat_all
    return (
        auc_at(data.time, data.event, lp, t).value,
        brier_at(data.time, data.event, risk, t).ipa,
        ici,
        observed,
        gained,
    )


def mean_of(several: Sequence[Performance]) -> Performance:
    """The mean of each number, nan where fewer than four in five have one."""
    means = []
    for f in fields(Performance):
        rows = np.array([getattr(result, f.name) for result in several])
        there = np.isfinite(rows)
        number = there.sum(axis=0)
        total = np.where(there, rows, 0.0).sum(axis=0)
        empty = np.full(np.shape(total), np.nan)
        means.append(np.asarray(np.divide(total, number, out=empty, where=number >= ENOUGH * len(rows))))
    return Performance(*means)


def difference(first: Performance, second: Performance) -> Performance:
    """The first less the second."""
    return Performance(*(getattr(first, f.name) - getattr(second, f.name) for f in fields(Performance)))
