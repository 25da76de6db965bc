"""`python -m tests.bench.delay`: how slow a FHIR server may be at each request for a chart without prefetch to be scored.

Each cell is one chart (17 requests, in three waves) read from the simulator, which waits so long before each answer.
"""

import asyncio

from rich.console import Console
from rich.table import Table

from cds_service.settings.client import Client
from cds_service.settings.service import Settings
from tests.support.charts import healthy_chart, imnm_chart
from tests.support.ehr_simulator import BASE, EhrSimulator
from tests.support.service import call_body, running

DELAYS_MS = (50, 100, 200, 300, 400, 500, 600, 700, 800, 1000, 1500)
ANSWER_S = (2.0, 5.0, 10.0)


async def outcome(delay_ms: int, answer_seconds: float, *, ill: bool) -> str:
    """What becomes of one chart, as the audit names it."""
    ehr = EhrSimulator(imnm_chart() if ill else healthy_chart("p1"), delay=delay_ms / 1000)
    client = Client(name="bench", fhir_base=BASE, accept_unknown_status=True, answer_seconds=answer_seconds)
    async with running(ehr, Settings(client=(client,))) as service:
        await service.hook(call_body())
        (audit,) = service.audits()
    return f"{audit['outcome']}, {audit['milliseconds'] / 1000:.1f} s"


async def measure() -> Table:
    """One row for each delay, one column for each patience."""
    table = Table("delay of each request")
    for kind in ("IMNM", "without IMNM"):
        for seconds in ANSWER_S:
            table.add_column(f"{kind}, answer_seconds {seconds:g}")
    for delay_ms in DELAYS_MS:
        cells = [await outcome(delay_ms, s, ill=ill) for ill in (True, False) for s in ANSWER_S]
        table.add_row(f"{delay_ms} ms", *cells)
    return table


if __name__ == "__main__":
    Console(width=200).print(asyncio.run(measure()))
