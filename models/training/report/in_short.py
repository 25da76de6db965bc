"""The first page's table: what a reader asks first, each with its answer."""

from models.training.report import markup as m
from models.training.report.report import Report
from models.training.report.results import slope_in_words
from models.training.report.words import written
from models.training.validation.validation import Validation


def in_short(report: Report) -> str:
    """Who was analysed, what is predicted, whether it is overfitted, where it was tried, for whom it is not."""
    validation, text = report.validation, report.model.description
    years = [m.number(at.years, 0) for at in report.model.horizons]
    rows = [
        ["Who was analysed", _analysed(report)],
        ["Who was left out", _left_out(validation)],
        ["What was not known of them", _unknown(report)],
        [
            "What is predicted",
            f"a recurrence within {', '.join(years)} years, counted from: {m.words(validation.time_zero)}",
        ],
        ["Is it overfitted?", _overfitted(report)],
        ["In whom it was tried", _tried(validation)],
        ["What it is for", m.words(text.get("intended_use", "not said in the model file"))],
        ["What it must not be used for", m.words(text.get("not_intended_use", "not said in the model file"))],
    ]
    return m.table("In short", ["Question", "Answer"], rows)


def _analysed(report: Report) -> str:
    validation, parameters = report.validation, len(report.model.predictors)
    each = written(validation.events / parameters, 1)
    return (
        f"{m.number(validation.n)} of {m.number(validation.screened)} patients; {m.number(validation.events)} had a "
        f"recurrence ({each} for each of {parameters} predictors), {m.number(validation.deaths)} died before"
    )


def _left_out(validation: Validation) -> str:
    taken = [f"{m.number(s.taken_out)}: {m.words(s.reason)}" for s in validation.flow if s.taken_out]
    return "; ".join(taken) or "nobody"


def _unknown(report: Report) -> str:
    validation = report.validation
    lacking = validation.n - sum(row.n for row in validation.patterns if "?" not in row.pattern)
    if not lacking:
        return "every predictor was known"
    of = f"one or more predictors of {lacking} patients; "
    if validation.imputations:
        return f"{of}they were imputed {m.number(validation.imputations)} times"
    return f"{of}the risk is averaged over them, as at the bedside"


def _overfitted(report: Report) -> str:
    """By measured slopes alone."""
    validation, record = report.validation, report.fit_record
    if validation.same_cohort != "fit":
        return f"calibration slope here {m.measure(validation.slope)}. {slope_in_words(validation.slope)}"
    text = ""
    if record and record.shrinkage:
        mean, factor = m.number(record.shrinkage.mean_slope), m.number(record.shrinkage.factor)
        text = f"The fit had a slope of {mean} in resamples, and was multiplied by {factor}. "
    if not validation.internal:
        return f"{text}As served it was not measured: {m.words(validation.not_internal)}."
    slope = validation.internal.slope
    if slope.value is None:
        return f"{text}As served, no slope can be given: {m.words(slope.reason)}."
    return f"{text}As served, {m.measure(slope)} after correction. {slope_in_words(slope)}"


def _tried(validation: Validation) -> str:
    if validation.same_cohort == "fit" and validation.internal:
        return (
            f"in the patients that it was fitted to, with {m.number(validation.internal.resamples)} resamples of them; "
            "in nobody else"
        )
    if validation.same_cohort:
        return "in the patients that its numbers come from; in nobody else"
    return f"in another cohort than its own: {m.words(validation.cohort)}"
