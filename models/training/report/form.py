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
    if not forms:
        return ""
    labels = {predictor.name: predictor.label for predictor in report.model.predictors}
    parts: list[str] = []
    for measured in forms:
        parts += _of_value(measured, labels.get(measured.predictor, measured.predictor), gallery)
    return m.section("form", "Form of measured values", f"<p>{_WHY}</p>", *parts)


def _of_value(measured: Form, label: str, gallery: Gallery) -> list[str]:
    """One measured value: table and curve, or why there are none."""
    title = f"<h3>{m.words(label)}: {m.words(measured.value)}</h3>"
    among = (
        f"{m.number(measured.n)} patients with {m.number(measured.events)} recurrences, of whom it and all predictors are "
        "known"
    )
    if measured.reason:
        return [title, f'<p class="none">No curve, {among}: {m.words(measured.reason)}.</p>']
    rows = [
        [
            m.words(fit.form),
            m.number(fit.chi_square, 2),
            m.number(fit.df),
            m.p_value(fit.p),
            m.number(fit.aic, 1),
        ]
        for fit in measured.fits
    ]
    note = (
        f"{among}. χ² by likelihood ratio: what the form adds to the other three predictors. A lower AIC is better. "
        f"Spline against straight line: p = {m.p_value(measured.not_linear)}."
    )
    table = m.table(
        f"{label}: three forms",
        ["Form", "χ²", "Degrees of freedom", "p", "AIC of the model"],
        rows,
        note=note,
    )
    figure = gallery.show(
        form_figure(measured, label),
        f"Restricted cubic spline of the {m.words(measured.scale)}, beside the other predictors, with a 95 % band, and the "
        "dichotomy at the same mean over the patients, both unshrunk. Knots at "
        f"{', '.join(m.number(knot) for knot in measured.knots)}.",
    )
    return [title, table, figure]
