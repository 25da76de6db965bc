"""The long way to judge what is no plain Observation: nothing ends at a glance, nothing that is written alike is read once."""

import pytest

from fhir_mapping import checks
from fhir_mapping.versions import r4
from fhir_mapping.versions.r4_elements import Elements


class Nothing(dict):
    """A memory that keeps nothing."""

    def __setitem__(self, *_):
        pass


def forgetful(*given):
    """Elements of which each is read for itself."""
    memories = ("_times", "_codings", "_resolved", "_concepts", "regimens")
    return Elements(*given, **{name: Nothing() for name in memories})


def ask_everything(patch: pytest.MonkeyPatch) -> None:
    """Take the long way."""
    patch.setattr(checks, "is_beside_the_point", lambda *_: False)
    patch.setattr(r4, "Elements", forgetful)
