"""Multiple imputation by chained equations: what is not known of a patient is drawn from what is, the outcome included.

Each column with gaps is regressed on all others, on the event indicator and on the Nelson-Aalen cumulative hazard at the
end of follow-up (White and Royston, Stat Med 2009;28:1982): without the outcome the imputed values would know nothing of
it, and every effect would shrink towards none. Coefficients are drawn from their posterior, then the missing values given
those; columns take turns, `CYCLES` times. As R's `mice` does it (van Buuren 2018): `logreg` with its augmentation against
separation (White, Daniel and Royston 2010) for columns of 0 and 1, `norm` for all others.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from models.training.errors import TrainingError
from models.training.statistics.arrays import Counts, Events, Floats, Members
from models.training.statistics.cox import chunks, solve_each
from models.training.statistics.progress import Progress, quiet

CYCLES = 10  # chains of binary columns settle within five
FEWEST_KNOWN = 10  # of a column: with fewer there is nothing to learn its values from
_MOST_STEPS = 30
_SMALL_STEP = 1e-4  # on the scale of standardised columns; Newton's error after a step is about its square
_LONGEST_STEP = 3.0
_RIDGE = 1e-5  # of the variance of each column of a linear regression, as in mice
_ASIDE = 0.5  # standard deviations from the mean: where augmentation puts its two patients of each column


def impute(
    columns: Floats,
    time: Floats,
    event: Events,
    *,
    imputations: int,
    seed: int,
    coded_from: Mapping[int, int] | None = None,
) -> Floats:
    """Complete columns (n, p), nan: not known, in several ways: (imputations, n, p). What is known stays as it is.

    A column whose known values are all 0 or 1 is binary; others should be about normal (a titre: its logarithm). All
    columns inform each other. `coded_from` says that a column is made of another (a high titre of the titre): that
    other is then no regressor of it, or the two would hold each other where they began. Raises TrainingError where a
    column with gaps is known of fewer than FEWEST_KNOWN patients.
    """
    once = np.ones((imputations, len(time)), dtype=np.int64)
    return impute_many(columns, time, event, once, seed, coded_from=coded_from)


def impute_many(
    columns: Floats,
    time: Floats,
    event: Events,
    counts: Counts,
    seed: int,
    *,
    coded_from: Mapping[int, int] | None = None,
    progress: Progress = quiet,
) -> Floats:
    """Complete each resample, given as multiplicities (B, n), once, from its own patients alone: (B, N, p).

    N is the size of a resample, the same for all; its rows are those of `np.repeat(np.arange(n), counts[b])`, so that
    time and event of resample b are those of these rows. Copies of one patient are completed apart. Raises
    TrainingError as `impute` does.
    """
    equations = _equations(columns, coded_from or {})
    size = int(counts[0].sum())
    completed: Floats = np.empty((len(counts), size, columns.shape[1]))
    pieces = chunks(len(counts), size * (columns.shape[1] + 2))
    for piece, stream in zip(pieces, np.random.SeedSequence(seed).spawn(len(pieces)), strict=True):
        often = counts[piece]
        patients = np.tile(np.arange(often.shape[1]), len(often))
        rows = np.repeat(patients, often.ravel()).reshape(len(often), size)
        hazard = np.take_along_axis(nelson_aalen(time, event, often), rows, axis=1)
        chains = _Chains(columns[rows], event[rows], hazard, np.random.default_rng(stream))
        completed[piece] = chains.run(equations)
        progress("imputation", min(piece.stop, len(counts)), len(counts))
    return completed


def nelson_aalen(time: Floats, event: Events, counts: Counts) -> Floats:
    """The Nelson-Aalen cumulative hazard of each resample (B, n), at each patient's end of follow-up: (B, n)."""
    order = np.argsort(time, kind="stable")
    often = counts[:, order].astype(np.float64)
    first = np.flatnonzero(np.diff(time[order], prepend=-np.inf))
    there = np.add.reduceat(often, first, axis=1)
    at_risk = np.cumsum(there[:, ::-1], axis=1)[:, ::-1]
    happened = np.add.reduceat(often * event[order], first, axis=1)
    hazard = np.cumsum(np.divide(happened, at_risk, out=np.zeros_like(there), where=at_risk > 0), axis=1)
    return np.asarray(hazard[:, np.searchsorted(time[order][first], time)])


@dataclass(frozen=True, slots=True)
class _Equation:
    """A column with gaps, and the columns that inform it; after the p own ones come event and hazard."""

    column: int
    regressors: tuple[int, ...]
    binary: bool


def _equations(columns: Floats, coded_from: Mapping[int, int]) -> list[_Equation]:
    known = ~np.isnan(columns)
    everything, equations = range(columns.shape[1] + 2), []
    for column in np.flatnonzero(~known.all(axis=0)):
        values = columns[known[:, column], column]
        if len(values) < FEWEST_KNOWN:
            raise TrainingError(
                f"column {column + 1} is known of {len(values)} patients; to impute it, at least {FEWEST_KNOWN} must be "
                "known"
            )
        others = tuple(k for k in everything if k not in {column, coded_from.get(int(column))})
        equations.append(_Equation(int(column), others, bool(np.isin(values, (0.0, 1.0)).all())))
    return equations


class _Chains:
    """Resamples of one size that are completed side by side: values (B, N, p) with nan, event and hazard (B, N)."""

    def __init__(self, values: Floats, event: Events, hazard: Floats, random: np.random.Generator) -> None:
        self.missing: Members = np.isnan(values)
        self.variables = np.concatenate([values, event[..., None], hazard[..., None]], axis=2)
        self.variables = np.ascontiguousarray(np.moveaxis(self.variables, 2, 1))  # (B, p + 2, N)
        self.random = random

    def run(self, equations: list[_Equation]) -> Floats:
        """Begin with known values, let the columns take turns, and return what there is then."""
        for equation in equations:
            self._begin(equation.column)
        for _ in range(CYCLES):
            for equation in equations:
                self._redraw(equation)
        return np.moveaxis(self.variables[:, :-2], 1, 2)

    def _begin(self, column: int) -> None:
        """Fill the gaps of a column with values drawn from those known in the same resample."""
        y, gaps = self.variables[:, column], self.missing[..., column]
        known_first = np.argsort(gaps, axis=1, kind="stable")
        place = (self.random.random(y.shape) * (~gaps).sum(axis=1, keepdims=True)).astype(np.int64)
        drawn = np.take_along_axis(y, np.take_along_axis(known_first, place, axis=1), axis=1)
        y[gaps] = np.nan_to_num(drawn[gaps])  # a resample may hold nobody of whom it is known

    def _redraw(self, equation: _Equation) -> None:
        """Regress a column on the others where it is known, and draw it anew where it is not."""
        others, y = self.variables[:, equation.regressors], self.variables[:, equation.column]
        gaps = self.missing[..., equation.column]
        spread = others.std(axis=2, keepdims=True)
        z = (others - others.mean(axis=2, keepdims=True)) / np.where(spread > 0, spread, 1.0)
        design = np.concatenate([np.ones_like(z[:, :1]), z], axis=1)
        if equation.binary:
            coef, precision = _logistic(*_augmented(design, y, ~gaps))
            score = self._coefficients(coef, precision)[:, None] @ design
            drawn = (self.random.random(y.shape) < expit(score[:, 0])).astype(np.float64)
        else:
            drawn = self._normal(design, y, ~gaps)
        y[gaps] = drawn[gaps]

    def _coefficients(self, coef: Floats, precision: Floats) -> Floats:
        """Draw coefficients (B, q) from the normal distribution with this mean and inverse covariance."""
        root = np.linalg.cholesky(precision)
        noise = self.random.standard_normal((*coef.shape, 1))
        return np.asarray(coef + np.linalg.solve(root.swapaxes(1, 2), noise)[..., 0])

    def _normal(self, design: Floats, y: Floats, known: Members) -> Floats:
        """Draw values (B, N) by linear regression: variance, coefficients, then values."""
        weighted = design * known[:, None]
        precision = weighted @ design.swapaxes(1, 2)
        diagonal = np.arange(design.shape[1])
        precision[:, diagonal, diagonal] *= 1 + _RIDGE
        precision[:, diagonal, diagonal] += precision[:, diagonal, diagonal] == 0  # a column of no spread
        coef = np.linalg.solve(precision, weighted @ y[..., None])[..., 0]
        squares = (((y - (coef[:, None] @ design)[:, 0]) * known) ** 2).sum(axis=1)
        degrees = np.maximum(known.sum(axis=1) - len(diagonal), 1)
        sigma = np.sqrt(squares / self.random.chisquare(degrees))
        unit = self._coefficients(np.zeros_like(coef), precision)
        mean = ((coef + sigma[:, None] * unit)[:, None] @ design)[:, 0]
        return np.asarray(mean + sigma[:, None] * self.random.standard_normal(y.shape))


def _augmented(design: Floats, y: Floats, known: Members) -> tuple[Floats, Floats, Floats]:
    """Design, outcome and weight with mice's patients of small weight added, so that no coefficient is infinite.

    For each regressor two at half a standard deviation below and above its mean, but not beyond its values, all other
    regressors at their means; half of each has the outcome. Their weights add up to the number of coefficients.
    """
    size, q, _ = design.shape
    z = design[:, 1:]
    pair = np.clip([-_ASIDE, _ASIDE], z.min(axis=2)[..., None], z.max(axis=2)[..., None])
    added = np.zeros((size, q, q - 1, 2))
    added[:, 0] = 1.0
    every = np.arange(q - 1)
    added[:, every + 1, every] = pair
    added = added.reshape(size, q, -1)
    weight = np.full((size, added.shape[2]), q / added.shape[2])
    return (
        np.concatenate([design, added], axis=2),
        np.concatenate([y, np.full_like(weight, 0.5)], axis=1),
        np.concatenate([known.astype(np.float64), weight], axis=1),
    )


def _logistic(design: Floats, y: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Weighted logistic regression of each resample, by Newton's method: coefficients (B, q), information (B, q, q)."""
    coef: Floats = np.zeros(design.shape[:2])
    flat = np.abs(design).max(axis=2) == 0  # a column that does not vary: its coefficient says nothing
    diagonal = np.arange(design.shape[1])
    transposed = design.swapaxes(1, 2)
    for _ in range(_MOST_STEPS):
        risk = expit((coef[:, None] @ design)[:, 0])
        information = (design * (weight * risk * (1 - risk))[:, None]) @ transposed
        information[:, diagonal, diagonal] += flat
        gradient = (design @ (weight * (y - risk))[..., None])[..., 0]
        step = solve_each(gradient, information)
        step /= np.maximum(1.0, np.abs(step).max(axis=1, keepdims=True) / _LONGEST_STEP)
        coef += step
        if np.abs(step).max() < _SMALL_STEP:
            break
    return coef, information
