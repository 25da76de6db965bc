"""The results: observed risk by group, discrimination, calibration, net benefit, stability, subgroups, missingness."""

from collections.abc import Mapping, Sequence
from typing import Any

from models.training.report import markup as m
from models.training.report.figures.calibration import calibration_figure
from models.training.report.figures.canvas import Canvas
from models.training.report.figures.decision import decision_figure
from models.training.report.figures.other import auc_figure, missing_figure, stability_figure
from models.training.report.figures.survival import survival_figure

_SHOWN_THRESHOLDS = 0.05  # the table shows every fifth threshold


class Gallery:
    """The figures drawn so far: what each says, and the numbers in it, by name."""

    def __init__(self) -> None:
        self.shown: dict[str, dict[str, Any]] = {}

    def show(self, canvas: Canvas, caption: str) -> str:
        """The figure as HTML."""
        self.shown[canvas.name] = {
            "title": canvas.title,
            "about": canvas.about,
            "numbers": sorted(set(canvas.numbers)),
        }
        return m.figure(canvas.svg(), caption)


def years(at: Mapping[str, Any]) -> str:
    """A horizon in words."""
    return f"{m.number(at['years'], 0)} year{'' if at['years'] == 1 else 's'}"


def observed(content: Mapping[str, Any], gallery: Gallery) -> str:
    """Kaplan-Meier by risk group and by predictor."""
    found, parts = content["validation"], []
    for k, grouping in enumerate(found["groupings"]):
        parts.append(f"<h3>By {m.words(grouping['label'][0].lower() + grouping['label'][1:])}</h3>")
        if not grouping["curves"]:
            parts.append("<p>It is known of nobody.</p>")
            continue
        parts.append(gallery.show(survival_figure(grouping, k), _log_rank(grouping)))
        parts.append(_group_table(grouping, competing=bool(found["deaths"])))
    return m.section("observed", "Observed recurrence by group", *parts)


def _log_rank(grouping: Mapping[str, Any]) -> str:
    test = grouping["log_rank"]
    died = ", died" if any(curve["deaths"] for curve in grouping["curves"]) else ""
    text = (
        "Kaplan-Meier; shaded: 95 % limits (log-log). Below the axis: at risk at that time; "
        f"censored{died} and recurred before it. "
    )
    if test["chi_square"] is None:
        text += f"Log-rank test not done: {m.words(test['reason'])}."
    else:
        chi, degrees = m.number(test["chi_square"], 1), m.number(test["degrees"])
        text += f"Log-rank test: χ² {chi}, {degrees} df, p {m.p_value(test['p'])}."
    if grouping["left_out"]:
        text += f" {m.number(grouping['left_out'])} patients in no group."
    return text


def _group_table(grouping: Mapping[str, Any], *, competing: bool) -> str:
    curves, years_of_risk = grouping["curves"], grouping["curves"][0]["risks"]
    heads = ["Group", "Patients", "Recurrences"]
    heads += [f"Risk at {m.words(r['horizon'].removesuffix('y'))} y, %" for r in years_of_risk]
    if competing:
        heads += [f"Competing, {m.words(r['horizon'].removesuffix('y'))} y, %" for r in years_of_risk]
    rows = []
    for curve in curves:
        row = [m.words(curve["label"]), m.number(curve["n"]), m.number(curve["events"])]
        row += [m.measure(risk["kaplan_meier"], 0, percent=True) for risk in curve["risks"]]
        if competing:
            row += [m.measure(risk["aalen_johansen"], 0, percent=True) for risk in curve["risks"]]
        rows.append(row)
    note = (
        "Risk: Kaplan-Meier. Competing: Aalen-Johansen, with death as a competing event." if competing else ""
    )
    by = f"{grouping['label'][0].lower()}{grouping['label'][1:]}"
    return m.table(f"Observed risk by {by} (95 % limits)", heads, rows, note=note)


def discrimination(content: Mapping[str, Any], gallery: Gallery) -> str:
    """C, AUC, Brier; the four bootstrap figures."""
    found = content["validation"]
    internal = [_four_figures(found["internal"])] if found["internal"] else []
    uno = {point["years"]: point["auc"] for point in found["uno"]}
    heads = ["", *(years(at) for at in found["horizons"])]
    rows = [
        ["AUC", *(m.measure(at["auc"]) for at in found["horizons"])],
        ["Uno’s C up to then", *(m.measure(uno[at["years"]]) for at in found["horizons"])],
        ["Brier score", *(m.measure(at["brier"], 3) for at in found["horizons"])],
        [
            "Brier score of the cohort’s own mean risk",
            *(m.measure(at["brier_null"], 3) for at in found["horizons"]),
        ],
        [
            "IPA (1 \N{MINUS SIGN} Brier / Brier of the mean)",
            *(m.measure(at["ipa"]) for at in found["horizons"]),
        ],
    ]
    if internal:
        rows.insert(
            1, ["AUC, corrected for optimism", *(m.measure(at["auc_corrected"]) for at in found["horizons"])]
        )
        rows.append(
            ["IPA, corrected for optimism", *(m.measure(at["ipa_corrected"]) for at in found["horizons"])]
        )
    if found["deaths"]:
        rows.append(
            ["AUC with death competing", *(m.measure(at["auc_competing"]) for at in found["horizons"])]
        )
    last = found["horizons"][-1]["years"]
    text = f"<p>Harrell’s C: {m.measure(found['harrell'], 3)}.</p>"
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
        gallery.show(auc_figure(found["auc_over_time"], last), caption)
        if found["auc_over_time"]
        else "<p>No AUC over time: there are too few recurrences, or too few patients without one.</p>",
    )


def _four_figures(internal: Mapping[str, Any]) -> str:
    figures = internal["concordance"]
    rows = [
        ["Apparent: the model in its own cohort", m.number(figures["apparent"], 4)],
        ["Mean of resamples’ models in their own resample", m.number(figures["mean_in_resamples"], 4)],
        ["Mean of resamples’ models in the whole cohort", m.number(figures["mean_on_original"], 4)],
        [
            "<strong>Optimism-corrected</strong>: apparent less the difference of the two means",
            f"<strong>{m.number(figures['corrected'], 4)}</strong>",
        ],
    ]
    failed = f" {m.number(internal['failed'])} resamples had no finite fit." if internal["failed"] else ""
    note = (
        f"{m.number(internal['resamples'])} resamples; {m.number(internal['n'])} complete patients, "
        f"{m.number(internal['events'])} recurrences.{failed} Papers call each of the four “bootstrap C”; only the last "
        f"allows for optimism ({m.number(figures['optimism'], 4)})."
    )
    return m.table("Harrell’s C by bootstrap: four figures", ["Figure", "C"], rows, note=note)


def calibration(content: Mapping[str, Any], gallery: Gallery) -> str:
    """O/E, slope, curves and their indices."""
    found = content["validation"]
    horizons = found["horizons"]
    heads = ["", *(years(at) for at in horizons)]
    rows = [
        ["Mean predicted risk, %", *(m.number(at["expected"], 1, percent=True) for at in horizons)],
        ["Observed risk (Kaplan-Meier), %", *(m.measure(at["observed"], 1, percent=True) for at in horizons)],
        ["Observed over expected", *(m.measure(at["observed_over_expected"]) for at in horizons)],
        *(
            [text, *(m.measure(at[key], 1, percent=True) for at in horizons)]
            for text, key in (
                ("ICI (mean distance), points", "ici"),
                ("E50 (median distance), points", "e50"),
                ("E90, points", "e90"),
                ("Emax, points", "emax"),
            )
        ),
    ]
    if found["deaths"]:
        rows.insert(
            2,
            [
                "Observed, death competing, %",
                *(m.measure(at["observed_competing"], 1, percent=True) for at in horizons),
            ],
        )
    if found["internal"]:
        rows.append(
            [
                "ICI, corrected for optimism, points",
                *(m.measure(at["ici_corrected"], 1, percent=True) for at in horizons),
            ]
        )
    slope = f"<p>Calibration slope: {m.measure(found['slope'])} in these data"
    if found["internal"]:
        refits = m.number(found["internal"]["refits_slope"], 3)
        slope += (
            f"; corrected for optimism: {m.measure(found['internal']['slope'])} (mean of refits: {refits})"
        )
    slope += ". Below 1, risks are too extreme; above 1, not extreme enough.</p>"
    figures = [gallery.show(calibration_figure(at), _calibration_caption(at)) for at in horizons]
    table = m.table("Calibration by horizon (95 % limits)", heads, rows)
    return m.section(
        "calibration", "Calibration", slope, table, f'<div class="three">{"".join(figures)}</div>'
    )


def _calibration_caption(at: Mapping[str, Any]) -> str:
    text = f"Risk within {years(at)}."
    if at["curve"]["reason"]:
        text += f" No curve: {m.words(at['curve']['reason'])}."
    if any(group["observed"]["value"] is None for group in at["fifths"]):
        text += " A fifth without a mark was not followed for so long."
    return text


def benefit(content: Mapping[str, Any], gallery: Gallery) -> str:
    """The decision curve of each horizon, and a short table at the policy's horizon."""
    found, parts = content["validation"], []
    for at in found["horizons"]:
        if at["decision"]["reason"]:
            parts.append(f"<p>At {years(at)}: no decision curve, {m.words(at['decision']['reason'])}.</p>")
            continue
        caption = f"Risk within {years(at)}. Acting on the model is worth it where its line is the highest."
        parts.append(gallery.show(decision_figure(at, content["model"]["policy"]), caption))
        parts.append(_benefit_table(at))
    intro = (
        "<p>Net benefit: true positives per patient, less false positives weighted by the odds of the threshold. "
        "The threshold is for clinicians to choose: it says how many unnecessary actions one needed action is worth.</p>"
    )
    return m.section("benefit", "Net benefit", intro, *parts)


def _benefit_table(at: Mapping[str, Any]) -> str:
    curve = at["decision"]
    keys = ["model", *(["corrected"] if curve["corrected"] else []), "treat_all"]
    rows = []
    for k, threshold in enumerate(curve["thresholds"]):
        if abs(threshold / _SHOWN_THRESHOLDS - round(threshold / _SHOWN_THRESHOLDS)) < 1e-9:  # noqa: PLR2004
            rows.append([m.number(threshold, 0, percent=True), *(m.number(curve[key][k], 3) for key in keys)])
    names = {"model": "Model", "corrected": "Model, corrected for optimism", "treat_all": "Act for all"}
    return m.table(
        f"Net benefit at {at['years']:g} year{'' if at['years'] == 1 else 's'}",
        ["Threshold, %", *(names[key] for key in keys)],
        rows,
    )


def stability(content: Mapping[str, Any], gallery: Gallery) -> str:
    """How far single risks depend on which patients were in the cohort."""
    internal = content["validation"]["internal"]
    if not internal:
        return ""
    found = internal["stability"]
    caption = (
        f"Models of {m.number(internal['curve_resamples'])} resamples. A patient’s risk differs between them by "
        f"{m.number(found['mape'], 1, percent=True)} percentage points on average (MAPE)."
    )
    figure = gallery.show(stability_figure(found, content["stability_quantiles"]), caption)
    return m.section("stability", "Stability of single risks", f'<div class="half">{figure}</div>')


def subgroups(content: Mapping[str, Any]) -> str:
    """Performance by antibody subtype and by what is unknown."""
    rows = [
        [
            f"{m.words(part['kind'])}: {m.words(part['label'])}",
            m.number(part["n"]),
            m.number(part["events"]),
            m.measure(part["concordance"]),
            m.number(part["expected"], 0, percent=True),
            m.measure(part["observed"], 0, percent=True),
            m.measure(part["observed_over_expected"]),
        ]
        for part in content["validation"]["subgroups"]
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


def missingness(content: Mapping[str, Any], gallery: Gallery) -> str:
    """What is known of the predictors."""
    found = content["validation"]
    figure = gallery.show(
        missing_figure(found["missing"], found["n"]), "Patients by what is known at time zero."
    )
    return m.section(
        "missing", "Missing predictors", figure, _missing_table(found), _pattern_table(found["patterns"])
    )


def _missing_table(found: Mapping[str, Any]) -> str:
    rows = [
        [m.words(row["label"]), *(m.number(row[key]) for key in ("present", "absent", "unknown"))]
        for row in found["missing"]
    ]
    return m.table("By predictor", ["Predictor", "Present", "Absent", "Not known"], rows)


def _pattern_table(patterns: Sequence[Mapping[str, Any]]) -> str:
    rows = [[f"<code>{m.words(row['pattern'])}</code>", m.number(row["n"])] for row in patterns]
    note = "k: known, ?: not known, in the order of the predictors above."
    return m.table("By pattern", ["Pattern", "Patients"], rows, note=note)
