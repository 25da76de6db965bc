"""The results: observed risk by group, discrimination, calibration, net benefit, stability, subgroups, missingness."""

from models.training.report import markup as m
from models.training.report.figures.auc import auc_figure
from models.training.report.figures.calibration import calibration_figure
from models.training.report.figures.decision import decision_figure
from models.training.report.figures.gallery import Gallery
from models.training.report.figures.missing import missing_figure
from models.training.report.figures.stability import stability_figure
from models.training.report.figures.survival import survival_figure
from models.training.report.report import Report
from models.training.report.words import written
from models.training.validation.groups import LEAST_AT_RISK, SHARE_AT_RISK, in_words
from models.training.validation.validation import Grouping, Internal, Measure, Validation

_SHOWN_THRESHOLDS = 0.05  # the table shows every fifth threshold


def years(horizon: float) -> str:
    """A horizon in words, as HTML."""
    return f"{m.number(horizon, 0)} year{'' if horizon == 1 else 's'}"


def observed(report: Report, gallery: Gallery) -> str:
    """Kaplan-Meier by risk group and by predictor."""
    validation, parts = report.validation, []
    for k, grouping in enumerate(validation.groupings):
        parts.append(f"<h3>By {m.words(grouping.label[0].lower() + grouping.label[1:])}</h3>")
        if not grouping.curves:
            parts.append("<p>It is known of nobody.</p>")
            continue
        test = grouping.log_rank
        died = ", died" if any(curve.deaths for curve in grouping.curves) else ""
        caption = (
            f"Kaplan-Meier; shaded: 95 % limits (log-log); thin, without limits: fewer than {LEAST_AT_RISK}, or than "
            f"{written(SHARE_AT_RISK, 0, percent=True)} %, of the group are at risk. Below the axis: at risk at that time; "
            f"censored{died} and recurred before it. "
        )
        if test.chi_square is None:
            caption += f"Log-rank test not done: {m.words(test.reason)}."
        else:
            chi, degrees = m.number(test.chi_square, 1), m.number(test.degrees)
            caption += f"Log-rank test: χ²\N{NO-BREAK SPACE}{chi}, {degrees} df, p {m.p_value(test.p)}."
        if grouping.left_out:
            caption += f" {m.number(grouping.left_out)} patients in no group."
        parts.append(gallery.show(survival_figure(grouping, k), caption))
        parts.append(_group_table(grouping, competing=bool(validation.deaths)))
    return m.section("observed", "Observed recurrence by group", *parts)


def _group_table(grouping: Grouping, *, competing: bool) -> str:
    curves, years_of_risk = grouping.curves, grouping.curves[0].risks
    heads = ["Group", "Patients", "Recurrences"]
    heads += [f"Risk at {m.words(r.horizon.removesuffix('y'))} y, %" for r in years_of_risk]
    if competing:
        heads += [f"Competing, {m.words(r.horizon.removesuffix('y'))} y, %" for r in years_of_risk]
    rows = []
    for curve in curves:
        row = [m.words(curve.label), m.number(curve.n), m.number(curve.events)]
        row += [m.measure(risk.kaplan_meier, 0, percent=True) for risk in curve.risks]
        if competing:
            row += [m.measure(risk.aalen_johansen, 0, percent=True) for risk in curve.risks]
        rows.append(row)
    note = (
        "Risk: Kaplan-Meier. Competing: Aalen-Johansen, with death as a competing event." if competing else ""
    )
    by = f"{grouping.label[0].lower()}{grouping.label[1:]}"
    return m.table(f"Observed risk by {by} (95 % limits)", heads, rows, note=note)


def discrimination(report: Report, gallery: Gallery) -> str:
    """C, AUC, Brier; the four bootstrap figures."""
    validation = report.validation
    internal = [_four_figures(validation.internal)] if validation.internal else []
    uno = {point.years: point.auc for point in validation.uno}
    heads = ["", *(years(at.years) for at in validation.horizons)]
    rows = [
        ["AUC", *(m.measure(at.auc) for at in validation.horizons)],
        ["Uno’s C up to then", *(m.measure(uno[at.years]) for at in validation.horizons)],
        ["Brier score", *(m.measure(at.brier, 3) for at in validation.horizons)],
        [
            "Brier score of the cohort’s own mean risk",
            *(m.measure(at.brier_null, 3) for at in validation.horizons),
        ],
        [
            "IPA (1 \N{MINUS SIGN} Brier / Brier of the mean)",
            *(m.measure(at.ipa) for at in validation.horizons),
        ],
    ]
    if internal:
        rows.insert(
            1, ["AUC, corrected for optimism", *(m.measure(at.auc_corrected) for at in validation.horizons)]
        )
        rows.append(
            ["IPA, corrected for optimism", *(m.measure(at.ipa_corrected) for at in validation.horizons)]
        )
    if validation.deaths:
        rows.append(
            ["AUC with death competing", *(m.measure(at.auc_competing) for at in validation.horizons)]
        )
    last = validation.horizons[-1].years
    text = f"<p>Harrell’s C: {m.measure(validation.harrell, 3)}.</p>"
    caption = (
        "Cases had a recurrence by then, controls had none; weighted by the inverse probability of censoring. "
        "Shaded: 95 % limits; large dots: whole years."
    )
    return m.section(
        "discrimination",
        "Discrimination and accuracy",
        text,
        *internal,
        m.table("By horizon (95 % limits)", heads, rows),
        gallery.show(auc_figure(validation.auc_over_time, last), caption)
        if validation.auc_over_time
        else "<p>No AUC over time: there are too few recurrences, or too few patients without one.</p>",
    )


def _four_figures(internal: Internal) -> str:
    figures = internal.concordance
    if figures is None:
        return f"<p>No C corrected for optimism: {m.words(internal.shifted.reason)}.</p>"
    rows = [
        ["Apparent: the model in its own cohort", m.number(figures.apparent, 4)],
        ["Mean of resamples’ models in their own resample", m.number(figures.mean_in_resamples, 4)],
        ["Mean of resamples’ models in the whole cohort", m.number(figures.mean_on_original, 4)],
        [
            "<strong>Optimism-corrected</strong>: apparent less the difference of the two means",
            f"<strong>{m.number(figures.corrected, 4)}</strong>",
        ],
    ]
    failed = f" {m.number(internal.failed)} resamples gave no model." if internal.failed else ""
    note = (
        f"{m.number(internal.resamples)} resamples.{failed} Papers call each of the four “bootstrap C”; only the last "
        f"allows for optimism ({m.number(figures.optimism, 4)})."
    )
    return m.table("Harrell’s C by bootstrap: four figures", ["Figure", "C"], rows, note=note)


def calibration(report: Report, gallery: Gallery) -> str:
    """O/E, slope, curves and their indices."""
    validation = report.validation
    horizons = validation.horizons
    heads = ["", *(years(at.years) for at in horizons)]
    rows = [
        ["Mean predicted risk, %", *(m.number(at.expected, 1, percent=True) for at in horizons)],
        ["Observed risk (Kaplan-Meier), %", *(m.measure(at.observed, 1, percent=True) for at in horizons)],
        ["Observed over expected", *(m.measure(at.observed_over_expected) for at in horizons)],
        ["ICI (mean distance), points", *(m.measure(at.ici, 1, percent=True) for at in horizons)],
        ["E50 (median distance), points", *(m.measure(at.e50, 1, percent=True) for at in horizons)],
        ["E90, points", *(m.measure(at.e90, 1, percent=True) for at in horizons)],
        ["Emax, points", *(m.measure(at.emax, 1, percent=True) for at in horizons)],
    ]
    if validation.deaths:
        rows.insert(
            2,
            [
                "Observed, death competing, %",
                *(m.measure(at.observed_competing, 1, percent=True) for at in horizons),
            ],
        )
    if validation.internal:
        rows.append(
            [
                "ICI, corrected for optimism, points",
                *(m.measure(at.ici_corrected, 1, percent=True) for at in horizons),
            ]
        )
    figures = []
    for at in horizons:
        caption = f"Risk within {years(at.years)}."
        if at.curve.reason:
            caption += f" No curve: {m.words(at.curve.reason)}."
        if any(group.observed.value is None for group in at.fifths):
            caption += " A fifth without a mark was not followed for so long."
        figures.append(gallery.show(calibration_figure(at), caption))
    table = m.table("Calibration by horizon (95 % limits)", heads, rows)
    return m.section(
        "calibration", "Calibration", _slope(report), table, f'<div class="three">{"".join(figures)}</div>'
    )


def _slope(report: Report) -> str:
    """The slope, corrected where it can be, and what it means here."""
    validation, shrinkage = report.validation, report.fit_record and report.fit_record.shrinkage
    text, meant = f"Calibration slope: {m.measure(validation.slope)} in these data", validation.slope
    if internal := validation.internal:
        if shrinkage and shrinkage.factor < 1:
            factor = m.number(shrinkage.factor, 3)
            text += f" (about 1 / {factor} by construction: the fit has a slope of 1 here, and was shrunk by that factor)"
        meant = internal.slope
        if meant.value is None:
            return f"<p>{text}. No corrected slope is given: {m.words(meant.reason)}.</p>"
        text += f"; corrected for optimism: {m.measure(meant)}"
    return f"<p>{text}. {slope_in_words(meant)}</p>"


def slope_in_words(slope: Measure) -> str:
    """What a slope says of the risks: only what its limits bear out."""
    if slope.value is None or slope.low is None or slope.high is None:
        return "Below 1, risks are too extreme; above 1, not extreme enough."
    if slope.high < 1:
        return "It is below 1: the risks are too extreme, which is overfitting."
    if slope.low > 1:
        return "It is above 1: the risks are not extreme enough."
    return (
        "Its 95 % limits hold 1: these data show neither too extreme risks (overfitting) nor too flat ones."
    )


def benefit(report: Report, gallery: Gallery) -> str:
    """The decision curve of each horizon, and a short table of it."""
    validation, parts = report.validation, []
    for at in validation.horizons:
        curve = at.decision
        if curve.reason:
            parts.append(f"<p>At {years(at.years)}: no decision curve, {m.words(curve.reason)}.</p>")
            continue
        caption = (
            f"Risk within {years(at.years)}. Acting on the model is worth it where its line is the highest."
        )
        parts.append(gallery.show(decision_figure(at, report.model.policy), caption))
        columns = {
            "Model": curve.model,
            "Model, corrected for optimism": curve.corrected,
            "Act for all": curve.treat_all,
        }
        given = {name: values for name, values in columns.items() if values}
        rows = [
            [m.number(threshold, 0, percent=True), *(m.number(values[k], 3) for values in given.values())]
            for k, threshold in enumerate(curve.thresholds)
            if abs(threshold / _SHOWN_THRESHOLDS - round(threshold / _SHOWN_THRESHOLDS)) < 1e-9  # noqa: PLR2004
        ]
        parts.append(m.table(f"Net benefit at {in_words(at.years)}", ["Threshold, %", *given], rows))
    intro = (
        "<p>Net benefit: true positives per patient, less false positives weighted by the odds of the threshold. "
        "The threshold is for clinicians to choose: it says how many unnecessary actions one needed action is worth.</p>"
    )
    return m.section("benefit", "Net benefit", intro, *parts)


def stability(report: Report, gallery: Gallery) -> str:
    """How far single risks depend on which patients were in the cohort."""
    internal = report.validation.internal
    if not internal:
        return ""
    caption = (
        f"Models of {internal.resamples - internal.failed} resamples. A patient’s risk differs between them by "
        f"{m.number(internal.stability.mape, 1, percent=True)} percentage points on average (MAPE)."
    )
    figure = gallery.show(stability_figure(internal.stability), caption)
    return m.section("stability", "Stability of single risks", f'<div class="half">{figure}</div>')


def subgroups(report: Report) -> str:
    """Performance by antibody subtype and by what is unknown."""
    rows = [
        [
            f"{m.words(subgroup.kind)}: {m.words(subgroup.label)}",
            m.number(subgroup.n),
            m.number(subgroup.events),
            m.measure(subgroup.concordance),
            m.number(subgroup.expected, 0, percent=True),
            m.measure(subgroup.observed, 0, percent=True),
            m.measure(subgroup.observed_over_expected),
        ]
        for subgroup in report.validation.subgroups
    ]
    heads = [
        "Subgroup",
        "Patients",
        "Recurrences",
        "Harrell’s C",
        "Predicted at 2 y, %",
        "Observed at 2 y, %",
        "Observed over expected",
    ]
    return m.section("subgroups", "Subgroups", m.table("Performance by subgroup (95 % limits)", heads, rows))


def missingness(report: Report, gallery: Gallery) -> str:
    """What is known of the predictors."""
    missing, patterns = report.validation.missing, report.validation.patterns
    figure = gallery.show(
        missing_figure(missing, report.validation.n), "Patients by what is known at time zero."
    )
    return m.section(
        "missing",
        "Missing predictors",
        figure,
        known_predictors("By predictor", report.validation),
        m.table(
            "By pattern",
            ["Pattern", "Patients"],
            [[f"<code>{m.words(count.pattern)}</code>", m.number(count.n)] for count in patterns],
            note="k: known, ?: not known, in the order of the predictors above.",
        ),
    )


def known_predictors(caption: str, validation: Validation) -> str:
    """How often each predictor is present, absent and not known, as a table."""
    rows = [
        [m.words(known.label), m.number(known.present), m.number(known.absent), m.number(known.unknown)]
        for known in validation.missing
    ]
    return m.table(caption, ["Predictor", "Present", "Absent", "Not known"], rows)
