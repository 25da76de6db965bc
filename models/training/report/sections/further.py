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
