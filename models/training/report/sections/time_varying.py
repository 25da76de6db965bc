"""Whether effects change with time: each hazard ratio over time, and by period where hazards are not proportional."""

from models.training.report import markup as m
from models.training.report.figures.effects import effect_figure
from models.training.report.figures.gallery import Gallery
from models.training.report.words import written
from models.training.validation.supplement.time_varying import TimeVarying

_NOTE = (
    "Refitted in these patients without shrinkage. Scaled Schoenfeld residuals, smoothed by a natural cubic spline with "
    "four degrees of freedom over Kaplan-Meier time; the band is two standard errors (as survival’s plot.cox.zph)."
)


def time_varying(varying: TimeVarying, last: float, gallery: Gallery) -> str:
    """The section; nothing where no model could be refitted."""
    if not varying.effects or varying.p is None:
        return ""
    figures = [
        gallery.show(effect_figure(effect, k, last), f"{m.words(effect.label)}: p {m.p_value(effect.p)}.")
        for k, effect in enumerate(varying.effects)
    ]
    p = m.p_value(varying.p)
    patients = f"{m.number(varying.n)} patients, {m.number(varying.events)} recurrences"
    text = f"No sign that the hazard ratios change with time (score test of all together, p {p}; {patients})."
    by_period = ""
    if varying.periods:
        text = (
            f"The hazard ratios change with time (score test of all together, p {p}; {patients}), so one hazard ratio for "
            "all years is an average. The model is served with that average; the hazard ratios by period say how far off it is."
        )
        heads = ["Period", "Followed", "Recurrences", *(m.words(effect.label) for effect in varying.effects)]
        rows = []
        for period in varying.periods:
            begin = written(period.begin, 0)
            name = (
                f"from {begin} years" if period.end is None else f"{begin} to {written(period.end, 0)} years"
            )
            ratios = [m.measure(ratio) for ratio in period.hazard_ratios]
            rows.append([name, m.number(period.n), m.number(period.events), *ratios])
        by_period = m.table("Hazard ratios by period (95 % limits)", heads, rows)
    return m.section(
        "effects",
        "Effects over time",
        f"<p>{text}</p>",
        f'<div class="three">{"".join(figures)}</div>',
        f'<p class="note">{_NOTE}</p>',
        by_period,
    )
