"""The corrected calibration slope beside the slope in new patients, in simulated cohorts of few patients and weak effects.

`python -m tests.statistics.nested_slopes [COHORTS [FILE]]` prints medians and quartiles (200 cohorts: about 15 minutes); a
FILE of lines keeps each cohort, and what is in it is not computed again. The old way, which this software no longer has, took the optimism of unshrunken refits off the slope of the shrunken model.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from models.training.errors import TrainingError
from models.training.fitting.shrinkage import MOST_WITHOUT_FIT
from models.training.fitting.steps import Steps, take
from models.training.statistics.arrays import Counts, Floats
from models.training.statistics.cox import fit_slopes
from models.training.statistics.resampling import SurvivalData, draw_resamples
from models.training.validation.internal import Draw, drawn, unstable

PATIENTS, NEW_PATIENTS = 130, 100_000
LOG_RATIOS = np.log([1.5, 1.3, 1.4, 1.2])  # weak
PREVALENCES = (0.25, 0.35, 0.3, 0.4)
RATE, LAST = 0.16, 5.0  # recurrences a year without any predictor; years of recruitment
OUTER, FOR_FACTOR = 100, 500


@dataclass(frozen=True)
class Compared:
    """One cohort: its factor, the two corrected slopes (nan: said to be unstable), and the slope in new patients."""

    recurrences: int
    factor: float
    corrected: float
    old: float
    new_patients: float


def people(n: int, seed: tuple[int, ...]) -> SurvivalData:
    """Patients of one population, followed until a recurrence or, evenly, until one to six years."""
    chance = np.random.default_rng(seed)
    x = (chance.random((n, len(PREVALENCES))) < PREVALENCES).astype(float)
    until = chance.exponential(1 / (RATE * np.exp(x @ LOG_RATIOS)))
    lost = 1 + LAST * chance.random(n)
    return SurvivalData(x, np.minimum(until, lost), until <= lost)


@cache
def new_people() -> SurvivalData:
    return people(NEW_PATIENTS, (0,))


def compared(number: int, outer: int = OUTER) -> Compared | None:
    """One cohort; None where no model is served: no finite fit, or a factor of 0 or less."""
    data, new = people(PATIENTS, (1, number)), new_people()
    try:
        model = take(Steps(), data, draw_resamples(PATIENTS, FOR_FACTOR, (2, number)))
    except TrainingError:
        return None
    factor, slope = model.shrinkage.factor, model.shrinkage.mean_slope
    truth = float(fit_slopes((new.x @ model.bases[0].coef)[None], new.time, new.event)[0])
    optimism = slope_differences(data, draw_resamples(PATIENTS, outer, (3, number)), drawn(number))
    few = len(optimism) < (1 - MOST_WITHOUT_FIT) * outer
    corrected = np.nan if few or unstable(optimism) else 1 / factor - float(optimism.mean())
    return Compared(int(data.event.sum()), factor, corrected, 1 / factor - (1 - slope), truth)


def slope_differences(data: SurvivalData, counts: Counts, inner: Draw) -> Floats:
    """Of `nested` the slopes alone: in the resample less in the whole cohort."""
    found = []
    for b, count in enumerate(counts):
        again = data.resample(count)
        with suppress(TrainingError):
            base = take(Steps(), again, inner(b, len(again.time))).bases[0]
            slopes = [fit_slopes((one.x @ base.coef)[None], one.time, one.event)[0] for one in (again, data)]
            found.append(slopes[0] - slopes[1])
    return np.array(found)


def described(results: list[Compared | None]) -> Iterator[str]:
    """Lines for people."""
    served = [result for result in results if result]
    stable = [result for result in served if np.isfinite(result.corrected)]
    yield (
        f"{len(results)} cohorts of {PATIENTS} patients; {len(results) - len(served)} without a model, "
        f"{len(served) - len(stable)} said to be unstable"
    )
    names = {
        "recurrences": "recurrences",
        "factor": "shrinkage factor",
        "new_patients": f"slope in {NEW_PATIENTS} new patients",
        "corrected": f"corrected slope, every step in each of {OUTER} resamples",
        "old": "corrected slope, the old way",
    }
    for among, text in ((stable, "stable"), (served, "all with a model")):
        yield f"{text}: median (quartiles)"
        for field, name in names.items():
            values = np.array([getattr(result, field) for result in among])
            if np.isfinite(values).all():
                low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
                yield f"  {name}: {middle:.2f} ({low:.2f} to {high:.2f})"
    for factor in (0.632, 0.648):
        near = min(stable, key=lambda result: abs(result.factor - factor))
        yield (
            f"the cohort with a factor nearest {factor}: {near.factor:.3f}; corrected {near.corrected:.2f}, "
            f"the old way {near.old:.2f}, in new patients {near.new_patients:.2f}"
        )


def run(cohorts: int, file: Path | None) -> list[Compared | None]:
    """So many cohorts; those that stand in the file already are read."""
    lines = file.read_text(encoding="utf-8").splitlines() if file and file.exists() else []
    results = [Compared(**row) if (row := json.loads(line)) else None for line in lines[:cohorts]]
    for k in range(len(results), cohorts):
        results.append(compared(k))
        if file:
            with file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(results[k] and asdict(results[k])) + "\n")
    return results


if __name__ == "__main__":
    cohorts, file = [*sys.argv[1:], "200"][0], [*sys.argv[2:], None][0]
    for line in described(run(int(cohorts), Path(file) if file else None)):
        print(line)
