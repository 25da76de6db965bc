"""A model with landmarks for tests (S11): the shipped one, its baseline halved from each landmark to the next."""

import json
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

from models.policy import load_policy
from models.registry import LANDMARKS, SCHEMA_WITH_TIME_ZERO, Model, checksum, default_folder, model_of


def document(anchor: str = "onset", offset: int = 180, days: tuple[int, ...] = LANDMARKS) -> dict[str, Any]:
    """`model.json` of such a model, with its checksum; the baselines are invented."""
    made = json.loads((default_folder() / "model.json").read_text(encoding="utf-8"))
    made |= {"schema": SCHEMA_WITH_TIME_ZERO, "time_zero": {"anchor": anchor, "offset": offset}}
    made["landmarks"] = [_landmark(made, at) for at in days]
    invented = {"mark": "assumed", "source": "invented for a test"}
    made["provenance"] |= {"time_zero": invented, "landmarks": invented}
    return made | {"sha256": checksum(made)}


def _landmark(made: dict[str, Any], days: int) -> dict[str, Any]:
    share = 0.5 ** (LANDMARKS.index(days) + 1)
    hazard = {h: share * value for h, value in made["baseline_cumulative_hazard"].items()}
    covariance = deepcopy(made["covariance"])
    for at in range(len(made["log_hazard_ratios"]), len(covariance)):
        covariance[at][at] += 0.01 / share
    return {"days": days, "baseline_cumulative_hazard": hazard, "covariance": covariance}


@cache
def _model(anchor: str, offset: int) -> Model:
    return model_of(document(anchor, offset), load_policy(default_folder() / "policy.toml"))


def with_landmarks(model: Model, anchor: str = "onset", offset: int = 180) -> Model:
    """Another policy's shipped model, or that itself, with these landmarks."""
    made = _model(anchor, offset)
    return replace(model, time_zero=made.time_zero, landmarks=made.landmarks)
