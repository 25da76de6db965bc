"""`patient-view`: a chart is opened."""

from cds_service.settings.limits import Limits
from cds_service.web.body import HookRequest
from cds_service.web.body import read as read_body

NAME = "patient-view"


def read(body: bytes, limits: Limits) -> HookRequest:
    """Read the call; raises InvalidRequestError or BodyTooLargeError."""
    return read_body(body, NAME, limits)


def is_for_clinicians(request: HookRequest) -> bool:
    """Say whether a clinician looks at the chart; a patient or proxy gets no card about a risk unasked."""
    return not request.user_id.startswith(("Patient/", "RelatedPerson/"))
