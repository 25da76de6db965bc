"""What a report says, as one frozen dataclass: the page is drawn from it, and report.json is derived from it.

The fields are the keys of report.json, in their order. Risks are probabilities, times years since time zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.artefact import Provenance
from models.training.cohort.describe import TableOne
from models.training.plain_json import as_json
from models.training.report.describe_text import TextTable
from models.training.validation.recorded import FitRecord, fit_record_in
from models.training.validation.supplement.supplement import Supplement
from models.training.validation.validation import Validation


@dataclass(frozen=True, slots=True)
class ReportedPredictor:
    """A predictor with its log hazard ratio as served."""

    name: str
    label: str
    threshold: str
    log_hazard_ratio: float


@dataclass(frozen=True, slots=True)
class ReportedHorizon:
    """The baseline at one horizon: nobody's predictors present."""

    horizon: str
    years: float
    baseline_cumulative_hazard: float
    baseline_risk: float


@dataclass(frozen=True, slots=True)
class ReportedPolicy:
    """How many predictors a score needs, and the limits of the bands of the 2-year risk."""

    known_at_least: int
    low_below: float
    high_from: float


@dataclass(frozen=True, slots=True)
class ReportedModel:
    """The model as it is served."""

    id: str
    version: str
    sha256: str
    evidence: str
    limits: str
    range_note: str
    description: Mapping[str, str]
    predictors: tuple[ReportedPredictor, ...]
    horizons: tuple[ReportedHorizon, ...]
    policy: ReportedPolicy
    provenance: Mapping[str, Provenance]


@dataclass(frozen=True, slots=True)
class ReportedRatio:
    """A hazard ratio with 95 % limits, or `reason`: why it cannot be estimated."""

    value: float | None
    low: float | None
    high: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class ReportedRatios:
    """A predictor's hazard ratio as served, and refitted in this cohort by maximum likelihood."""

    name: str
    label: str
    served: ReportedRatio
    refitted: ReportedRatio


@dataclass(frozen=True, slots=True)
class ReportedMissing:
    """Where predictors were unknown in the fit: the share with a recurrence of complete cases and of all others.

    By predictor, hazard ratios before shrinkage of the imputed sets and of complete cases alone; empty where nothing was
    imputed.
    """

    complete: float | None
    others: float
    imputed: tuple[ReportedRatio, ...] = ()
    alone: tuple[ReportedRatio, ...] = ()


@dataclass(frozen=True, slots=True)
class NomogramPredictor:
    """The points that a predictor gives."""

    label: str
    absent: float
    present: float


@dataclass(frozen=True, slots=True)
class RiskTick:
    """A risk, and the total of points at which it is reached."""

    risk: float
    points: float


@dataclass(frozen=True, slots=True)
class RiskScale:
    """The risks at one horizon, from the fewest points that the predictors can give to the most."""

    horizon: str
    years: float
    risks: tuple[RiskTick, ...]


@dataclass(frozen=True, slots=True)
class Nomogram:
    """Points by predictor, the most that they add up to, and the risks at these totals."""

    log_hazard_per_point: float
    total: float
    predictors: tuple[NomogramPredictor, ...]
    scales: tuple[RiskScale, ...]


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One item: what it asks for, and what the report answers; not `filled`: left to the author."""

    id: str
    section: str
    topic: str
    answer: str
    filled: bool


@dataclass(frozen=True, slots=True)
class Checklist:
    """A checklist and where it comes from."""

    source: str
    items: tuple[ChecklistItem, ...]


@dataclass(frozen=True, slots=True)
class Checklists:
    """Those of the report: TRIPOD+AI, and the source attributes of HTI-1."""

    tripod_ai: Checklist
    hti_1: Checklist


@dataclass(frozen=True, slots=True)
class FigureNumbers:
    """What a figure says in words, and the numbers that it shows."""

    title: str
    about: str
    numbers: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The report of a validation.

    `table_one` and `tables` are the cohort's characteristics, `fit` is the record of the model's fit as its file holds
    it; both are empty where they were not given, and so is `supplement`. `missing` is of that record. `figures` are known once the page is drawn.
    """

    schema: str
    title: str
    date: str
    level: float
    evidence: str
    model: ReportedModel
    validation: Validation
    hazard_ratios: tuple[ReportedRatios, ...]
    stability_quantiles: tuple[float, ...]
    table_one: TableOne | None
    tables: tuple[TextTable, ...]
    fit: Mapping[str, Any]
    cannot_tell: tuple[str, ...]
    nomogram: Nomogram
    checklists: Checklists
    supplement: Supplement | None = None
    missing: ReportedMissing | None = None
    figures: Mapping[str, FigureNumbers] = field(default_factory=dict)

    @property
    def fit_record(self) -> FitRecord | None:
        """What is shown of the record of the fit, if there is one. Raises TrainingError where it cannot be read."""
        return fit_record_in(self.fit)


def as_document(report: Report) -> dict[str, Any]:
    """The report as the JSON object of report.json. Raises ValueError on a number that is not finite."""
    document: dict[str, Any] = as_json(report)
    return document | {"table_one": document["table_one"] or {}}
