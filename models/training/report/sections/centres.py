"""Performance by centre, and how much centres differ."""

from models.training.report import markup as m
from models.training.report.figures.centres import centres_figure
from models.training.report.figures.gallery import Gallery
from models.training.validation.groups import in_words
from models.training.validation.supplement.centres import Centres
from models.training.validation.supplement.pooling import AcrossCentres

_FEW = 5  # centres: the spread between fewer is hardly known
_CAPTION = (
    "Patients (recurrences) of each centre. Diamond: mean of the centres by random effects (REML; limits by Hartung and "
    "Knapp). Dashed: where another centre like these would lie (95 % prediction interval)."
)


def centres(by_centre: Centres | None, years: float, gallery: Gallery) -> str:
    """The section; nothing where fewer than two centres are named."""
    if by_centre is None:
        return ""
    how = "The model as it is, at each centre."
    if by_centre.left_out:
        how = (
            "The model was made anew without each centre, by the same steps, and tried there (internal-external "
            "validation)."
        )
    not_shown = ""
    if by_centre.small:
        not_shown += f" {m.number(by_centre.small)} centres with fewer than five patients each are not shown."
    if by_centre.incomplete:
        not_shown += (
            f" {m.number(by_centre.incomplete)} patients of whom a predictor is unknown are left aside."
        )
    if by_centre.unknown:
        not_shown += f" {m.number(by_centre.unknown)} patients without a centre are left aside."
    return m.section(
        "centres",
        "Centres",
        f"<p>{how} Observed over expected: at {in_words(years)}.{not_shown}</p>",
        gallery.show(centres_figure(by_centre), _CAPTION),
        m.listed(
            [
                *_in_words("Harrell’s C", by_centre.concordance),
                *_in_words("Observed over expected", by_centre.observed_over_expected),
                *_in_words("The calibration slope", by_centre.slope),
            ]
        ),
        _table(by_centre),
    )


def _in_words(name: str, pooled: AcrossCentres) -> list[str]:
    """What the spread between centres means."""
    if pooled.mean.value is None or pooled.i_squared is None:
        return [f"{name}: {m.words(pooled.mean.reason)}."]
    spread = "centres differ no more than by chance"
    if pooled.tau_squared:
        beyond = m.number(pooled.i_squared, 0, percent=True)
        spread = f"{beyond} % of the spread between centres is more than chance (I²)"
    text = f"{name}: {m.measure(pooled.mean)} on average; {spread} (τ² {m.number(pooled.tau_squared, 3)}, p {m.p_value(pooled.p)})."
    if pooled.predicted.value is not None:
        low, high = m.number(pooled.predicted.low), m.number(pooled.predicted.high)
        text += f" At another centre like these it would lie between {low} and {high}."
    if pooled.centres < _FEW:
        text += f" {m.number(pooled.centres)} centres are too few to know how far centres differ."
    return [text]


def _table(by_centre: Centres) -> str:
    rows = [
        [
            m.words(centre.label),
            m.number(centre.performance.n),
            m.number(centre.performance.events),
            *([m.number(centre.others)] if by_centre.left_out else []),
            m.measure(centre.performance.concordance),
            m.number(centre.performance.expected, 0, percent=True),
            m.measure(centre.performance.observed, 0, percent=True),
            m.measure(centre.performance.observed_over_expected),
            m.measure(centre.performance.slope),
        ]
        for centre in by_centre.centres
    ]
    heads = ["Centre", "Patients", "Recurrences", *(["Fitted to others"] if by_centre.left_out else [])]
    heads += ["Harrell’s C", "Predicted, %", "Observed, %", "Observed over expected", "Calibration slope"]
    return m.table("By centre (95 % limits)", heads, rows)
