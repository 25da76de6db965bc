"""How much of a long test runs: a little with every change, all of it at night."""

import os

NIGHTLY = bool(os.environ.get("IMNM_NIGHTLY"))


def count(small: int, nightly: int) -> int:
    """The number of repetitions that this run can afford."""
    return nightly if NIGHTLY else small
