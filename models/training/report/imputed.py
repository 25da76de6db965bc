"""What became of patients of whom not every predictor was known when the model was fitted, and what that changes."""

from collections.abc import Sequence
from math import inf

from models.training.fitting.missing import Estimates, Missingness
from models.training.report import markup as m
from models.training.report.report import Report, ReportedMissing, ReportedPredictor, ReportedRatio
from models.training.statistics.limits import hazard_ratio
from models.training.validation.recorded import FitRecord

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


def reported_missing(record: FitRecord | None) -> ReportedMissing | None:
    """What a report computes of the unknown predictors of a fit; None where every predictor was known."""
    missing = record.missingness if record else None
    if not missing:
        return None
    degrees = missing.degrees if missing.imputations else ()
    return ReportedMissing(
        missing.complete_recurrences / missing.complete if missing.complete else None,
        missing.others_recurrences / missing.others,
        tuple(_ratio(missing.served, k, of) for k, of in enumerate(degrees)),
        tuple(_ratio(missing.alone, k) for k in range(len(degrees))),
    )


def imputed(report: Report) -> str:
    """The section; nothing where every predictor was known, or the model was not fitted by `train`."""
    missing = report.fit_record.missingness if report.fit_record else None
    if not (missing and report.missing):
        return ""
    rows = [
        [name, m.number(patients), m.number(recurrences), m.number(share, 0, percent=True)]
        for name, patients, recurrences, share in (
            (
                "All predictors known",
                missing.complete,
                missing.complete_recurrences,
                report.missing.complete,
            ),
            ("Some unknown", missing.others, missing.others_recurrences, report.missing.others),
        )
    ]
    estimates = how = ""
    if missing.imputations:
        estimates = _estimates(missing, report.missing, report.model.predictors)
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


def _estimates(
    missing: Missingness, reported: ReportedMissing, predictors: Sequence[ReportedPredictor]
) -> str:
    rows = [
        [
            m.words(predictor.label),
            m.measure(ratio),
            m.measure(ratio_alone),
            m.number(information, 0, percent=True),
            m.number(degrees, 0),
        ]
        for predictor, ratio, ratio_alone, information, degrees in zip(
            predictors,
            reported.imputed,
            reported.alone,
            missing.missing_information,
            missing.degrees,
            strict=True,
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
