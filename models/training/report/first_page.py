"""The first page: what it is, how sure it is, the main numbers, what it cannot tell; then where patients came from."""

from models.risk import DECISION_HORIZON
from models.training.report import markup as m
from models.training.report.in_short import in_short
from models.training.report.report import Report
from models.training.report.results import known_predictors
from models.training.report.words import too_few
from models.training.validation.validation import Measure, Validation

_SCALE_OF_C = "0.5 is chance, 1 is perfect"


def first_page(report: Report) -> str:
    """Title, evidence, main numbers, limits."""
    model, validation, record = report.model, report.validation, report.fit_record
    date = f", {m.words(report.date)}" if report.date else ""
    whom = "" if validation.same_cohort else ", of the patients that the model was fitted to"
    warnings = [f"Warning{whom}: {m.words(text)}." for text in (record.warnings if record else ())]
    if few := too_few(validation.events):
        warnings.append(f"Warning: {m.words(few)}.")
    notes = m.listed(warnings) if warnings else ""
    limits = m.listed([m.words(sentence) for sentence in report.cannot_tell])
    cohort = f"{m.words(validation.cohort)}{', synthetic patients' if validation.synthetic else ''}"
    return (
        f'<header>\n<p class="evidence">Evidence: {m.words(report.evidence)}</p>\n'
        f"<h1>{m.words(report.title)}</h1>\n"
        f'<p class="sub">Model {m.words(model.id)} {m.words(model.version)}; cohort {cohort}{date}</p>\n'
        f'</header>\n<dl class="cards">\n{_cards(validation)}\n</dl>\n{in_short(report)}\n{notes}\n'
        f'<div class="warning"><h2>What this cannot tell</h2>\n{limits}\n</div>'
    )


def _cards(validation: Validation) -> str:
    """The main numbers, corrected for optimism where that is known."""
    at = next(at for at in validation.horizons if at.horizon == DECISION_HORIZON)
    follow_up, internal = validation.follow_up.value, validation.internal
    followed = (
        "median follow-up not reached"
        if follow_up is None
        else f"median follow-up {m.number(follow_up, 1)} years"
    )
    patients = f"{m.number(validation.n)}<small>{m.number(validation.events)} recurrences, {m.number(validation.deaths)} died before; {followed}</small>"
    if internal:
        before = f"before correction {m.number(validation.harrell.value)}; {_SCALE_OF_C}"
        concordance_of = "Harrell’s C, corrected for optimism"
        concordance = _with_limits(internal.shifted, before)
        slope = _with_limits(internal.slope, "corrected for optimism; 1 is perfect")
    else:
        concordance_of = "Harrell’s C in this cohort"
        concordance = _with_limits(validation.harrell, _SCALE_OF_C)
        slope = _with_limits(validation.slope, "1 is perfect")
    if at.ici_corrected.value is None:
        ici = _with_limits(at.ici, percent=True)
    else:
        before = f"corrected for optimism; before {m.number(at.ici.value, 1, percent=True)}"
        ici = _with_limits(at.ici_corrected, before, percent=True)
    cards = [
        ("Patients", "", patients),
        ("Time zero", ' class="text"', m.words(validation.time_zero)),
        (concordance_of, "", concordance),
        (
            "Observed over expected, 2 years",
            "",
            _with_limits(at.observed_over_expected, "1 is right on average"),
        ),
        ("Calibration slope", "", slope),
        ("Mean distance from calibration (ICI), 2 years", "", ici),
    ]
    return "\n".join(f"<div><dt>{name}</dt><dd{kind}>{text}</dd></div>" for name, kind, text in cards)


def _with_limits(measure: Measure, note: str = "", *, percent: bool = False) -> str:
    """A number, small below it its 95 % limits and a note; or why there is none."""
    if measure.value is None:
        return f"<small>not given: {m.words(measure.reason)}</small>"
    text = m.number(measure.value, 1 if percent else 2, percent=percent) + (" points" if percent else "")
    limits = ""
    if measure.low is not None and measure.high is not None:
        limits = f"95 % limits {m.number(measure.low)} to {m.number(measure.high)}"
    small = "; ".join(part for part in (limits, note) if part)
    return f"{text}<small>{small}</small>" if small else text


def flow(report: Report) -> str:
    """From screened to analysed."""
    rows = [
        [m.words(s.step), m.number(s.left), m.number(s.taken_out), m.words(s.reason)]
        for s in report.validation.flow
    ]
    return m.section(
        "flow",
        "Flow of patients",
        m.table("From the data to the analysis", ["Step", "Left", "Taken out", "Why"], rows),
    )


def characteristics(report: Report) -> str:
    """Table 1: that of `describe`, or else the predictors alone."""
    tables = []
    for table in report.tables:
        rows = []
        for head, *cells in table.rows:
            level = head.removeprefix("– ")  # a level of the row above is set in
            heading = m.words(head) if level == head else f'<span class="level">{m.words(level)}</span>'
            rows.append([heading, *map(m.words, cells)])
        heads = [m.words(head) for head in table.columns]
        tables.append(m.table(table.title, heads, rows, note=m.words(table.note)))
    if not tables:
        tables.append(known_predictors("Predictors at time zero", report.validation))
    return m.section("characteristics", "Characteristics", *tables)
