"""The record of a fit in a model.json that was changed by hand and signed again: read rightly, or one sentence."""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from models.registry import checksum, default_folder, load_model
from models.training.errors import TrainingError
from models.training.fitting.train import Options
from models.training.fitting.updating.update import update
from models.training.fitting.write_model import write_model
from models.training.validation.recorded import fit_record_of
from models.training.validation.supplement.against import rival

from .trained import GAPS, LABELS, TIME_ZERO, cohort, command, fitted

GONE = object()
FITTED = [
    ("kind", "x", "fit.kind: Invalid enum value"),
    ("kind", "", "fit.kind: Invalid enum value"),
    ("synthetic", "no", "fit.synthetic: Expected `bool`"),
    ("synthetic", GONE, "required field `synthetic`"),
    ("cohort_sha256", GONE, "required field `cohort_sha256`"),
    ("patients_sha256", "", "fit.patients_sha256: Expected `str` matching"),
    ("patients", -1, "fit.patients: Expected `int` >= 0"),
    ("person_years", "long", "fit.person_years: Expected `float`"),
    ("ridge", "much", "fit.ridge: Expected `float`"),
    ("ridge", -1.0, "fit.ridge: Expected `float` >= 0"),
    ("firth", 1, "fit.firth: Expected `bool`"),
    ("baseline_ties", "exact", "fit.baseline_ties: Invalid enum value"),
    ("seed", 10**30, "fit.seed"),
    ("seed", GONE, "fit.seed is missing"),
    ("shrinkage", GONE, "fit.shrinkage is missing"),
    ("shrinkage", [1], "fit.shrinkage: Expected `object | null`"),
    ("competing_death", [], "fit.competing_death: Expected `object | null`"),
    ("competing_death.absolute.0000", [0.1], "fit.competing_death.absolute has not one number for each"),
    ("competing_death.absolute.0000", GONE, "fit.competing_death.absolute has not one number for each"),
    ("competing_death.absolute", {}, "fit.competing_death.absolute has not one number for each"),
    ("proportionality.p", [0.5], "fit.proportionality has not one number for each predictor"),
    ("missingness.imputations", 10**9, "fit.missingness.imputations: Expected `int` <= 1000"),
    ("missingness.others", 0, "fit.missingness.others: Expected `int` >= 1"),
    ("missingness.degrees", [9.0], "fit.missingness has not one number for each predictor"),
    ("missingness.alone.standard_errors", [], "fit.missingness has not one number for each predictor"),
    ("missingness.served.log_hazard_ratios", [1e308] * 4, "log_hazard_ratios[0]: Expected `float` <= 100"),
    ("forms", [{}], "fit.forms[0]: Object missing required field `predictor`"),
    ("libraries", None, "fit.libraries: Expected `object`"),
]  # fmt: skip
UPDATED = [
    ("recalibration", GONE, "fit.recalibration is missing"),
    ("recalibration.ratio", GONE, "fit.recalibration: Object missing required field `ratio`"),
    ("recalibration.ratio_limits", [1.0], "fit.recalibration.ratio_limits: Expected `array` of length 2"),
    ("recalibration.slope_limits", 1.0, "fit.recalibration.slope_limits: Expected `array | null`"),
    ("recalibration.tests", [{}], "fit.recalibration.tests[0]: Object missing required field"),
    ("recalibration.step", "all", "fit.recalibration.step: Invalid enum value"),
]


def bent(document: dict, path: str, value: object) -> dict:
    """The document with one part of its record changed, and a checksum that fits."""
    changed = deepcopy(document)
    *above, last = path.split(".")
    part = changed["fit"]
    for key in above:
        part = part[key]
    part[last] = value
    if value is GONE:
        del part[last]
    changed["sha256"] = checksum(changed)
    return changed


@cache
def documents() -> dict[str, dict]:
    """The model.json of a fit with imputed predictors, deaths and measured values, and of an update."""
    made = {
        "fitted": fitted(GAPS, imputations=2),
        "updated": update(cohort(), load_model(default_folder()), Options(bootstrap=40)),
    }
    with TemporaryDirectory() as folder:
        for name, model in made.items():
            write_model(Path(folder) / name, model, LABELS)
        return {
            name: json.loads((Path(folder) / name / "model.json").read_text(encoding="utf-8"))
            for name in made
        }


def written(folder: Path, document: dict) -> Path:
    """A folder with nothing but this model.json."""
    (folder / "model.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "path", "value", "message"),
    [*(("fitted", *row) for row in FITTED), *(("updated", *row) for row in UPDATED)],
)
def test_a_part_of_the_record_that_is_not_as_written_is_named_in_one_sentence(
    name, path, value, message, tmp_path
):
    folder = written(tmp_path, bent(documents()[name], path, value))
    with pytest.raises(TrainingError) as refused:
        fit_record_of(folder)
    said = str(refused.value)
    assert said.startswith("the record of the model's fit cannot be read: ")
    assert message in said
    assert said.endswith("(model.json); restore the folder, or write it again with `imnm-cds train`")


@pytest.mark.parametrize("change", [{"at": [1.0]}, {"levels": []}, {"at": []}], ids=str)
def test_a_curve_without_a_point_for_each_place_is_not_drawn(change, tmp_path):
    document = documents()["fitted"]
    forms = [form | ({} if form["reason"] else change) for form in document["fit"]["forms"]]
    with pytest.raises(TrainingError, match=r"fit\.forms has not one number for each"):
        fit_record_of(written(tmp_path, bent(document, "forms", forms)))


@pytest.mark.parametrize("record", [[], None, "fit", [1]], ids=str)
def test_a_record_that_is_no_object_is_not_taken_for_none(record, tmp_path):
    with pytest.raises(TrainingError, match=r"fit: Expected `object`"):
        fit_record_of(written(tmp_path, documents()["fitted"] | {"fit": record}))


@pytest.mark.parametrize("name", ["fitted", "updated"])
def test_a_record_as_it_was_written_is_read_whole(name, tmp_path):
    document = documents()[name]
    assert fit_record_of(written(tmp_path, document)) == document["fit"]


def test_a_model_that_was_not_fitted_here_has_no_record():
    assert fit_record_of(default_folder()) == {}


def test_the_command_says_it_before_it_reads_a_cohort_of_the_model_and_of_its_rival(tmp_path):
    folder = tmp_path / "model"
    write_model(folder, fitted(GAPS, imputations=2), LABELS)
    written(folder, bent(documents()["fitted"], "ridge", "much"))
    for models in ([folder], [default_folder(), "--against", folder]):
        ended = command(
            "validate",
            models[0],
            "nowhere.csv",
            *models[1:],
            "--out",
            tmp_path / "r",
            "--time-zero",
            TIME_ZERO,
        )
        assert (ended.status, ended.error.count("\n")) == (2, 1)
        assert "fit.ridge: Expected `float`, got `str`" in ended.error
    with pytest.raises(TrainingError, match=r"fit\.ridge"):
        rival(folder)
