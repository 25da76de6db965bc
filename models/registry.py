"""Finds a model folder and verifies it before the first request: checksum, numbers, provenance, golden pairs."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import chain, pairwise
from math import fsum, isfinite
from pathlib import Path
from typing import Any, get_args

from models.artefact import (
    DESCRIBED,
    Factor,
    LandmarkBaseline,
    Mark,
    Model,
    ModelError,
    Policy,
    PredictorSpec,
    Provenance,
    PublishedFactors,
    TimeZero,
)
from models.inputs import Anchor, Horizon
from models.policy import load_policy
from models.risk import DECISION_HORIZON, estimate, extremes

__all__ = ["Model", "ModelError", "checksum", "default_folder", "load_factors", "load_model", "model_of"]

SCHEMA = "imnm-cds-model/1"
SCHEMA_WITH_TIME_ZERO = "imnm-cds-model/2"
"""Of a model with landmarks: who does not know them would serve another risk than was validated (docs/adr/0022)."""
LANDMARKS = (365, 730, 1095)
"""Days after time zero from which a model may have further baselines (S11)."""
LATEST_OFFSET = 3653  # days: ten years after the anchor hardly anybody is left to follow
PLAUSIBLE = (0.05, 0.95)
"""The probabilities between which the plausible range lies (S2): what cards and pages say of it holds for no other."""
GOLDEN_SCHEMA = "imnm-cds-golden/1"
FACTORS_SCHEMA = "imnm-cds-factors/1"

_EVIDENCE = {"literature-reconstructed", "local-fit", "synthetic"}
_JOINT_TOLERANCE = 1e-9
_GOLDEN_TOLERANCE = 1e-9
_SAME_TOLERANCE = 1e-12  # of a covariance that was computed twice
_REMEDY = "restore the folder from its release, or write it again with `imnm-cds train`"


def default_folder() -> Path:
    """The folder of the model that is served unless the configuration names another."""
    return Path(__file__).parent / "imnm_recurrence"


def load_model(folder: Path) -> Model:
    """Read a model folder and verify it. Raises ModelError, one sentence that says what is wrong and what to do."""
    if not folder.is_dir():
        raise ModelError(f"{folder}: there is no such folder; name that of a model")
    document, golden = _read(folder / "model.json"), _read(folder / "golden.json")
    policy = load_policy(folder / "policy.toml")
    try:
        schema = SCHEMA_WITH_TIME_ZERO if "time_zero" in document else SCHEMA
        _require(document["schema"] == schema, f"the schema of model.json must be {schema!r}")
        _require(
            document["sha256"] == checksum(document), "the checksum of model.json does not match its content"
        )
        model = model_of(document, policy)
        _verify_words(model)
        _verify_shape(model)
        _verify_numbers(document, model)
        _verify_time_zero(model)
        _verify_landmarks(model)
        _require(golden["schema"] == GOLDEN_SCHEMA, f"golden.json must have the schema {GOLDEN_SCHEMA!r}")
        _verify_pairs(golden["pairs"], model)
        for later in model.landmarks:
            _verify_pairs(golden["landmarks"][str(later.days)], model.from_landmark(later.days))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        lacks = " is missing in model.json or golden.json" if isinstance(error, KeyError) else ""
        raise ModelError(f"{folder} cannot be served: {error}{lacks}; {_REMEDY}") from error
    return model


def checksum(document: Mapping[str, Any]) -> str:
    """SHA-256 of a model's canonical JSON: UTF-8, sorted keys, no spaces, without the field `sha256` itself."""
    content = {key: value for key, value in document.items() if key != "sha256"}
    canonical = json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return sha256(canonical.encode()).hexdigest()


def load_factors(path: Path | None = None) -> PublishedFactors:
    """The published factors of refractory anti-SRP disease (Z1). Raises ModelError."""
    path = path or Path(__file__).parent / "srp_refractory" / "factors.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        _require(document["schema"] == FACTORS_SCHEMA, f"the schema must be {FACTORS_SCHEMA!r}")
        return PublishedFactors(
            source=document["source"],
            patients=document["patients"]["value"],
            refractory_percent=document["refractory"]["value"],
            warning=document["warning"],
            factors={name: _factor(row) for name, row in document["factors"].items()},
            unread={name: _factor(row) for name, row in document["unread"].items()},
        )
    except (AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError) as error:
        raise ModelError(f"{path} cannot be used ({error}); restore it from the release") from error


def _factor(row: Mapping[str, Any]) -> Factor:
    return Factor(row["label"], row.get("odds_ratio"), row["source"])


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_each_once)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); {_REMEDY}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not JSON ({error}); {_REMEDY}") from error
    if not isinstance(document, dict):
        raise ModelError(f"{path} is not a JSON object; {_REMEDY}")
    return document


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys stand once: of two values readers take now the first, now the last."""
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice")
    return document


def model_of(document: Mapping[str, Any], policy: Policy) -> Model:
    """The model that a document of the schema describes, not yet verified; fields that are not served are ignored.

    Raises LookupError or TypeError where something is missing.
    """
    card = document["card"]
    return Model(
        id=document["id"],
        version=document["version"],
        rules=document["rules"],
        evidence=document["evidence"],
        sha256=document["sha256"],
        limits=card["limits"],
        range_note=card["range"],
        time_zero_note=card["time_zero"],
        description=document["description"],
        predictors=tuple(PredictorSpec(**row) for row in document["predictors"]),
        log_hazard_ratios=tuple(document["log_hazard_ratios"]),
        baseline_hazard=_hazard(document),
        covariance=_covariance(document),
        joint=dict(sorted(document["joint"].items())),
        interval=(document["interval"][0], document["interval"][1]),
        provenance={name: Provenance(**row) for name, row in document["provenance"].items()},
        policy=policy,
        srp_factors=load_factors(),
        time_zero=TimeZero(**document["time_zero"]) if "time_zero" in document else None,
        landmarks=tuple(
            LandmarkBaseline(row["days"], _hazard(row), _covariance(row))
            for row in document.get("landmarks", ())
        ),
    )


def _hazard(numbers: Mapping[str, Any]) -> dict[Horizon, float]:
    return {Horizon(text): hazard for text, hazard in numbers["baseline_cumulative_hazard"].items()}


def _covariance(numbers: Mapping[str, Any]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in numbers["covariance"])


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise ValueError(sentence)


def _says(text: object) -> bool:
    """Whether it is a text with a letter or a digit in it: anything less says nothing to a reader."""
    return isinstance(text, str) and any(map(str.isalnum, text))


def _verify_words(model: Model) -> None:
    """What a card, a page and an audit print of a model says something; raises ValueError."""
    card = {"limits": model.limits, "range": model.range_note, "time_zero": model.time_zero_note}
    words: dict[str, object] = {"id": model.id, "version": model.version, "rules": model.rules}
    words |= {f"card.{name}": text for name, text in card.items()}
    words |= {f"description.{name}": None for name in DESCRIBED}
    words |= {f"description.{name}": text for name, text in model.description.items()}
    words |= {f"the label of {spec.name}": spec.label for spec in model.predictors}
    words |= {f"the threshold of {spec.name}": spec.threshold for spec in model.predictors}
    silent = sorted(name for name, text in words.items() if not _says(text))
    _require(not silent, f"words are needed for {', '.join(silent)}")


def _verify_shape(model: Model) -> None:
    """Every predictor and every horizon has its numbers; raises ValueError."""
    count, size = len(model.predictors), len(model.predictors) + len(model.horizons)
    units = [spec.unit for spec in model.predictors]
    _require(all(isinstance(unit, str) for unit in units), "the unit of a predictor must be a text")
    patterns = {format(cell, f"0{count}b") for cell in range(2**count)}
    _require(model.evidence in _EVIDENCE, f"evidence must be one of {', '.join(sorted(_EVIDENCE))}")
    _require(len(model.log_hazard_ratios) == count, "each predictor needs one log hazard ratio")
    _require(DECISION_HORIZON in model.horizons, f"a baseline hazard at {DECISION_HORIZON} is needed")
    in_order = sorted(model.horizons, key=lambda horizon: horizon.years)
    _require(list(model.horizons) == in_order, "the horizons must stand in order, the earliest first")
    rows = [len(row) for row in model.covariance]
    _require(rows == [size] * size, f"the covariance must have {size} rows and columns")
    _require(set(model.joint) == patterns, f"the joint table must hold the {len(patterns)} known patterns")
    tests = set(model.policy.tests)
    _require(tests == set(model.names), "policy.toml must have one next best test for each predictor")


def _verify_numbers(document: Mapping[str, Any], model: Model) -> None:
    """Every number lies in its range and has its provenance; raises ValueError."""
    hazards, weights = model.baseline_hazard.values(), model.joint.values()
    _require(_rises([0.0, *hazards]), "the cumulative baseline hazard must rise from above 0")
    ends = " to ".join(map(str, PLAUSIBLE))
    _require(tuple(document["interval"]) == PLAUSIBLE, f"the interval must be from {ends}")
    _require(_positive_definite(model.covariance), "the covariance must be symmetric and positive definite")
    _require(min(weights) > 0, "the joint table must be positive")
    _require(abs(fsum(weights) - 1) <= _JOINT_TOLERANCE, "the joint table must sum to 1")
    groups = {name for name, value in document.items() if _has_number(value)} | {"predictors"}
    sources = model.provenance
    unsourced = {name for name, p in sources.items() if p.mark not in get_args(Mark) or not _says(p.source)}
    lacking = sorted(unsourced | (groups - set(sources)))
    _require(not lacking, f"a provenance with mark and source is needed for {', '.join(lacking)}")


def _verify_time_zero(model: Model) -> None:
    """Time zero can be read from a record, where there are later baselines; raises ValueError."""
    zero = model.time_zero
    if zero is None:
        _require(not model.landmarks, "landmarks need a time_zero")
        return
    anchors = get_args(Anchor)
    _require(zero.anchor in anchors, f"the anchor of time_zero must be one of {', '.join(anchors)}")
    whole = isinstance(zero.offset, int) and not isinstance(zero.offset, bool)
    in_range = whole and 0 <= zero.offset <= LATEST_OFFSET
    _require(in_range, f"the offset of time_zero must be 0 to {LATEST_OFFSET} whole days")


def _verify_landmarks(model: Model) -> None:
    """Every later baseline belongs to the same fit; raises ValueError."""
    days = [later.days for later in model.landmarks]
    may_be = ", ".join(map(str, LANDMARKS))
    in_order = days == [at for at in LANDMARKS if at in days]
    _require(in_order, f"landmarks must be some of {may_be} days, in order")
    count, size = len(model.predictors), len(model.covariance)
    of_ratios = [row[:count] for row in model.covariance[:count]]
    for later in model.landmarks:
        at = f"of landmark {later.days}"
        horizons, hazards = tuple(later.baseline_hazard), later.baseline_hazard.values()
        _require(horizons == model.horizons, f"the horizons {at} must be those of the model")
        _require(_rises([0.0, *hazards]), f"the cumulative baseline hazard {at} must rise from above 0")
        rows = [len(row) for row in later.covariance]
        _require(rows == [size] * size, f"the covariance {at} has another size")
        _require(_positive_definite(later.covariance), f"the covariance {at} must be positive definite")
        pairs = zip(chain(*of_ratios), chain(*(row[:count] for row in later.covariance[:count])), strict=True)
        same = all(abs(a - b) <= _SAME_TOLERANCE for a, b in pairs)
        _require(same, f"the covariance {at} must have the log hazard ratios' of the model")


def _has_number(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_number(child) for child in value.values())
    if isinstance(value, list):
        return any(_has_number(child) for child in value)
    return isinstance(value, int | float)


def _rises(values: Sequence[float]) -> bool:
    return all(isfinite(b) and a < b for a, b in pairwise(values))


def _positive_definite(matrix: Sequence[Sequence[float]]) -> bool:
    """Symmetric, and Cholesky's factorisation meets only positive pivots."""
    factor: list[list[float]] = []
    for i, row in enumerate(matrix):
        factor.append([])
        for j in range(i + 1):
            if row[j] != matrix[j][i]:
                return False
            rest = row[j] - fsum(factor[i][k] * factor[j][k] for k in range(j))
            if i == j and not rest > 0:
                return False
            factor[i].append(rest**0.5 if i == j else rest / factor[j][j])
    return True


def _verify_pairs(pairs: Sequence[Mapping[str, Any]], model: Model) -> None:
    """The served arithmetic gives the stored answers of every known pattern; raises ValueError."""
    patterns = {pair["pattern"] for pair in pairs}
    _require(patterns >= set(model.joint), "golden.json must hold every known pattern")
    for pair in pairs:
        pattern, over = pair["pattern"], pair.get("range_over_unknowns", {})
        for horizon in model.horizons:
            got, want = estimate(model, pattern, horizon), pair["risk"][horizon]
            numbers = [(got.estimate, want["estimate"]), (got.low, want["low"]), (got.high, want["high"])]
            if over:
                ends, wanted = extremes(model, pattern, horizon), over[horizon]
                numbers += [(ends.lowest, wanted["lowest"]), (ends.highest, wanted["highest"])]
            met = all(abs(served - stored) <= _GOLDEN_TOLERANCE for served, stored in numbers)
            _require(met, f"the golden pair {pattern} at {horizon} is not met")
