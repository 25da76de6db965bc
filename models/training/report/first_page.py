"""The first page: what it is, how sure it is, the main numbers, what it cannot tell; then where patients came from."""

from models.risk import DECISION_HORIZON
from models.training.report import markup as m
from models.training.report.in_short import in_short
from models.training.report.report import Report
from models.training.report.words import too_few
from models.training.validation.validation import AtHorizon, Measure, Validation

_SCALE_OF_C = "0.5 is chance, 1 is perfect"


def first_page(report: Report) -> str:
    """Title, evidence, main numbers, limits."""
    model, validation, record = report.model, report.validation, report.fit_record
    date = f", {m.words(report.date)}" if report.date else ""
    of = "" if validation.same_cohort else ", of the patients that the model was fitted to"
    warnings = [f"Warning{of}: {m.words(text)}." for text in (record.warnings if record else ())]
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
    at = next(at for at in validation.horizons if at.horizon == DECISION_HORIZON)
    follow_up = validation.follow_up.value
    followed = (
        "median follow-up not reached"
        if follow_up is None
        else f"median follow-up {m.number(follow_up, 1)} years"
    )
    patients = f"{m.number(validation.n)}<small>{m.number(validation.events)} recurrences, {m.number(validation.deaths)} died before; {followed}</small>"
    cards = [
        ("Patients", "", patients),
        ("Time zero", ' class="text"', m.words(validation.time_zero)),
        _concordance(validation),
        (
            "Observed over expected, 2 years",
            "",
            _with_limits(at.observed_over_expected, "1 is right on average"),
        ),
        ("Calibration slope", "", _slope(validation)),
        ("Mean distance from calibration (ICI), 2 years", "", _ici(at)),
    ]
    return "\n".join(f"<div><dt>{name}</dt><dd{kind}>{text}</dd></div>" for name, kind, text in cards)


def _concordance(validation: Validation) -> tuple[str, str, str]:
    internal = validation.internal
    if not internal:
        return "Harrell’s C in this cohort", "", _with_limits(validation.harrell, _SCALE_OF_C)
    before = f"before correction {m.number(validation.harrell.value)}; {_SCALE_OF_C}"
    text = _with_limits(internal.shifted, before)
    return "Harrell’s C, corrected for optimism", "", text


def _slope(validation: Validation) -> str:
    if not validation.internal:
        return _with_limits(validation.slope, "1 is perfect")
    return _with_limits(validation.internal.slope, "corrected for optimism; 1 is perfect")


def _ici(at: AtHorizon) -> str:
    if at.ici_corrected.value is None:
        return _with_limits(at.ici, percent=True)
    before = f"corrected for optimism; before {m.number(at.ici.value, 1, percent=True)}"
    return _with_limits(at.ici_corrected, before, percent=True)


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
    tables = [
        m.table(
            table.title,
            [m.words(head) for head in table.columns],
            [[_heading(head), *map(m.words, cells)] for head, *cells in table.rows],
            note=m.words(table.note),
        )
        for table in report.tables
    ]
    return m.section("characteristics", "Characteristics", *(tables or [_predictors(report.validation)]))


def _heading(text: str) -> str:
    """The heading of a row; a level of the row above is set in."""
    level = text.removeprefix("– ")
    return m.words(text) if level == text else f'<span class="level">{m.words(level)}</span>'


def _predictors(validation: Validation) -> str:
    rows = [
        [m.words(known.label), m.number(known.present), m.number(known.absent), m.number(known.unknown)]
        for known in validation.missing
    ]
    return m.table("Predictors at time zero", ["Predictor", "Present", "Absent", "Not known"], rows)
