"""What became of patients of whom not every predictor was known when the model was fitted, and what that changes."""

from collections.abc import Sequence
from math import inf

from models.training.fitting.missing import Estimates, Missingness
from models.training.report import markup as m
from models.training.report.report import Report, ReportedPredictor, ReportedRatio
from models.training.statistics.limits import hazard_ratio

_HOW = (
    (
        "The outcome is among the regressors, as event and as Nelson-Aalen cumulative hazard at the end of follow-up "
        "(White and Royston 2009)."
    ),
    (
        "Results are pooled by Rubin’s rules, the baseline as the mean of log cumulative hazards; patterns of predictors are "
        "mean counts. Degrees of freedom by Barnard and Rubin."
    ),
    "It is assumed that what is unknown depends on nothing but what is known. The data cannot show whether that is so.",
)


def imputed(report: Report) -> str:
    """The section; nothing where every predictor was known, or the model was not fitted by `train`."""
    missing = report.fit_record.missingness if report.fit_record else None
    if not missing:
        return ""
    rows = []
    for name, patients, recurrences in (
        ("All predictors known", missing.complete, missing.complete_recurrences),
        ("Some unknown", missing.others, missing.others_recurrences),
    ):
        share = recurrences / patients if patients else None
        rows.append([name, m.number(patients), m.number(recurrences), m.number(share, 0, percent=True)])
    estimates = how = ""
    if missing.imputations:
        estimates = _estimates(missing, report.model.predictors)
        further = m.words(", ".join(missing.auxiliaries)) or "none"
        chained = (
            f"Chained equations, {m.number(missing.imputations)} completed sets: binary predictors by logistic regression, "
            f"measured values by linear regression of their logarithm; further columns: {further}."
        )
        how = f'<div class="note">{m.listed([chained, *_HOW])}</div>'
    return m.section(
        "imputed",
        "Unknown predictors in the fit",
        f"<p>{m.words(missing.sentence[0].upper() + missing.sentence[1:])}.</p>",
        m.table("Complete cases and the others", ["Patients", "Number", "Recurrences", "Share, %"], rows),
        estimates,
        how,
    )


def _estimates(missing: Missingness, predictors: Sequence[ReportedPredictor]) -> str:
    rows = [
        [
            m.words(predictor.label),
            m.measure(_ratio(missing.served, k, degrees)),
            m.measure(_ratio(missing.alone, k)),
            m.number(information, 0, percent=True),
            m.number(degrees, 0),
        ]
        for k, (predictor, information, degrees) in enumerate(
            zip(predictors, missing.missing_information, missing.degrees, strict=True)
        )
    ]
    alone = missing.alone.baseline_risk if missing.alone else None
    rows.append(
        [
            "2-year risk with no predictor present, %",
            m.number(missing.served.baseline_risk, 1, percent=True),
            m.number(alone, 1, percent=True),
            "",
            "",
        ]
    )
    heads = [
        "Hazard ratio",
        "Imputed",
        "Complete cases alone",
        "Missing information, %",
        "Degrees of freedom",
    ]
    return m.table(
        "What the fit gives by both ways (95 % limits)",
        heads,
        rows,
        note="Hazard ratios before shrinkage; limits of the imputed by t, of complete cases by Wald. The risk is as served, of complete cases by the same steps.",
    )


def _ratio(estimates: Estimates | None, k: int, degrees: float = inf) -> ReportedRatio:
    if not estimates:
        return ReportedRatio(None, None, None, "too few complete cases")
    ratio, low, high = hazard_ratio(estimates.log_hazard_ratios[k], estimates.standard_errors[k], degrees)
    return ReportedRatio(ratio, low, high, "")
