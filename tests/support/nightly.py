"""How many: CI has the small counts, `IMNM_NIGHTLY=1` the large ones."""

import os

NIGHTLY = bool(os.environ.get("IMNM_NIGHTLY"))


def count(small: int, nightly: int) -> int:
    return nightly if NIGHTLY else small
