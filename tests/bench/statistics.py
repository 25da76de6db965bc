"""What a whole bootstrap validation costs against a plain loop over lifelines, side by side in one run.

Ours: the models of the resamples, the four figures of C, and the slopes in the original data. Theirs: `CoxPHFitter` and `concordance_index` in the
resample and in the original data, for fewer resamples a round and scaled. CPU time, BLAS on one thread. lifelines is
timed with its default options; with those its iterations stop 1e-4 early, so outputs are compared with tighter ones.
"""

import os
import statistics
import time
import warnings

PEOPLE, RESAMPLES, ROUNDS, THEIR_RESAMPLES = 200, 1000, 7, 20
AGREEMENT = 1e-6
TIGHT = {"precision": 1e-10, "r_precision": 1e-14}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def cohort():
    """A cohort of four predictors with times in whole weeks, so that they tie: x, time, event."""
    import numpy as np

    rng = np.random.default_rng(5)
    x = np.column_stack([rng.random((PEOPLE, 3)) < 0.3, rng.normal(0.4, 0.7, PEOPLE)]).astype(float)
    until = rng.exponential(200 * np.exp(-x @ [0.9, 0.7, 0.6, 0.8]))
    lost = rng.uniform(20, 250, PEOPLE)
    return x, np.ceil(np.minimum(until, lost)), until <= lost


def theirs(x, moment, event, counts, options=None):
    """Coefficients (B, 4), C in the resamples and C in the original data by lifelines."""
    import numpy as np
    import pandas as pd
    from lifelines import CoxPHFitter
    from lifelines.utils import concordance_index

    names = [f"x{k}" for k in range(x.shape[1])]
    whole = pd.DataFrame(x, columns=names).assign(time=moment, event=event.astype(int))
    found = []
    for often in counts:
        frame = whole.loc[np.repeat(np.arange(len(x)), often)].reset_index(drop=True)
        fitter = CoxPHFitter().fit(frame, "time", "event", fit_options=options)
        inside, outside = (
            concordance_index(f["time"], -fitter.predict_log_partial_hazard(f[names]), f["event"])
            for f in (frame, whole)
        )
        found.append([*fitter.params_, inside, outside])
    return np.array(found)


def ours(x, moment, event, counts):
    """The same numbers."""
    import numpy as np

    from models.training.statistics.cox import fit_many
    from models.training.statistics.discrimination import Pairs

    coefficients = fit_many(x, moment, event, counts)
    pairs, scores = Pairs(moment, event), coefficients @ x.T
    return np.column_stack([coefficients, pairs.concordance(scores, counts), pairs.concordance(scores)])


def validation(x, moment, event):
    """What `imnm-cds train` does with its resamples."""
    from models.training.statistics.resampling import SurvivalData, four_figures, refit, slopes_on_original

    data = SurvivalData(x, moment, event)
    refits = refit(data, RESAMPLES, 1)
    return four_figures(data, x @ refits.coef.mean(axis=0), refits), slopes_on_original(data, refits)


def seconds(call, *arguments):
    """CPU time of one call."""
    begun = time.process_time()
    call(*arguments)
    return time.process_time() - begun


def measure() -> tuple[float, float, float]:
    """CPU seconds of a validation with all resamples, theirs and ours, and the largest difference of their outputs."""
    import numpy as np

    from models.training.statistics.resampling import draw_resamples

    x, moment, event = cohort()
    counts = draw_resamples(PEOPLE, RESAMPLES, 1)
    first = counts[:THEIR_RESAMPLES]
    expected = theirs(x, moment, event, first, TIGHT)
    apart = float(np.abs(ours(x, moment, event, first) - expected).max())
    assert apart < AGREEMENT, f"outputs differ by {apart:.1e}"
    their_time, our_time = [], []
    for k in range(ROUNDS):
        few = counts[k * THEIR_RESAMPLES : (k + 1) * THEIR_RESAMPLES]
        their_time.append(seconds(theirs, x, moment, event, few) * RESAMPLES / THEIR_RESAMPLES)
        our_time.append(seconds(validation, x, moment, event))
    return statistics.median(their_time), statistics.median(our_time), apart


def lines():
    """Markdown: one line."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lifelines, own, apart = measure()
    yield (
        f"- Bootstrap validation of {PEOPLE} × 4, B = {RESAMPLES}: lifelines {lifelines:.1f} s CPU (fit, two C), "
        f"ours {own:.2f} s (fit, two C, slope), ratio {lifelines / own:.0f}; outputs equal to {apart:.0e}."
    )


if __name__ == "__main__":
    print(*lines(), sep="\n")
