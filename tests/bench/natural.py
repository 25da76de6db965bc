"""The natural pipeline: what a developer writes first, and many services are, to compare the cost of ours with.

FastAPI takes the body as a dictionary, fhir.resources (R4B) validates every Bundle, the results become a pandas frame,
and lifelines predicts. Predictors are read as plainly as the charts of `tests/bench/charts.py` allow; on them the band
and the risk are ours to 1e-9 (`tests/contract/test_bench.py`). No doubts, no provenance, no audit, no follow-up.
"""

import json
from datetime import UTC, datetime, timedelta
from itertools import product
from math import exp
from typing import Any

import numpy as np
import pandas as pd
from fastapi import FastAPI
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.patient import Patient
from lifelines.fitters.coxph_fitter import SemiParametricPHFitter

from models.registry import default_folder, load_model

HORIZONS = (1.0, 2.0, 3.0)
LOINC, RXNORM, SNOMED = (
    "http://loinc.org",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
    "http://snomed.info/sct",
)
CORE, ANTIBODIES, ANA, CK, AST, ALT = (
    "715863001",
    ("33921-8", "93493-5"),
    "5048-4",
    "2157-6",
    "1920-8",
    "1742-6",
)
LVEF, HEART_DISEASE = "10230-1", ("50920009", "415295002")
AGENTS = ("6851",)  # methotrexate
CK_LIMIT, HIGH_RATIO, HIGH_TITRE = 200.0, 1.73, 320
LOW_BELOW, HIGH_FROM = 0.20, 0.45


def create_app(now: datetime) -> FastAPI:
    """The service, for one moment."""
    app, model = FastAPI(), Predictions()

    @app.post("/cds-services/imnm-recurrence")
    async def called(body: dict) -> dict:
        found = assess(body["prefetch"], now, model)
        if found is None:
            return {"cards": []}
        band, risk = found
        summary = f"IMNM: recurrence risk {risk:.0%} in 2 years, {band}"
        source = {"label": "Natural pipeline"}
        return {"cards": [{"summary": summary, "indicator": "info", "source": source}]}

    return app


class Predictions:
    """A fitter of lifelines with the coefficients and the baseline of the model that we serve."""

    def __init__(self) -> None:
        document = json.loads((default_folder() / "model.json").read_text(encoding="utf-8"))
        self.names = list(load_model(default_folder()).names)
        self.joint: dict[str, float] = document["joint"]
        people = pd.DataFrame(list(product((0.0, 1.0), repeat=len(self.names))) * 2, columns=self.names)
        people["time"], people["event"] = np.arange(1.0, len(people) + 1) % 7 + 1, 1
        self.fitter = SemiParametricPHFitter(penalizer=0.1).fit(people, "time", "event")
        self.fitter.params_[:] = document["log_hazard_ratios"]
        # lifelines centres the covariates at their mean, which the baseline hazard then has in it
        centred = exp(float((people[self.names].mean() * self.fitter.params_).sum()))
        hazards = [
            0.0,
            *(document["baseline_cumulative_hazard"][f"{year:.0f}y"] * centred for year in HORIZONS),
        ]
        self.fitter.baseline_cumulative_hazard_ = pd.DataFrame(
            {"baseline cumulative hazard": hazards}, index=[0.0, *HORIZONS]
        )

    def risks(self, known: dict[str, bool | None]) -> tuple[float, float, float]:
        """The risk within 2 years: its mean over what is unknown, the lowest and the highest."""
        marks = [("0", "1") if known[name] is None else ("01"[bool(known[name])],) for name in self.names]
        cells = ["".join(cell) for cell in product(*marks)]
        rows = pd.DataFrame([[float(mark) for mark in cell] for cell in cells], columns=self.names)
        risks = 1 - self.fitter.predict_survival_function(rows, times=HORIZONS).loc[2.0].to_numpy()
        weights = np.array([self.joint[cell] for cell in cells])
        return float(risks @ weights / weights.sum()), float(risks.min()), float(risks.max())


def assess(prefetch: dict[str, Any], now: datetime, model: Predictions) -> tuple[str, float] | None:
    """Band and 2-year risk of a patient with IMNM; None for everybody else."""
    patient = Patient.model_validate(prefetch["patient"])
    resources = [
        entry.resource
        for key, value in prefetch.items()
        if key != "patient"
        for entry in Bundle.model_validate(value).entry or ()
    ]
    conditions = [r for r in resources if r.get_resource_type() == "Condition"]
    results = frame([r for r in resources if r.get_resource_type() == "Observation"], patient.id)
    if not any(has(c.code, SNOMED, (CORE,)) for c in conditions) or results.empty:
        return None
    medicines = [r for r in resources if r.get_resource_type().startswith("Medication")]
    mean, lowest, highest = model.risks(
        {
            "cardiac_involvement": cardiac(conditions, results),
            "high_ana": high_ana(results),
            "treatment_refractory": refractory(medicines, results, now),
            "high_drr": high_drr(results, now),
        }
    )
    bands = {band(lowest), band(highest)}
    return (bands.pop() if len(bands) == 1 else "uncertain"), mean


def band(risk: float) -> str:
    """Low, intermediate or high."""
    return "low" if risk < LOW_BELOW else "high" if risk >= HIGH_FROM else "intermediate"


def has(concept: Any, system: str, codes: tuple[str, ...]) -> bool:
    """Whether a CodeableConcept has one of the codes."""
    return any(c.system == system and c.code in codes for c in (concept and concept.coding) or ())


def frame(observations: list[Any], patient_id: str) -> pd.DataFrame:
    """A row for each LOINC code of each final Observation of the patient, the newest last."""
    rows = [
        {
            "code": coding.code,
            "when": o.effectiveDateTime.astimezone(UTC),
            "value": float(o.valueQuantity.value) if o.valueQuantity else None,
            "text": o.valueString,
        }
        for o in observations
        if o.status in {"final", "amended", "corrected"} and o.subject.reference == f"Patient/{patient_id}"
        for coding in o.code.coding
        if coding.system == LOINC
    ]
    return pd.DataFrame(rows, columns=["code", "when", "value", "text"]).sort_values("when")


def cardiac(conditions: list[Any], results: pd.DataFrame) -> bool | None:
    """A cardiac diagnosis, or an ejection fraction below 50 %."""
    if any(has(c.code, SNOMED, HEART_DISEASE) for c in conditions):
        return True
    measured = results[results["code"] == LVEF]["value"]
    return None if measured.empty else bool((measured < 50).any())


def high_ana(results: pd.DataFrame) -> bool | None:
    """The newest titre, at least 1:320."""
    written = results[results["code"] == ANA]["text"].dropna()
    return None if written.empty else int(written.iloc[-1].partition(":")[2]) >= HIGH_TITRE


def refractory(medicines: list[Any], results: pd.DataFrame, now: datetime) -> bool | None:
    """Whether CK is still high after half a year of treatment; absent where it is not."""
    ck = results[(results["code"] == CK) & (results["when"] > now - timedelta(days=180))]["value"]
    begun = [start(m) for m in medicines if has(m.medicationCodeableConcept, RXNORM, AGENTS)]
    if ck.empty or not begun or min(begun) > now - timedelta(days=180):
        return None
    return bool((ck > 2 * CK_LIMIT).all())


def start(medicine: Any) -> datetime:
    """When a medicine was ordered, handed over, given or begun."""
    names = ("authoredOn", "whenHandedOver", "effectiveDateTime")
    period = getattr(medicine, "effectivePeriod", None)
    return next(filter(None, (*(getattr(medicine, name, None) for name in names), period and period.start)))


def high_drr(results: pd.DataFrame, now: datetime) -> bool | None:
    """AST ÷ ALT of the same day above 1.73, the newest of five years; None where no two are of one day."""
    since = results[results["when"] > now - timedelta(days=1826)]
    ast, alt = (since[since["code"] == code][["when", "value"]] for code in (AST, ALT))
    pairs = pd.merge_asof(ast, alt, on="when", direction="nearest", tolerance=pd.Timedelta(days=1))
    pairs = pairs.dropna()
    return None if pairs.empty else bool(pairs["value_x"].iloc[-1] / pairs["value_y"].iloc[-1] > HIGH_RATIO)
