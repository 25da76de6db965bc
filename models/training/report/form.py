"""The form of measured values: what a smooth curve would tell beyond the dichotomy that is served."""

from models.training.fitting.form import Form
from models.training.report import markup as m
from models.training.report.figures.form import form_figure
from models.training.report.figures.gallery import Gallery
from models.training.report.report import Report

_WHY = (
    "The dichotomies are served. A predictor that is unknown is averaged over what it may be, by how often each pattern "
    "of the others goes with it (rule S3); that needs a few states, not a continuous value. What that costs is seen here."
)


def form(report: Report, gallery: Gallery) -> str:
    """The section; nothing where the cohort held no measured value."""
    forms = report.fit_record.forms if report.fit_record else ()
    labels = {predictor.name: predictor.label for predictor in report.model.predictors}
    if not forms:
        return ""
    parts = [part for of in forms for part in _of(of, labels.get(of.predictor, of.predictor), gallery)]
    return m.section("form", "Form of measured values", f"<p>{_WHY}</p>", *parts)


def _of(of: Form, label: str, gallery: Gallery) -> list[str]:
    """One measured value: table and curve, or why there are none."""
    title = f"<h3>{m.words(label)}: {m.words(of.value)}</h3>"
    among = f"{m.number(of.n)} patients with {m.number(of.events)} recurrences, of whom it and all predictors are known"
    if of.reason:
        return [title, f'<p class="none">No curve, {among}: {m.words(of.reason)}.</p>']
    rows = [
        [
            m.words(fit.form),
            m.number(fit.chi_square, 2),
            m.number(fit.df),
            m.p_value(fit.p),
            m.number(fit.aic, 1),
        ]
        for fit in of.fits
    ]
    note = (
        f"{among}. χ² by likelihood ratio: what the form adds to the other three predictors. A lower AIC is better. "
        f"Spline against straight line: p = {m.p_value(of.not_linear)}."
    )
    table = m.table(
        f"{label}: three forms",
        ["Form", "χ²", "Degrees of freedom", "p", "AIC of the model"],
        rows,
        note=note,
    )
    figure = gallery.show(
        form_figure(of, label),
        f"Restricted cubic spline of the {m.words(of.scale)}, beside the other predictors, with a 95 % band. Knots at "
        f"{', '.join(m.number(knot) for knot in of.knots)}.",
    )
    return [title, table, figure]
