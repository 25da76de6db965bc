"""The service in this process, without a server: bytes of a hook call in, bytes of its answer out."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message

from cds_service.settings.client import Client
from cds_service.settings.limits import Limits
from cds_service.settings.service import Settings
from cds_service.web.app import create_app
from tests.support.charts import clock
from tests.support.service import ACCEPTED

_A_DAY = 86_400.0  # under valgrind everything takes 50 times as long
_AT_ONCE = Limits(
    inline_bytes=2**40,  # on no thread, where a profiler would not see it
    inline_values=2**40,
    answer_seconds=_A_DAY,
    lag_seconds=_A_DAY,  # one call after the other is no overload, however long each takes
    start_seconds=_A_DAY,
)


class Service:
    """Answers hook calls, one after the other; every check, the audit and doubts are on, authentication is not."""

    def __init__(self, app: ASGIApp, loop: asyncio.AbstractEventLoop) -> None:
        self._app = app
        self._loop = loop

    def answer(self, body: bytes) -> bytes:
        """Answer one call of the hook; fails where it is not answered with 200."""
        return self._loop.run_until_complete(
            self._answered(body)
        )  # Runner.run would handle SIGINT anew each time

    async def _answered(self, body: bytes) -> bytes:
        sent: list[Message] = []
        arrived: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return arrived.pop() if arrived else await asyncio.get_running_loop().create_future()

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"content-type", b"application/json"), (b"host", b"bench")]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": "/cds-services/imnm-recurrence", "raw_path": b"/cds-services/imnm-recurrence", "query_string": b"",
            "root_path": "", "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
        }  # fmt: skip
        await self._app(scope, receive, send)
        assert sent[0]["status"] == 200, sent
        return b"".join(message.get("body", b"") for message in sent[1:])


async def _alone() -> None:
    """End what runs beside calls: how often the watch of the load wakes in one of them depends on the machine."""
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


@contextmanager
def service() -> Iterator[Service]:
    """Run the service until the block ends."""
    settings = Settings(client=(Client(name="bench", accept_unknown_status=True, **ACCEPTED),))
    app = create_app(settings, clock=clock, write=lambda _: None, limits=_AT_ONCE)
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        started = app.router.lifespan_context(app)
        loop.run_until_complete(started.__aenter__())
        loop.run_until_complete(_alone())
        try:
            yield Service(app, loop)
        finally:
            loop.run_until_complete(started.__aexit__(None, None, None))
