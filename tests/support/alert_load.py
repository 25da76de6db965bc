"""How many charts of patients with IMNM get a card, by phase and band: `python -m tests.support.alert_load [COUNT]`."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator

from cds_service.cards.assessment import Assessment
from cds_service.cards.card_settings import CardSettings
from cds_service.cards.why import why
from tests.support.imnm_charts import imnm_charts

SEED, COUNT = 1, 5000
PHASES = ("relapse", "rising", "active", "improving", "unknown", "controlled")
BANDS = ("low", "intermediate", "high", "uncertain", "abstained")
SILENT = "nothing to say"


def band_of(assessment: Assessment) -> str:
    """The band, or that there is none."""
    return (assessment.advice and assessment.advice.band) or "abstained"


def table(assessments: Iterable[Assessment]) -> Iterator[str]:
    """The lines of a Markdown table: charts with a card of all charts, by phase and band; then why there is a card."""
    charts: Counter[tuple[str, str]] = Counter()
    cards: Counter[tuple[str, str]] = Counter()
    reasons: Counter[str] = Counter()
    for assessment in assessments:
        key = (assessment.findings.phase, band_of(assessment))
        reason = why(assessment, CardSettings())
        charts[key] += 1
        cards[key] += reason != SILENT
        reasons[reason] += 1
    yield f"| Phase | {' | '.join(BANDS)} | all |"
    yield f"| --- |{' ---: |' * (len(BANDS) + 1)}"
    for phase in PHASES:
        of_phase = [(cards[phase, band], charts[phase, band]) for band in BANDS]
        yield f"| {phase} | {' | '.join(_share(*pair) for pair in [*of_phase, _sum(of_phase)])} |"
    of_band = [_sum([(cards[phase, band], charts[phase, band]) for phase in PHASES]) for band in BANDS]
    yield f"| all | {' | '.join(_share(*pair) for pair in [*of_band, _sum(of_band)])} |"
    yield ""
    yield from (f"{reason}: {count}" for reason, count in reasons.most_common())


def _sum(pairs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    with_card, of = zip(*pairs, strict=True)
    return sum(with_card), sum(of)


def _share(with_card: int, of: int) -> str:
    return f"{with_card}/{of} ({100 * with_card / of:.0f} %)" if of else "0"


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    for line in table(assessment for _, assessment in imnm_charts(SEED, count)):
        print(line)
