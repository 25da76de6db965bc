"""Which moment it is, as far as the clock of the machine can be believed.

One that stands at 1970 puts every diagnosis into the future, and each patient's answer would be an empty list; one at the
end of the calendar would forget all feedback.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from cds_service.errors import ClockError

_EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)  # a clock without a battery begins at 1970, 2000 or 2010
_LATEST = datetime(2126, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


def believed(clock: Callable[[], datetime]) -> datetime:
    """Return the moment that a clock gives; raises ClockError for one that cannot be now."""
    now = clock()
    if not _EARLIEST <= now < _LATEST:
        raise ClockError("the clock of this service is wrong", audit={"outcome": "wrong clock"})
    return now
