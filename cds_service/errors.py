"""Everything that can end a request without cards, grouped by whose fault it is.

ServiceError
├── CallerError                   the request is wrong; sending it again as it is does not help
│   ├── InvalidRequestError       400  invalid        not the JSON, the members or the ids that the hook needs
│   ├── NotProvedError            401  login          no token that proves who calls; the answer is empty
│   ├── UnknownClientError        403  forbidden      fhirServer belongs to no configured client
│   ├── NoSuchServiceError        404  not-found
│   ├── MethodNotAllowedError     405  not-supported
│   ├── TooSlowError              408  timeout        the request did not arrive in time               retry helps
│   ├── QuotaError                429  throttled      more feedback in a day than the client may send  retry helps
│   ├── BodyTooLargeError         413  too-long
│   ├── UnsupportedBodyError      415  not-supported  not JSON in UTF-8, or compressed
│   └── MisdirectedError          421  forbidden      Host is not one of ours
├── EhrError                      the request is fine, the record cannot be had
│   ├── EligibilityUnknownError   412  incomplete     what tells who has the disease unread or unused  retry helps
│   └── OtherVersionError         412  not-supported  FHIR of a version that this client does not have
└── OwnError                      our fault
    ├── InternalError             500  exception
    ├── BusyError                 503  throttled      more at once than we take, or not started yet    retry helps
    ├── StoreError                503  transient      the store did not answer, or could not write     retry helps
    └── ClockError                503  transient      the clock of this machine cannot be right        retry helps

UnusableInput                     a file or address given on the command line; ends a command, never a request

A message never repeats input, patient data, tokens or a stack trace: it names members, limits and states.
"""

import json
from collections.abc import Mapping
from typing import ClassVar

from pydantic import ValidationError


class ServiceError(Exception):
    """Ends a request with an OperationOutcome. `retry_helps`: the same request may succeed a little later.

    The message is ours, never input.
    """

    status: ClassVar[int]
    issue: ClassVar[str]  # a code of the FHIR value set issue-type
    retry_helps: ClassVar[bool] = False
    retry_after_s: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        headers: Mapping[str, str] | None = None,
        audit: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.audit = dict(audit or {})  # fields of the audit event; the answer has none of them
        self._headers = dict(headers or {})

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that belong to the answer: `Retry-After` (s) where a retry helps, `Allow` for 405."""
        return self._headers | ({"Retry-After": str(self.retry_after_s)} if self.retry_helps else {})

    def body(self) -> bytes:
        """Return the answer as a FHIR OperationOutcome with one issue, as JSON bytes."""
        entry = {"severity": "error", "code": self.issue, "diagnostics": self.message}
        return json.dumps({"resourceType": "OperationOutcome", "issue": [entry]}).encode()


class CallerError(ServiceError):
    """The request is wrong."""


class InvalidRequestError(CallerError):
    """Not the JSON, the members or the ids that the hook needs."""

    status, issue = 400, "invalid"


class NotProvedError(CallerError):
    """No token that proves who calls. Why not stands in the audit alone: the answer is the same for all."""

    status, issue = 401, "login"

    def __init__(self, audit: Mapping[str, object] | None = None) -> None:
        super().__init__("not proved", {"WWW-Authenticate": "Bearer"}, audit)

    def body(self) -> bytes:
        """Return nothing: a reason would tell a forger what to mend."""
        return b""


class UnknownClientError(CallerError):
    """`fhirServer` belongs to no configured client, or nothing in the request says which client this is."""

    status, issue = 403, "forbidden"


class NoSuchServiceError(CallerError):
    """Nothing lives at this address."""

    status, issue = 404, "not-found"


class MethodNotAllowedError(CallerError):
    """The address exists, but not for this method."""

    status, issue = 405, "not-supported"


class TooSlowError(CallerError):
    """Head or body did not arrive in time, or came so slowly that others had to wait."""

    status, issue, retry_helps = 408, "timeout", True


class BodyTooLargeError(CallerError):
    """More bytes than a request may have."""

    status, issue = 413, "too-long"


class QuotaError(CallerError):
    """More new feedback in 24 hours than the client may send; nothing of the call is stored."""

    status, issue, retry_helps = 429, "throttled", True
    retry_after_s = 3600


class UnsupportedBodyError(CallerError):
    """Not JSON in UTF-8, or compressed."""

    status, issue = 415, "not-supported"


class MisdirectedError(CallerError):
    """`Host` is not one of the names under which the service is called."""

    status, issue = 421, "forbidden"


class EhrError(ServiceError):
    """The request is fine, but the record cannot be had."""


class EligibilityUnknownError(EhrError):
    """What says whether this is an IMNM patient could not be read (see `fhir/gather.py`), or not be used (U4)."""

    status, issue, retry_helps = 412, "incomplete", True
    retry_after_s = 5


class OtherVersionError(EhrError):
    """Body or server speak a FHIR version that this client is not configured for."""

    status, issue = 412, "not-supported"


class OwnError(ServiceError):
    """Our fault."""


class InternalError(OwnError):
    """Something that should not have happened."""

    status, issue = 500, "exception"


class BusyError(OwnError):
    """More calls, bodies or feedback at once than we take; no event can be written; or the start is not over."""

    status, issue, retry_helps = 503, "throttled", True


class StoreError(OwnError):
    """The store did not answer or could not write: nothing was acknowledged, and no token accepted."""

    status, issue, retry_helps = 503, "transient", True


class ClockError(OwnError):
    """The clock of this machine cannot be right: nothing of a record can be judged by it."""

    status, issue, retry_helps = 503, "transient", True


class UnusableInput(ValueError):  # noqa: N818 - it ends a command with one line, it is no error in the program
    """What was given on the command line cannot be used; the message is one sentence."""


def first_problem(error: ValidationError) -> tuple[str, str, str]:
    """Return of the first problem that pydantic names where it stands, its type, and what it says; never the value."""
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"])
    return "".join(parts).lstrip("."), problem["type"], problem["msg"].removeprefix("Value error, ")
