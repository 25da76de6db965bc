"""The field `fit` of a model: how it was fitted and what is known of it. MODEL_CARD.md is written from it.

It holds no row of a patient and no count of a group by predictors; what cannot be estimated is null.
"""

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from typing import Any

import numpy as np

from models.training.errors import TrainingError
from models.training.fitting.landmarks import FittedLandmark
from models.training.fitting.train import Trained
from models.training.fitting.updating.in_words import recorded
from models.training.fitting.updating.update import Updated
from models.training.plain_json import as_json

_LIBRARIES = ("lifelines", "numpy", "pandas", "scipy")
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069*_`<>\[\]|\\#]{1,120}")
"""Nothing that Markdown on a card would read, and nothing that breaks a line or turns its direction unseen."""
_KINDS = {"nothing": "no update", "in the large": "baseline update", "intercept and slope": "recalibration"}


@dataclass(frozen=True, slots=True)
class Labels:
    """What people call the model: the centre whose cohort it is, the day of the fit, whether the patients are real."""

    centre: str
    day: date
    synthetic: bool = False

    def __post_init__(self) -> None:
        """Refuse a centre that a card could not print. Raises TrainingError."""
        require_text("the centre's name", self.centre)

    @property
    def evidence(self) -> str:
        """The evidence label of a model that was fitted to this cohort."""
        return "synthetic" if self.synthetic else "local-fit"


def require_text(what: str, text: str) -> None:
    """Refuse what a card could not print as it stands. Raises TrainingError."""
    if not (_TEXT.fullmatch(text) and text == text.strip() and any(map(str.isalnum, text))):
        raise TrainingError(
            f"{what} must be 1 to 120 characters on one line, a letter or digit among them, without any of * _ ` < > [ ] | \\ #"
        )


def fit_record(
    result: Trained | Updated, labels: Labels, later: Sequence[FittedLandmark] = ()
) -> dict[str, Any]:
    """The record as JSON: objects, arrays, text, finite numbers. `later` are the landmarks, given or not."""
    cohort, death = result.cohort, result.death
    common = {
        "kind": _KINDS.get(result.step, "fit") if isinstance(result, Updated) else "fit",
        "centre": labels.centre,
        "day": labels.day.isoformat(),
        "synthetic": labels.synthetic,
        "cohort": cohort.name,
        "cohort_sha256": cohort.sha256,
        "patients_sha256": cohort.patients_sha256,
        "time_zero": cohort.time_zero,
        "flow": cohort.flow,
        "patients": len(cohort),
        "recurrences": int(cohort.event.sum()),
        "deaths": death.deaths if death else 0,
        "person_years": float(cohort.time.sum()),
        "missing": result.missing,
        "baseline_ties": result.options.baseline,
        "competing_death": death,
        "landmarks": [
            {
                "days": landmark.days,
                "at_risk": landmark.at_risk,
                "recurrences": landmark.recurrences,
                "reason": landmark.reason,
            }
            for landmark in later
        ],
        "warnings": result.warnings,
        "libraries": {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
    }
    own: dict[str, Any] = {}
    if isinstance(result, Updated):
        own = _of_update(result)
    if fit := result.refit if isinstance(result, Updated) else result:
        own |= _of_fit(fit)
    record: dict[str, Any] = as_json(common | own, not_finite_as_null=True)
    return record


def _of_update(result: Updated) -> dict[str, Any]:
    parent = result.parent
    return {
        "parent": {
            "id": parent.id,
            "version": parent.version,
            "evidence": parent.evidence,
            "sha256": parent.sha256,
        },
        "parent_baseline_cumulative_hazard": parent.baseline_hazard,
        "observed_over_expected": result.recalibration.ratio,
        "recalibration": recorded(result.recalibration),
    }


def _of_fit(result: Trained) -> dict[str, Any]:
    options, fit = result.options, result.fit
    return {
        "method": result.method,
        "ties": fit.ties,
        "ridge": options.ridge,
        "firth": options.firth,
        "seed": options.seed,
        "unshrunk_log_hazard_ratios": fit.coef,
        "unshrunk_standard_errors": np.sqrt(np.diag(fit.covariance)),
        "log_likelihood": fit.log_likelihood,
        "log_likelihood_null": fit.log_likelihood_null,
        "shrinkage": result.shrinkage,
        "concordance": result.figures,
        "univariable": result.univariable,
        "proportionality": result.proportionality,
        "sample_size": result.size,
        "selection": result.selection,
        "missingness": result.missingness,
        "forms": result.forms,
    }
