"""The parts of a cohort: curves by predictor and risk group, performance by subtype and by what is missing, counts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from math import sqrt

import numpy as np

from models.artefact import Model
from models.risk import DECISION_HORIZON
from models.training.cohort.cohort import Cohort
from models.training.errors import TrainingError
from models.training.statistics.arrays import Floats, Members
from models.training.statistics.cox import fit_cox
from models.training.statistics.discrimination import harrell_c
from models.training.statistics.smooth import cloglog
from models.training.validation.at_horizon import ratio
from models.training.validation.groups import grouping, kaplan_meier_risk
from models.training.validation.validation import (
    Grouping,
    HazardRatio,
    Measure,
    Missing,
    PatternCount,
    Subgroup,
    estimable,
    estimated,
    measure,
    missing,
)

FEWEST_EVENTS = 10  # in a subgroup, for its own C and O/E


def decided(model: Model, by_horizon: Floats) -> Floats:
    """The column of (n, k) for the horizon that bands and decisions are about."""
    return np.asarray(by_horizon[:, model.horizons.index(DECISION_HORIZON)])


def risk_groups(model: Model, risk: Floats) -> dict[str, Members]:
    """Who of the patients with these risks (n,) is in which band of the policy."""
    low, high = model.policy.low_below, model.policy.high_from
    return {"low": risk < low, "intermediate": (risk >= low) & (risk < high), "high": risk >= high}


def groupings(model: Model, cohort: Cohort, risk: Floats) -> tuple[Grouping, ...]:
    """Curves by risk group, then by each predictor."""
    members = [("risk-group", "Risk group", risk_groups(model, risk))]
    for spec in model.predictors:
        value = cohort.column(spec.name)
        members.append((spec.name, spec.label, {"absent": value == 0, "present": value == 1}))
    return tuple(
        grouping(name, label, groups, cohort.time, cohort.status, model.horizons)
        for name, label, groups in members
    )


def subgroups(cohort: Cohort, patterns: Sequence[str], risk: Floats) -> tuple[Subgroup, ...]:
    """The performance by antibody subtype, and by how many predictors are unknown, at the decision's horizon."""
    performances = []
    for kind, label, rows in _parts(cohort, patterns):
        part, expected = cohort.where(rows), float(risk[rows].mean())
        events = int(part.event.sum())
        concordance = observed = over = missing(f"fewer than {FEWEST_EVENTS} recurrences")
        if events >= FEWEST_EVENTS:
            concordance = estimated(harrell_c(part.time, part.event, cloglog(risk[rows])))
            years = DECISION_HORIZON.years
            observed = estimable(partial(kaplan_meier_risk, part.time, part.status, years))
            over = ratio(observed, expected)
        performances.append(Subgroup(kind, label, len(part), events, concordance, expected, observed, over))
    return tuple(performances)


def _parts(cohort: Cohort, patterns: Sequence[str]) -> Iterator[tuple[str, str, Members]]:
    subtype = np.array(cohort.subtype)
    if subtype.astype(bool).any():
        for label in sorted(set(cohort.subtype), key=lambda name: (not name, name)):
            yield "Antibody subtype", label or "not given", subtype == label
    unknown = np.array([pattern.count("?") for pattern in patterns])
    names = {0: "all known", 1: "one unknown", 2: "two unknown"}
    for count in np.unique(unknown):
        yield "Predictors", names.get(int(count), f"{count} unknown"), unknown == count


def hazard_ratios(model: Model, cohort: Cohort) -> tuple[HazardRatio, ...]:
    """Log hazard ratios as served, and refitted in the complete rows of this cohort by maximum likelihood."""
    try:
        whole = cohort.complete(model.names)
        fit = fit_cox(whole.matrix(model.names), whole.time, whole.event)
        se = np.sqrt(np.diag(fit.covariance))
        refitted: list[Measure] = [measure(float(b), float(s)) for b, s in zip(fit.coef, se, strict=True)]
    except (TrainingError, np.linalg.LinAlgError) as error:
        refitted = [missing(str(error))] * len(model.names)
    return tuple(
        HazardRatio(
            spec.name,
            spec.label,
            measure(model.log_hazard_ratios[i], sqrt(model.covariance[i][i])),
            refitted[i],
        )
        for i, spec in enumerate(model.predictors)
    )


def missing_counts(model: Model, cohort: Cohort) -> tuple[Missing, ...]:
    """How often each predictor is present, absent, unknown."""
    return tuple(
        Missing(
            spec.name,
            spec.label,
            int((cohort.column(spec.name) == 1).sum()),
            int((cohort.column(spec.name) == 0).sum()),
            int(np.isnan(cohort.column(spec.name)).sum()),
        )
        for spec in model.predictors
    )


def pattern_counts(patterns: Sequence[str]) -> tuple[PatternCount, ...]:
    """How many have each pattern of known (k) and unknown (?) predictors, the commonest first."""
    marks = Counter(pattern.replace("0", "k").replace("1", "k") for pattern in patterns)
    return tuple(PatternCount(p, n) for p, n in sorted(marks.items(), key=lambda row: (-row[1], row[0])))
