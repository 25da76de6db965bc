"""One connection of a caller: what each part of a request may take, and requests that have one reading only."""

import asyncio
from typing import Any

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol
from uvicorn.server import ServerState

from cds_service.errors import InvalidRequestError, ServiceError, TooSlowError
from cds_service.events import Event
from cds_service.web.ingress.arrival import Arrival
from cds_service.web.ingress.door import Door
from cds_service.web.ingress.strict import StrictParser

_STEP = 16 * 1024  # bytes that count as progress of a body


class IncomingConnection(H11Protocol):
    """uvicorn's protocol with an end to everything: the head, what follows an answer, and an answer nobody reads."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._door: Door = app_state["door"]
        self._limits = self._door.limits
        self.conn = self._parser = StrictParser(self._limits.head_bytes)
        self._served = self.app
        self.app = self._serve
        self._arrival: Arrival | None = None  # of the request whose first byte came
        self._fresh = 0  # bytes of a body since it last made progress
        self._surplus = 0  # bytes of a body that came after its answer
        self._timer: asyncio.TimerHandle | None = None
        self.peer = ""

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and wait for a request as for the next one of a kept connection."""
        super().connection_made(transport)
        self.peer = self.client[0] if self.client else ""
        if self._door.admit(self):
            self._rest()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of a caller that left."""
        if self._arrival and self._answering:
            self._arrival.left = True
        self._stop()
        self._door.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; the time of a request begins with its first byte."""
        if self.transport.is_closing():
            return
        if self._answering:
            super().data_received(data)
            self._moved(len(data))
            return
        if self.conn.their_state is h11.SEND_BODY:
            self._surplus += len(data)
            if self._surplus > self._limits.surplus_bytes:
                self.transport.abort()
                return
        elif self._arrival is None:
            self._arrival = Arrival(self.loop.time())
            self._within(self._limits.head_seconds)
        super().data_received(data)
        self._settle()

    def on_response_complete(self) -> None:
        """Go on with the next request, or with what is left of the body."""
        self._arrival = None
        super().on_response_complete()
        if not self.transport.is_closing():
            self._settle()

    def pause_writing(self) -> None:
        """Give a caller that does not read its answers a last chance."""
        super().pause_writing()
        self._within(self._limits.send_seconds)

    def resume_writing(self) -> None:
        """It reads."""
        super().resume_writing()
        self._settle()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or has two readings, and end the connection: nothing after it is a request."""
        del msg  # uvicorn's words
        self._refuse(
            self._parser.hint, InvalidRequestError("this is not a request of HTTP/1.1 with one reading")
        )

    def make_room(self) -> None:
        """End at once, for another connection."""
        self._late("crowded")

    def _settle(self) -> None:
        """Set the time for what comes next, after each step."""
        if self.transport.is_closing():
            self._stop()
        elif self._answering:
            # A further answer that waits for the same caller to read has no more time than the one before
            if not self.flow.write_paused:
                self._stop()
            self._fresh = 0
            self._moved(_STEP)
            if self._arrival is None:  # it came together with the one before
                self._arrival = Arrival(self.loop.time())
        elif self.conn.their_state is h11.SEND_BODY:
            self._within(self._limits.surplus_seconds, keep=True)
        elif self._arrival is None or self._surplus:
            self._arrival, self._surplus = None, 0
            self._rest()

    def _moved(self, size: int) -> None:
        """Take note of a request that is there, or of a body that comes on."""
        self._fresh += size
        if self.conn.their_state is not h11.SEND_BODY:
            self._door.busy(self)
        elif self._fresh >= _STEP:
            self._fresh = 0
            self._door.wait(self)

    def _rest(self) -> None:
        self._door.wait(self)
        self._within(self._limits.idle_seconds)

    def _within(self, seconds: float, *, keep: bool = False) -> None:
        """End the connection after so many seconds; `keep`: unless it ends sooner already."""
        if keep and self._timer is not None:
            return
        self._stop()
        self._timer = self.loop.call_later(seconds, self._late)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self, outcome: str = "late") -> None:
        self._timer = None
        receiving = self._answering and self.conn.their_state is h11.SEND_BODY and outcome == "crowded"
        if self._arrival and (receiving or not self._answering) and not self.transport.is_closing():
            self._refuse(408, TooSlowError("the request did not arrive in time"), outcome)
        elif self.transport.get_write_buffer_size():
            self.transport.abort()  # whoever does not read would hold it up for ever
        else:
            self.transport.close()

    def _refuse(self, status: int, error: ServiceError, outcome: str = "not plain HTTP") -> None:
        """Answer instead of the application, say so, and close."""
        self._stop()
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            body = error.body()
            headers = error.headers | {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                "Cache-Control": "no-store",
                "Connection": "close",
            }
            head = f"HTTP/1.1 {status} {STATUS_PHRASES[status].decode()}\r\n"
            head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            self.transport.write(head.encode() + b"\r\n" + body)
        if self._answering and self._arrival:
            self._arrival.refused = status
        elif self._arrival:
            elapsed = (self.loop.time() - self._arrival.begun) * 1000
            self._door.events.emit(
                Event.REQUEST, peer=self.peer, outcome=outcome, status=status, milliseconds=elapsed
            )
        self.transport.close()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what the connection knows of the request."""
        scope["state"]["arrival"] = self._arrival
        await self._served(scope, receive, send)
