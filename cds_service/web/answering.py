"""How every call ends: with one JSON answer, whatever happens; what its event says is left in `call.audit`.

Every answer that is not what was asked for is a FHIR OperationOutcome, but for the 401, which is empty.
"""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from cds_service.errors import InternalError, ServiceError
from cds_service.web.audit import crash
from cds_service.web.pipeline import Call, Parts

Work = Callable[[Call, Parts], Awaitable[object]]


class Answer(msgspec.Struct, frozen=True):
    """What goes back: the result as JSON, an OperationOutcome, or nothing."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}


async def answer(work: Work, call: Call, parts: Parts) -> Answer:
    """Do the work of one call; raises no Exception."""
    try:
        return Answer(200, msgspec.json.encode(await work(call, parts)))
    except ServiceError as error:
        call.audit.update(error.audit)
        return Answer(error.status, error.body(), error.headers)
    except Exception as error:  # noqa: BLE001 - the last line of defence; nothing of its message is said
        call.audit.update(outcome="crashed", **crash(error))
        return Answer(InternalError.status, InternalError("something went wrong in this service").body())
