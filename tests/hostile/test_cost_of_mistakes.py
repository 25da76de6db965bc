"""A megabyte of mistakes costs no more than a megabyte of feedback. Measured without coverage, which traces each step."""

import json
import time

import pytest

from cds_service.errors import InvalidRequestError
from cds_service.settings.limits import Limits
from cds_service.web.feedback import read
from tests.support.byte_corpus import ITEM

HUGE = {
    "300,000 empty items": b'{"feedback": [' + b"{}," * 300_000 + b"{}]}",
    "60,000 wrong suggestions": json.dumps(
        {"feedback": ITEM | {"acceptedSuggestions": [{"id": 1}] * 60_000}}
    ).encode(),
    "200,000 wrong reasons": json.dumps({"feedback": ITEM | {"overrideReason": [1] * 200_000}}).encode(),
    "a megabyte of brackets": json.dumps({"feedback": ITEM | {"outcome": "[{" * 500_000}}).encode(),
}


@pytest.mark.parametrize("body", HUGE.values(), ids=HUGE)
def test_a_megabyte_of_mistakes_in_feedback_costs_less_than_a_second_of_cpu(body):
    limits = Limits()
    assert len(body) <= limits.feedback_bytes
    begun = time.process_time()
    with pytest.raises(InvalidRequestError):
        read(body, "imnm-recurrence", limits)
    assert time.process_time() - begun < 1  # naming every mistake of the first takes 5 s
