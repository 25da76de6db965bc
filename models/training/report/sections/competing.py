"""Death as a competing event: curves, accuracy and calibration with death counted, Fine and Gray's model beside."""

from models.training.report import markup as m
from models.training.report.figures.gallery import Gallery
from models.training.report.figures.incidence import competing_calibration_figure, incidence_figure
from models.training.validation.groups import in_words
from models.training.validation.supplement.competing import CompetingEvents

_CAPTION = "Aalen-Johansen. Thick: recurrence, shaded its 95 % limits; thin: death without a recurrence."
_MEANING = (
    "The served risk is that if nobody died. With death counted fewer can recur, so observed over expected lies lower than "
    "elsewhere in this report: that is what death takes, and no miscalibration of the served risk."
)
_ABSOLUTE = " The absolute risk counts death: it comes from this fit and a model of death, and is not served."
_GRAY = (
    "Refitted in these patients without shrinkage. Cause-specific: among those who are alive and free of recurrence. "
    "Fine and Gray: of ever being seen to recur, the dead kept at risk; limits by its sandwich variance."
)


def competing(death: CompetingEvents, decisive: float, gallery: Gallery) -> str:
    """The section; one sentence where few died, nothing where nobody did."""
    if not death.deaths:
        return ""
    died = f"{m.number(death.deaths)} died without a recurrence ({m.number(death.share, 1, percent=True)} %)"
    if death.reason:
        return m.section(
            "competing",
            "Death as a competing event",
            f"<p>{died}: {m.words(death.reason)}, so no more is shown.</p>",
        )
    absolute = any(accuracy.risk == "absolute" for accuracy in death.accuracy)
    figures = [gallery.show(incidence_figure(death), _CAPTION)]
    drawn = [accuracy for accuracy in death.accuracy if accuracy.years == decisive and accuracy.predicted]
    if drawn:
        caption = f"Risk within {in_words(decisive)}, smoothed by Fine and Gray’s model on a restricted cubic spline."
        shown = gallery.show(competing_calibration_figure(drawn), caption)
        figures.append(f'<div class="half">{shown}</div>')
    ratios = [
        [m.words(ratio.label), m.measure(ratio.cause_specific), m.measure(ratio.subdistribution)]
        for ratio in death.ratios
    ]
    heads = ["Predictor", "Cause-specific (Cox)", "Subdistribution (Fine and Gray)"]
    return m.section(
        "competing",
        "Death as a competing event",
        f"<p>{died}. {_MEANING}{_ABSOLUTE if absolute else ''}</p>",
        *figures,
        _accuracy(death),
        m.table("Hazard ratios, death competing (95 % limits)", heads, ratios, note=_GRAY),
    )


def _accuracy(death: CompetingEvents) -> str:
    rows = [
        [
            f"{in_words(accuracy.years)}, {m.words(accuracy.risk)} risk",
            m.number(accuracy.expected, 1, percent=True),
            m.measure(accuracy.observed, 1, percent=True),
            m.measure(accuracy.observed_over_expected),
            m.measure(accuracy.brier, 3),
            m.measure(accuracy.brier_null, 3),
            m.measure(accuracy.ipa),
            m.measure(accuracy.ici, 1, percent=True),
        ]
        for accuracy in death.accuracy
    ]
    heads = [
        "Horizon",
        "Predicted, %",
        "Observed (Aalen-Johansen), %",
        "Observed over expected",
        "Brier score",
        "Brier of the mean",
        "IPA",
        "ICI, points",
    ]
    return m.table("With death competing (95 % limits)", heads, rows)
