"""How much of a long test is run: the small counts on every push, the large ones where `IMNM_NIGHTLY` is set."""

import os

NIGHTLY = bool(os.environ.get("IMNM_NIGHTLY"))


def count(small: int, nightly: int) -> int:
    """The count of this run."""
    return nightly if NIGHTLY else small
