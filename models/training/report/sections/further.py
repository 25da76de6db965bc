"""The sections beyond a validation, in the order of the page."""

from models.risk import DECISION_HORIZON
from models.training.report.figures.gallery import Gallery
from models.training.report.report import Report
from models.training.report.sections.centres import centres
from models.training.report.sections.comparison import comparisons
from models.training.report.sections.competing import competing
from models.training.report.sections.fairness import fairness
from models.training.report.sections.time_varying import time_varying


def further(report: Report, gallery: Gallery) -> list[str]:
    """Those that have something to show."""
    more, years, last = report.supplement, DECISION_HORIZON.years, report.validation.horizons[-1].years
    if more is None:
        return []
    return [
        fairness(more.fairness, years),
        centres(more.centres, years, gallery),
        competing(more.competing, years, gallery),
        time_varying(more.time_varying, last, gallery),
        comparisons(more.comparisons, report.model.id, years),
    ]


def absent_sections(report: Report) -> set[str]:
    """The sections that are not on this page, by name."""
    more, every = report.supplement, {"fairness", "centres", "competing", "effects", "comparison"}
    if more is None:
        return every
    there = {
        "fairness": bool(more.fairness),
        "centres": more.centres is not None,
        "competing": more.competing.deaths > 0,
        "effects": bool(more.time_varying.effects),
        "comparison": bool(more.comparisons),
    }
    return {name for name in every if not there[name]}
