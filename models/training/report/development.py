"""How the model was fitted, as `train` recorded it: predictors alone, shrinkage, proportional hazards, sample size."""

from models.training.fitting.updating.in_words import in_words
from models.training.report import markup as m
from models.training.report.report import Report, ReportedRatio
from models.training.validation.recorded import FitRecord


def development(report: Report) -> str:
    """The section; nothing where there is no record."""
    record, predictors = report.fit_record, report.model.predictors
    if not record:
        return ""
    alone = proportional = ""
    if record.univariable:
        labels = {predictor.name: predictor.label for predictor in predictors}
        rows = [
            [
                m.words(labels.get(fit.name, fit.name)),
                m.number(fit.n),
                m.number(fit.events),
                m.measure(ReportedRatio(fit.hazard_ratio, fit.low, fit.high, fit.reason)),
                m.p_value(fit.p),
            ]
            for fit in record.univariable
        ]
        heads = ["Predictor", "Patients", "Recurrences", "Hazard ratio (95 % limits)", "p (Wald)"]
        note = "Maximum likelihood in everybody of whom the predictor is known, not shrunk; Wald limits."
        alone = m.table("Each predictor alone", heads, rows, note=note)
    if test := record.proportionality:
        rows = [
            [m.words(predictor.label), m.number(chi, 2), m.p_value(p)]
            for predictor, chi, p in zip(predictors, test.chi_square, test.p, strict=True)
        ]
        rows.append(["All together", m.number(test.chi_square_global, 2), m.p_value(test.p_global)])
        title = "Proportional hazards: score test (time by Kaplan-Meier)"
        proportional = m.table(title, ["Predictor", "χ²", "p"], rows)
    versions = ", ".join(f"{name} {version}" for name, version in record.libraries.items())
    fitted_with = f'<p class="note">Fitted with {m.words(versions)}.</p>'
    return m.section(
        "development", "How the model was fitted", _summary(record), alone, proportional, fitted_with
    )


def _summary(record: FitRecord) -> str:
    same = f"{m.number(record.patients)} patients with {m.number(record.recurrences)} recurrences of {m.words(record.centre)}"
    kind = record.kind[0].upper() + record.kind[1:]
    did = f"{kind} needed in" if record.kind == "no update" else f"{kind} to"
    lines = [f"{m.words(did)} {same}; time zero: {m.words(record.time_zero)}."]
    if record.method:
        lines.append(f"Method: {m.words(record.method)}; ties: {m.words(record.ties)}.")
    if of := record.shrinkage:
        lines.append(
            f"Log hazard ratios were multiplied by {m.number(of.factor, 3)}: the mean calibration slope in "
            f"{m.number(of.resamples)} resamples, {m.number(of.without_fit)} of them without a finite fit, is "
            f"{m.number(of.mean_slope, 3)}, and the factor is at most 1. The baseline was estimated under them."
        )
    if record.sample_size:
        lines.append(
            f"Sample size by Riley’s criteria at what was found: {m.number(record.sample_size.n)} patients; there were "
            f"{m.number(record.patients)}."
        )
    if record.recalibration:
        lines += map(m.words, in_words(record.recalibration))
    return m.listed(lines)
