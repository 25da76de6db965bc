"""What we bound: every limit on the outside world, with its unit and its reason (`docs/configuration.md`)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound on the outside world, with its unit and its reason."""

    body_bytes: int = (
        16 * 1024 * 1024
    )  # a chart of 2,000 results is 4 MB; parsing 16 MiB stops the loop for 20 ms
    envelope_bytes: int = 256 * 1024  # a request without its prefetch is a few kB, with a long token 20 kB
    json_depth: int = 64  # levels; FHIR resources that we read have fewer than 20
    id_characters: int = 256  # FHIR ids have 64, Epic's opaque ones 54
    answer_seconds: float = 2.0  # the whole answer; CDS Hooks clients give up soon after, users before
    render_seconds: float = 0.4  # of these, kept for assessing and rendering what was read by then
    response_bytes: int = 8 * 1024 * 1024  # one page of 100 resources of a verbose server is 0.5 MB
    chart_bytes: int = 24 * 1024 * 1024  # all pages of one chart: memory of one call
    chart_values: int = (
        200_000  # read for one chart: the largest sample chart has 22,414, 2,000 results 75,957
    )
    inline_values: int = 2_000  # worked on at once, in 60 ms at most; a chart with more of them on a thread
    inline_bytes: int = 128 * 1024  # read at once, in 2 ms at most; what has more of them on a thread
    chart_requests: int = 120  # 17 queries, their pages, and medications by reference
    query_pages: int = 20  # 2,000 resources a query
    parallel_requests: int = 8  # towards one FHIR server for one chart: an EHR must not feel us
    url_characters: int = 1500  # proxies cut at 2,000 and more; longer queries go by POST _search
    retry_seconds: float = 0.5  # the longest Retry-After that is worth waiting for
    parallel_calls: int = 100  # hook calls at once in one process; beyond it 503
    connections: int = 100  # sockets to FHIR servers in one process, beside those for a second try
    feedback_bytes: int = 1024 * 1024  # a batch of 1,000 items with comments is 0.5 MB
    store_seconds: float = 1.5  # waiting for the disk or another process before feedback ends with 503
    memory_seconds: float = 0.1  # waiting for what the store knows of a card before the card is shown

    @property
    def gather_seconds(self) -> float:
        """The time until which the record must be read, from the start of the call."""
        return self.answer_seconds - self.render_seconds
