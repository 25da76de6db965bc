"""What an answer of a FHIR server is by its status: good, refused, not offered, or a failure (F9)."""

from dataclasses import dataclass

from cds_service.fhir.bundle import UnreadableError, issue_codes
from cds_service.json_text import check_utf_8

PARTIAL, BAD_REQUEST, FORBIDDEN, NOT_FOUND = 206, 400, 403, 404
GOOD = frozenset({200, 203, PARTIAL})  # 203: a proxy changed it; 206: part of it, or so the server says
_REFUSED = frozenset({BAD_REQUEST, 422, 501})
_ASK_OTHERWISE = frozenset({"required", "not-supported"})


class RefusedError(UnreadableError):
    """The server refuses the request as such, and may answer others: 400, 403, 404, 422, 501."""


class NotOfferedError(RefusedError):
    """The server does not offer what was asked for: an absent source, not a failure (F9)."""


class AskOtherwiseError(RefusedError):
    """The server wants other search parameters (400 with `required` or `not-supported`), or none in a body."""

    def __init__(self, status: int = 400, *, not_supported: bool = False) -> None:
        super().__init__(f"HTTP {status}")
        self.not_supported = not_supported


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What came: the status, when to try again, and the body where it is wanted."""

    status: int
    retry_after: str
    body: bytes


def accepted(answer: ServerAnswer) -> ServerAnswer:
    """Return a good answer; anything else says whether it failed or is not offered (F9)."""
    if answer.status in GOOD:
        try:
            check_utf_8(answer.body)  # only the members that are read get decoded later
        except UnicodeDecodeError:
            raise UnreadableError("the answer is not FHIR JSON") from None
        return answer
    if answer.status == BAD_REQUEST:
        codes = issue_codes(answer.body) & _ASK_OTHERWISE
        if codes:
            raise AskOtherwiseError(not_supported="not-supported" in codes)
    if answer.status in {FORBIDDEN, NOT_FOUND}:
        raise NotOfferedError(f"HTTP {answer.status}")
    raise (RefusedError if answer.status in _REFUSED else UnreadableError)(f"HTTP {answer.status}")
