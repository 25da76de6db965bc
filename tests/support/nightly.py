"""How many cases a test draws: few on every push, many with the environment variable `IMNM_NIGHTLY=1`."""

import os

NIGHTLY = bool(os.environ.get("IMNM_NIGHTLY"))


def count(small: int, nightly: int) -> int:
    """Return how many cases this run draws."""
    return nightly if NIGHTLY else small
