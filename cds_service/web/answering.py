"""How every call ends: with one JSON answer and one audit event, whatever happens.

Every answer that is not what was asked for is a FHIR OperationOutcome.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from cds_service.errors import BusyError, InternalError, ServiceError
from cds_service.events import Event
from cds_service.web.audit import crash
from cds_service.web.pipeline import Call, Parts

Work = Callable[[Call, Parts], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: the result as JSON, or an OperationOutcome."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


async def answer(work: Work, call: Call, parts: Parts, event: Event) -> Answer:
    """Do the work of one call and write its audit event; raises no Exception."""
    result = Answer(0, b"")  # stays so only if the call is cancelled
    try:
        if parts.turns.locked():
            raise BusyError("too many calls at once")  # noqa: TRY301 - told like every other refusal
        async with parts.turns:
            result = Answer(200, msgspec.json.encode(await work(call, parts)))
    except ServiceError as error:
        call.audit.update(error.audit)
        result = Answer(error.status, error.body(), error.headers)
    except Exception as error:  # noqa: BLE001 - the last line of defence; nothing of its message is said
        call.audit["outcome"] = "crashed"
        parts.events.emit(Event.CRASHED, **crash(error))
        result = Answer(InternalError.status, InternalError("something went wrong in this service").body())
    finally:
        said = {"service": call.service, "outcome": "refused", "status": result.status} | call.audit
        elapsed = asyncio.get_running_loop().time() - call.begun
        parts.events.emit(event, **said, milliseconds=elapsed * 1000)
    return result
