"""How many cases a long test runs: few on every push, all of them where `IMNM_NIGHTLY=1` is set (`make nightly`)."""

import os

NIGHTLY = bool(os.environ.get("IMNM_NIGHTLY"))


def count(small: int, nightly: int) -> int:
    """Return the number for this run."""
    return nightly if NIGHTLY else small
