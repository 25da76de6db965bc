"""Writes a fitted model as a folder that the service serves: model.json, golden.json, policy.toml, MODEL_CARD.md.

The folder is made beside its place, verified as at start-up, and moved there in one step: it is whole or it is not.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

from models.artefact import Model
from models.policy import load_policy
from models.registry import GOLDEN_SCHEMA, default_folder, load_model, model_of
from models.risk import estimate, extremes
from models.training.errors import TrainingError
from models.training.fitting.artefact_document import document_of
from models.training.fitting.fit_record import Labels
from models.training.fitting.model_card import model_card
from models.training.fitting.train import Trained
from models.training.fitting.updating.update import Updated
from models.training.statistics.arrays import patterns

_READABLE = 0o755  # the service may run as another user


def require_free(folder: Path) -> None:
    """Refuse a folder that holds something, or has no parent to stand in. Raises TrainingError."""
    if not folder.parent.is_dir():
        raise TrainingError(f"{folder}: there is no folder {folder.parent} to write it in; make it first")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise TrainingError(f"{folder} is not a folder; name one that is not there yet")
    if folder.is_dir() and any(folder.iterdir()):
        raise TrainingError(f"{folder} is not empty; name a folder that is not there yet")


def write_model(
    folder: Path,
    result: Trained | Updated,
    labels: Labels,
    policy: Path | None = None,
    add: Callable[[Path], None] | None = None,
) -> Model:
    """Write the folder and return the model as it will be served.

    `policy` is copied, the shipped one by default. `add` is given the folder before it gets its name, to add to it. Raises
    TrainingError or ModelError, and leaves nothing behind.
    """
    require_free(folder)
    policy = policy or default_folder() / "policy.toml"
    load_policy(policy)  # refused before anything is written
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise TrainingError(f"{folder} cannot be written: {error.strerror}") from None
    try:
        _fill(scratch, document_of(result, labels), policy)
        model = load_model(scratch)
        if add:
            add(scratch)
        scratch.chmod(_READABLE)
        if folder.exists():
            folder.rmdir()
        scratch.rename(folder)
    except OSError as error:
        raise TrainingError(f"{folder} cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return model


def _fill(folder: Path, document: Mapping[str, Any], policy: Path) -> None:
    shutil.copyfile(policy, folder / "policy.toml")
    model = model_of(document, load_policy(folder / "policy.toml"))
    # The served answers keep a later change of the arithmetic, or of the machine, from changing risks unnoticed
    source = "the served arithmetic when this folder was written"
    golden: dict[str, Any] = {"schema": GOLDEN_SCHEMA, "source": source, "pairs": _pairs(model)}
    days = [landmark.days for landmark in model.landmarks]
    if days:
        golden["landmarks"] = {str(at): _pairs(model.from_landmark(at)) for at in days}
    texts = {
        "model.json": json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False),
        "golden.json": json.dumps(golden, indent=1),
        "MODEL_CARD.md": model_card(document, model).rstrip("\n"),
    }
    for name, text in texts.items():
        (folder / name).write_text(f"{text}\n", encoding="utf-8")


def _pairs(model: Model) -> list[dict[str, Any]]:
    """The served answers of every known pattern, and of some with one or two unknown predictors."""
    pairs, p = [], len(model.names)
    # One unknown among all absent or all present ones, and any two
    unknown = [cell[:i] + "?" + cell[i + 1 :] for cell in ("0" * p, "1" * p) for i in range(p)]
    unknown += [
        "".join("?" if i in two else "01"[i % 2] for i in range(p)) for two in combinations(range(p), 2)
    ]
    for pattern in (*patterns(p), *unknown):
        pair: dict[str, Any] = {"pattern": pattern}
        pair["risk"] = {horizon: asdict(estimate(model, pattern, horizon)) for horizon in model.horizons}
        if "?" in pattern:
            ends = {horizon: asdict(extremes(model, pattern, horizon)) for horizon in model.horizons}
            pair["range_over_unknowns"] = ends
        pairs.append(pair)
    return pairs
