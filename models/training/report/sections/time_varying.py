"""Whether effects change with time: each hazard ratio over time, and by period where hazards are not proportional."""

from models.training.report import markup as m
from models.training.report.figures.effects import effect_figure
from models.training.report.figures.gallery import Gallery
from models.training.report.words import written
from models.training.validation.supplement.time_varying import PeriodRatios, TimeVarying


def time_varying(varying: TimeVarying, last: float, gallery: Gallery) -> str:
    """The section; nothing where no model could be refitted."""
    if not varying.effects or varying.p is None:
        return ""
    figures = [
        gallery.show(effect_figure(effect, k, last), f"{m.words(effect.label)}: p {m.p_value(effect.p)}.")
        for k, effect in enumerate(varying.effects)
    ]
    return m.section(
        "effects",
        "Effects over time",
        f"<p>{_in_words(varying)}</p>",
        f'<div class="three">{"".join(figures)}</div>',
        f'<p class="note">{_NOTE}</p>',
        _by_period(varying) if varying.periods else "",
    )


_NOTE = (
    "Refitted in these patients without shrinkage. Scaled Schoenfeld residuals, smoothed by a natural cubic spline with "
    "four degrees of freedom over Kaplan-Meier time; the band is two standard errors (as survival’s plot.cox.zph)."
)


def _in_words(varying: TimeVarying) -> str:
    p = m.p_value(varying.p)
    patients = f"{m.number(varying.n)} patients, {m.number(varying.events)} recurrences"
    if varying.periods:
        return (
            f"The hazard ratios change with time (score test of all together, p {p}; {patients}), so one hazard ratio for "
            "all years is an average. The model is served with that average; the hazard ratios by period say how far off it is."
        )
    return f"No sign that the hazard ratios change with time (score test of all together, p {p}; {patients})."


def _by_period(varying: TimeVarying) -> str:
    heads = ["Period", "Followed", "Recurrences", *(m.words(effect.label) for effect in varying.effects)]
    rows = [
        [
            _name(period),
            m.number(period.n),
            m.number(period.events),
            *(m.measure(ratio) for ratio in period.hazard_ratios),
        ]
        for period in varying.periods
    ]
    return m.table("Hazard ratios by period (95 % limits)", heads, rows)


def _name(period: PeriodRatios) -> str:
    begin = written(period.begin, 0)
    return f"from {begin} years" if period.end is None else f"{begin} to {written(period.end, 0)} years"
