"""The first page's table: what a reader asks first, each with its answer."""

from models.risk import DECISION_HORIZON
from models.training.report import markup as m
from models.training.report.report import Report
from models.training.report.results import slope_in_words, years
from models.training.report.words import written
from models.training.validation.validation import Measure, Validation

_BY_CONSTRUCTION = frozenset({"fit", "baseline update", "recalibration"})
"""What gives the baseline from the patients of this report."""


def in_short(report: Report) -> str:
    """Who was analysed, what is predicted, how right it is, where it was tried, for whom it is not."""
    validation, text = report.validation, report.model.description
    parameters = len(report.model.predictors)
    analysed = (
        f"{m.number(validation.n)} of {m.number(validation.screened)} patients; {m.number(validation.events)} had a "
        f"recurrence ({written(validation.events / parameters, 1)} for each of {parameters} predictors), "
        f"{m.number(validation.deaths)} died before"
    )
    left_out = [f"{m.number(s.taken_out)}: {m.words(s.reason)}" for s in validation.flow if s.taken_out]
    horizons = [m.number(at.years, 0) for at in report.model.horizons]
    zero = m.words(validation.time_zero)
    death = "nobody died before a recurrence"
    if validation.deaths:
        death = (
            f"{m.number(validation.deaths)} died before a recurrence; they count as followed until then (censored). Risks on "
            "this page are those if nobody died; death is counted only where it says competing."
        )
    limits = (
        "On this page: 95 % limits of figures of all patients. The range on a card is something else, the plausible "
        f"range of one patient’s risk. {m.words(report.model.range_note)}"
    )
    not_for = m.words(text.get("not_intended_use", "not said in the model file"))
    if report.model.evidence == "synthetic":
        not_for = f"Any real patient: it rests on made-up data. {not_for}"
    rows = [
        ["Who was analysed", analysed],
        ["Who was left out", "; ".join(left_out) or "nobody"],
        ["What was not known of them", _unknown(validation)],
        ["What is predicted", f"a recurrence within {', '.join(horizons)} years, counted from: {zero}"],
        ["From when a card counts", m.words(text.get("time_zero", "not said in the model file"))],
        ["What death does", death],
        ["Is it overfitted?", _overfitted(report)],
        ["Is the level of risk right?", _level(validation)],
        ["What the limits are", limits],
        ["In whom it was tried", _tried(validation)],
        ["What it is for", m.words(text.get("intended_use", "not said in the model file"))],
        ["What it must not be used for", not_for],
    ]
    return m.table("In short", ["Question", "Answer"], rows)


def _unknown(validation: Validation) -> str:
    lacking = validation.n - sum(row.n for row in validation.patterns if "?" not in row.pattern)
    if not lacking:
        return "every predictor was known"
    what = f"one or more predictors of {lacking} patients"
    if validation.imputations:
        return f"{what}; they were imputed {m.number(validation.imputations)} times"
    return f"{what}; the risk is averaged over them, as at the bedside"


def _overfitted(report: Report) -> str:
    """By measured slopes alone."""
    validation, record = report.validation, report.fit_record
    if validation.same_cohort != "fit":
        return f"Calibration slope here {m.measure(validation.slope)}. {slope_in_words(validation.slope)}"
    text = ""
    if record and record.shrinkage:
        mean, factor = m.number(record.shrinkage.mean_slope), m.number(record.shrinkage.factor)
        text = (
            f"As fitted, its calibration slope was {mean} in resamples (1: not overfitted; below 1: overfitted), so each "
            f"log hazard ratio was multiplied by {factor}. "
        )
    if not validation.internal:
        return f"{text}As served it was not measured: {m.words(validation.not_internal)}."
    slope = validation.internal.slope
    if slope.value is None:
        return f"{text}As served, no slope can be given: {m.words(slope.reason)}."
    return (
        f"{text}As served, the slope is {m.measure(slope)}, corrected for optimism. {slope_in_words(slope)}"
    )


def _level(validation: Validation) -> str:
    """By observed over expected at the horizon of the bands."""
    at = next(at for at in validation.horizons if at.horizon == DECISION_HORIZON)
    ratio = at.observed_over_expected
    if ratio.value is None:
        return f"That cannot be said: {m.words(ratio.reason)}."
    observed, expected = (m.number(risk, 0, percent=True) for risk in (at.observed.value, at.expected))
    text = (
        f"Within {years(at.years)} {observed} % had a recurrence, {expected} % were expected: {m.measure(ratio)}. "
        f"{level_in_words(ratio)}"
    )
    if validation.same_cohort in _BY_CONSTRUCTION:
        text += " In these patients it is near 1 by construction: only others can tell."
    return text


def level_in_words(ratio: Measure) -> str:
    """What observed over expected says of the risks: only what its limits bear out."""
    if ratio.low is None or ratio.high is None:
        return "Below 1, risks are too high on average; above 1, too low."
    if ratio.high < 1:
        return "It is below 1: the risks are too high on average."
    if ratio.low > 1:
        return "It is above 1: the risks are too low on average."
    return "Its 95 % limits hold 1: these data show neither too high nor too low risks on average."


def _tried(validation: Validation) -> str:
    made_up = "synthetic " if validation.synthetic else ""
    if validation.same_cohort == "fit" and validation.internal:
        return (
            f"in the {made_up}patients that it was fitted to, with {m.number(validation.internal.resamples)} resamples of them; "
            "in nobody else"
        )
    if validation.same_cohort:
        return f"in the {made_up}patients that its numbers come from; in nobody else"
    if validation.synthetic:
        return f"in synthetic patients, who are made up: {m.words(validation.cohort)}; in nobody real on this page"
    return f"in another cohort than its own: {m.words(validation.cohort)}"
