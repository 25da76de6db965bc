"""What a test needs of the machine: skipped with one line where it is missing, or failed where everything must run."""

import os

import pytest


def need(present: bool, what: str) -> None:
    """Skip the test and say what is missing; with IMNM_REQUIRE_ALL=1 fail it."""
    if present:
        return
    if os.environ.get("IMNM_REQUIRE_ALL") == "1":
        pytest.fail(f"missing: {what}", pytrace=False)
    pytest.skip(f"missing: {what}")
