"""Cox's partial likelihood, its slope and its curvature, for one set of data or for many resamples at once.

Rows lie in order of falling time (at equal times censorings before events), so that a running sum up to the events of
a time is the sum over its risk set. Efron's sum has one term for each event: of d events at one time, term l (from 0)
takes the share l/d of the tied events out of the risk set; Breslow's shares are 0. A resample is a row of
multiplicities, so that its ties are exactly those of the repeated rows.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.training.errors import TrainingError
from models.training.statistics.arrays import Events, Floats

Ties = Literal["efron", "breslow"]


class Design:
    """Rows in order of falling time, columns standardised; z is (R, p, n), R being 1 or one design for each resample.

    Event times are numbered from the last: the risk set of time k are the rows before `end[k]`, its events those from
    `begin[k]` on.
    """

    def __init__(self, x: Floats, time: Floats, event: Events) -> None:
        """Take x as (n, p) or (R, n, p). Raises TrainingError if there is no event, or a column does not vary."""
        if not event.any():
            raise TrainingError("there is no event, so nothing can be fitted")
        self.order = np.lexsort((event, -time))
        self.event = event[self.order]
        columns = np.moveaxis(np.atleast_3d(x) if x.ndim == 3 else x[None], 1, 2)[..., self.order]  # noqa: PLR2004
        self.centre, self.scale = columns.mean(axis=2), columns.std(axis=2)
        flat = self.scale <= 1e-12 * (1 + np.abs(self.centre))
        if flat.any():
            raise TrainingError(f"column {np.argwhere(flat)[0, 1] + 1} is constant: leave it out")
        self.z: Floats = (columns - self.centre[..., None]) / self.scale[..., None]
        rows, backwards = np.flatnonzero(self.event), -time[self.order]
        self.times, first = np.unique(backwards[rows], return_index=True)
        self.times = -self.times
        self.begin, self.end = rows[first], np.append(rows[first[1:] - 1], rows[-1]) + 1
        self.time_of_event = np.repeat(np.arange(len(first)), self.end - self.begin)
        # A row is at risk at this event time and later
        self.first_time_at_risk = np.searchsorted(-self.times, backwards)
        self.upper = np.triu_indices(x.shape[-1])
        products = self.z[:, self.upper[0]] * self.z[:, self.upper[1]]
        self.features: Floats = np.concatenate([self.z, products], axis=1)

    @property
    def p(self) -> int:
        """The number of columns."""
        return int(self.z.shape[1])

    def log_weights(self, coef: Floats) -> Floats:
        """The linear predictors of coef (B, p), less the largest of each: (B, n)."""
        shared = len(self.z) == 1
        score = coef @ self.z[0] if shared else np.einsum("bp,bpn->bn", coef, self.z)
        return np.asarray(score - score.max(axis=1, keepdims=True))

    def moments(self, weights: Floats) -> Floats:
        """Weighted sums over the rows of z and of the upper triangle of its products: (B, n) → (B, p + q)."""
        if len(self.z) == 1:
            return np.asarray(weights @ self.features[0].T)
        return np.asarray(np.einsum("bn,bfn->bf", weights, self.features), dtype=np.float64)

    def square(self, triangle: Floats) -> Floats:
        """Symmetric matrices (B, p, p) from upper triangles (B, q)."""
        full = np.empty((len(triangle), self.p, self.p))
        full[:, self.upper[0], self.upper[1]] = triangle
        full[:, self.upper[1], self.upper[0]] = triangle
        return full

    def deaths(self, counts: Floats) -> NDArray[np.int64]:
        """How many events each resample has at each event time: (B, n) → (B, K)."""
        running = np.cumsum(_behind_zero(counts * self.event), axis=1)
        return np.rint(running[:, self.end] - running[:, self.begin]).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of Efron's sum over all resamples, one for each event (T): where they stand, and the share l/d."""

    cell: NDArray[np.intp]  # resample * K + time
    share: Floats
    shape: tuple[int, int]  # resamples, times

    def total(self, values: Floats) -> Floats:
        """Sum values (T) of one resample and event time: (B, K)."""
        summed = np.bincount(self.cell, values, self.shape[0] * self.shape[1])
        return np.asarray(summed.reshape(self.shape), dtype=np.float64)


def terms_of(design: Design, counts: Floats, ties: Ties) -> Terms:
    """List the terms of resamples (B, n)."""
    deaths = design.deaths(counts)
    cell = np.repeat(np.arange(deaths.size), deaths.ravel())
    if ties == "breslow":
        return Terms(cell, np.zeros(len(cell)), deaths.shape)
    first = np.cumsum(deaths.ravel()) - deaths.ravel()
    return Terms(cell, (np.arange(len(cell)) - first[cell]) / deaths.ravel()[cell], deaths.shape)


def log_likelihood(design: Design, coef: Floats, counts: Floats, terms: Terms) -> Floats:
    """The log partial likelihood of each resample at its coefficients (B, p): (B,)."""
    score = design.log_weights(coef)
    running = np.cumsum(_behind_zero(counts * np.exp(score)), axis=1)
    risk = running[:, design.end]
    left = _left(risk, risk - running[:, design.begin], terms)
    resample = terms.cell // terms.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(
            (counts * score) @ design.event - np.bincount(resample, np.log(left), len(coef)),
            dtype=np.float64,
        )


def derivatives(design: Design, coef: Floats, counts: Floats, terms: Terms) -> tuple[Floats, Floats]:
    """Gradient (B, p) and information (B, p, p) of each resample at its coefficients.

    A term's weighted mean is (S - share·D) / left, S and D being the sums of z over risk set and tied events. Summed
    over the terms of one time only 1 / left, its square, and their products with the share remain, which are scalars.
    """
    weights = counts * np.exp(design.log_weights(coef))
    running = np.empty((len(coef), design.p + 1, weights.shape[1] + 1))
    running[..., 0] = 0
    running[:, 0, 1:] = weights
    np.multiply(weights[:, None], design.z, out=running[:, 1:, 1:])
    np.cumsum(running, axis=2, out=running)
    risk = np.take(running, design.end, axis=2)
    tied = risk - np.take(running, design.begin, axis=2)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        once = 1 / _left(risk[:, 0], tied[:, 0], terms)
        hazard, of_tied = terms.total(once), terms.total(terms.share * once)
        # The hazard that a row passes through, less the shares taken out at its own event
        ahead = np.cumsum(_behind_zero(hazard[:, ::-1]), axis=1)[:, ::-1]
        passed = np.take(ahead, design.first_time_at_risk, axis=1)
        passed[:, design.event] -= np.take(of_tied, design.time_of_event, axis=1)
        sums = design.moments(weights * passed)
        gradient = design.moments(counts * design.event)[:, : design.p] - sums[:, : design.p]
        means = _sum_of_squared_means(risk[:, 1:], tied[:, 1:], once**2, terms)
        return gradient, design.square(sums[:, design.p :]) - means


def _behind_zero(values: Floats) -> Floats:
    return np.concatenate([np.zeros((len(values), 1)), values], axis=1)


def _left(risk: Floats, tied: Floats, terms: Terms) -> Floats:
    """What remains of the risk set in each term: (T,)."""
    return np.asarray(risk.ravel()[terms.cell] - terms.share * tied.ravel()[terms.cell])


def _sum_of_squared_means(risk: Floats, tied: Floats, squared: Floats, terms: Terms) -> Floats:
    """Σ mean·mean' over the terms, mean being (S - share·D) / left: (B, p, K) → (B, p, p)."""
    plain = terms.total(squared)[:, None]
    mixed = terms.total(terms.share * squared)[:, None]
    both = terms.total(terms.share**2 * squared)[:, None]
    left = np.concatenate([risk, tied], axis=2)
    right = np.concatenate([plain * risk - mixed * tied, both * tied - mixed * risk], axis=2)
    return np.asarray(left @ right.transpose(0, 2, 1))


def term_means(design: Design, coef: Floats, features: Floats, ties: Ties) -> tuple[Floats, NDArray[np.intp]]:
    """The weighted mean of features (n, f) in each term of the whole data, and each term's event time: (T, f), (T,)."""
    counts = np.ones((1, len(design.event)))
    terms = terms_of(design, counts, ties)
    weights = np.exp(design.log_weights(coef[None])[0])
    columns = weights[:, None] * np.column_stack([np.ones(len(features)), features])
    running = np.vstack([np.zeros(columns.shape[1]), np.cumsum(columns, axis=0)])
    risk = running[design.end]
    tied = risk - running[design.begin]
    left = risk[terms.cell] - terms.share[:, None] * tied[terms.cell]
    return left[:, 1:] / left[:, :1], terms.cell


def third_moments(design: Design, coef: Floats, ties: Ties) -> Floats:
    """How the information changes with each coefficient: third central moments summed over the terms, (p, p, p)."""
    p, z = design.p, design.z[0].T
    square = (z[:, :, None] * z[:, None]).reshape(len(z), -1)
    cube = (square[:, :, None] * z[:, None]).reshape(len(z), -1)
    means, _ = term_means(design, coef, np.hstack([z, square, cube]), ties)
    m, s = means[:, :p], means[:, p : p + p**2].reshape(-1, p, p)
    mixed = np.einsum("ta,tbc->abc", m, s)
    total = means[:, p + p**2 :].sum(axis=0).reshape(p, p, p)
    total = total - mixed - mixed.transpose(1, 0, 2) - mixed.transpose(1, 2, 0)
    return np.asarray(total + 2 * np.einsum("ta,tb,tc->abc", m, m, m))
