"""What we bound: every limit on the outside world, with its unit and its reason (`docs/configuration.md`)."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds that hold unless a client's `answer_seconds`, a command or a test gives others."""

    body_bytes: int = 16 * 1024 * 1024  # a chart of 2,000 results is 4 MB; 16 MiB stop the loop for 20 ms
    envelope_bytes: int = 256 * 1024  # a request without its prefetch is a few kB, with a long token 20 kB
    json_depth: int = 64  # levels of envelope, feedback, token or key set, of which fewer than 10 are read
    id_characters: int = 256  # FHIR ids have 64, Epic's opaque ones 54
    answer_seconds: float = 2.0  # the whole answer; CDS Hooks clients give up soon after, users before
    render_seconds: float = 0.4  # of these, kept for assessing and rendering what was read by then
    response_bytes: int = 8 * 1024 * 1024  # one page of 100 resources of a verbose server is 0.5 MB
    chart_bytes: int = 24 * 1024 * 1024  # all pages of one chart: memory of one call
    chart_values: int = 200_000  # of one chart: the largest sample has 31,752, 2,000 results of 2 kB 156,842
    inline_values: int = 2_000  # worked on at once, in 60 ms at most; a chart with more of them on a thread
    inline_bytes: int = 128 * 1024  # read at once, in 2 ms at most; what has more of them on a thread
    chart_requests: int = 120  # 17 queries, their pages, and medications by reference
    query_pages: int = 20  # 2,000 resources a query
    parallel_requests: int = 8  # towards one FHIR server for one chart: an EHR must not feel us
    url_characters: int = 1500  # proxies cut at 2,000 and more; longer queries go by POST _search
    retry_seconds: float = 0.5  # the longest Retry-After that is worth waiting for
    parallel_calls: int = 100  # hook calls at once in one process; beyond it 503
    head_bytes: int = 32 * 1024  # request line and headers; a token has 16 kB at most
    head_seconds: float = 5.0  # from the first byte of a request to the end of its head; by mobile line 1 s
    idle_seconds: float = 5.0  # a connection without a request, at its start and between two
    surplus_bytes: int = 1024 * 1024  # of a body that go on arriving after its answer
    surplus_seconds: float = 2.0  # for the same
    send_seconds: float = 10.0  # in which a caller must read something of an answer
    client_connections: int = 1000  # of callers, in one process; 20 kB each
    peer_connections: int = 500  # of these, from one address: a hospital behind one proxy has some 50
    bodies: int = 256  # that are being received at once in one process
    bodies_bytes: int = 128 * 1024 * 1024  # of these together; 8 of the largest
    lag_seconds: float = 0.25  # how late the event loop may be, an average of some 0.2 s; beyond it 503
    start_seconds: float = 1.0  # a call's wait for its start: half an answer; a burst of 60 takes 0.8 s
    client_calls: int = 40  # hook calls at once for one client: two whose servers hang leave 20 to others
    connections: int = 100  # to each FHIR server of a client in one process, beside those for a second try
    client_requests: int = 60_000  # to a client's FHIR servers a minute: 50 charts of the disease a second
    client_bytes: int = 4 * 1024**3  # of their answers a minute: 570 Mbit/s, 8,000 charts of 0.5 MB
    failures_in_a_row: int = 20  # of one FHIR server, 3 to 8 a chart; then it rests
    rest_seconds: float = 5.0  # it is left alone so long; the next chart opened after an outage is read
    feedback_bytes: int = 1024 * 1024  # a batch of 1,000 items with comments is 0.5 MB
    feedback_items: int = 2_000  # of a batch: as many as 1 MiB holds with their comments; read in 0.3 s
    feedback_calls: int = 20  # of one client at once, 20 MiB; one after the other is read and stored
    store_seconds: float = 1.5  # waiting for the disk or another process before feedback ends with 503
    forgotten_rows: int = 500  # too old ones of a kind, deleted with one write: some 10 ms on a busy machine
    memory_seconds: float = 0.1  # waiting for what the store knows of a card before the card is shown
    keys_bytes: int = 64 * 1024  # a set of a dozen RSA keys with certificates is 30 kB
    keys_seconds: float = 1.0  # waiting for a key set: half of the answer's time
    keys_fresh_seconds: float = 60.0  # a key that was withdrawn is refused after that
    keys_pause_seconds: float = 30.0  # between two requests for a set that is there: a kid is free to invent
    keys_retry_seconds: float = 5.0  # the same where there is none: without one every call is refused
    keys_kept_seconds: float = 24 * 3600.0  # a set whose address fails: a night's outage, no thief's holiday

    def answering_within(self, seconds: float | None) -> "Limits":
        """Return the limits of a client that has its own `answer_seconds`; None: it has none."""
        return self if seconds is None else replace(self, answer_seconds=seconds)

    @property
    def gather_seconds(self) -> float:
        """The time until which the record must be read, from the start of the call."""
        return self.answer_seconds - self.render_seconds
