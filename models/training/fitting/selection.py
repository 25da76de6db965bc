"""Selection of predictors, only on request: backward elimination by Akaike's criterion, and how stable it is.

A column goes while 2 (log L - log L without it) < 2, the least first. The same is repeated in each resample: the share
of resamples that keep a column is its inclusion frequency (Heinze, Wallisch and Dunkler 2018).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.training.statistics.arrays import Counts, Floats, Members
from models.training.statistics.cox import fit_many, log_likelihoods
from models.training.statistics.progress import Progress, quiet
from models.training.statistics.resampling import SurvivalData, draw_resamples

WARNING = (
    "selection by the data makes hazard ratios too large and p-values too small; the model that is served keeps the "
    "four pre-specified predictors"
)
_WORTH = 2.0  # Akaike: what a column must add to 2 log L
_AT_ONCE = 100  # resamples between two reports of progress


@dataclass(frozen=True, slots=True)
class Selection:
    """Which columns were kept, and the share of resamples that keep each; `n` patients had all of them known.

    `same` is the share of resamples that keep exactly the same; `without_fit` resamples are not counted.
    """

    n: int
    kept: tuple[str, ...]
    inclusion: Mapping[str, float]
    same: float
    resamples: int
    without_fit: int
    warning: str = WARNING


def select(
    names: Sequence[str], data: SurvivalData, resamples: int, seed: int, progress: Progress = quiet
) -> Selection:
    """Select among the columns of `data`. Raises TrainingError where not even all of them together can be fitted."""
    own, _ = eliminate(data, np.ones((1, len(data.time)), dtype=np.int64))
    counts, selected = draw_resamples(len(data.time), resamples, seed), []
    for begin in range(0, resamples, _AT_ONCE):
        kept, fitted = eliminate(data, counts[begin : begin + _AT_ONCE])
        selected.append(kept[fitted])
        progress("selection in resamples", min(begin + _AT_ONCE, resamples), resamples)
    kept = np.concatenate(selected)
    share = kept.mean(axis=0) if len(kept) else np.full(len(names), np.nan)
    return Selection(
        n=len(data.time),
        kept=tuple(name for name, keep in zip(names, own[0], strict=True) if keep),
        inclusion={name: float(kept_in) for name, kept_in in zip(names, share, strict=True)},
        same=float((kept == own).all(axis=1).mean()) if len(kept) else np.nan,
        resamples=resamples,
        without_fit=resamples - len(kept),
    )


def eliminate(data: SurvivalData, counts: Counts) -> tuple[Members, Members]:
    """Backward elimination in each resample (B, n): the columns kept (B, p), and whether there was a finite fit (B,)."""
    every = np.arange(data.x.shape[1])
    kept = np.ones((len(counts), len(every)), dtype=np.bool_)
    likelihood = _likelihood(data, counts, kept[0])
    fitted = np.isfinite(likelihood)
    going = fitted.copy()
    while going.any():
        for subset in np.unique(kept[going], axis=0):
            rows = np.flatnonzero(going & (kept == subset).all(axis=1))
            columns = np.flatnonzero(subset)
            without = np.column_stack(
                [_likelihood(data, counts[rows], subset & (every != j)) for j in columns]
            )
            loss = np.where(np.isfinite(without), 2 * (likelihood[rows, None] - without), np.inf)
            least = loss.argmin(axis=1)
            goes = loss.min(axis=1) < _WORTH
            kept[rows[goes], columns[least[goes]]] = False
            likelihood[rows[goes]] = without[goes, least[goes]]
            going[rows] = goes & kept[rows].any(axis=1)
    return kept, fitted


def _likelihood(data: SurvivalData, counts: Counts, subset: Members) -> Floats:
    """The largest log partial likelihood of each resample with these columns (B,); nan without a finite fit."""
    if not subset.any():
        nothing = np.zeros((len(counts), 1))
        return log_likelihoods(data.x[:, :1], data.time, data.event, nothing, counts)[1]
    x = data.x[:, subset]
    coef = fit_many(x, data.time, data.event, counts)
    fitted, _ = log_likelihoods(x, data.time, data.event, np.nan_to_num(coef), counts)
    return np.where(np.isnan(coef).any(axis=1), np.nan, fitted)
