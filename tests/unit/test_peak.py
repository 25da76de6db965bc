"""Which CK is the peak where bounds leave it open, held against every number that they allow (R1, R4)."""

from decimal import Decimal
from itertools import product

import pytest
from msgspec.structs import replace

from fhir_mapping.rules.activity import activity
from tests.support.facts import record, result

WRITTEN = [Decimal(number) for number in (700, 1400, 1500, 1800, 2000)]
NEAR = [Decimal(text) for text in ("0", "1e-3", "-1e-3")]
GRID = sorted(
    {Decimal(0), Decimal("1e6"), *(times * n + d for times in (1, 2) for n in WRITTEN for d in NEAR)}
)
ALLOWS = {"<": Decimal.__lt__, "<=": Decimal.__le__, ">": Decimal.__gt__, ">=": Decimal.__ge__}
KINDS = [
    *(("", 1500, None), ("", 700, None), ("<", 1500, None), ("<=", 1500, None), (">=", 1500, None)),
    *((">", 700, None), (">", 1800, None), ("", 1400, 1500), ("", 700, 2000), ("", 1500, 2000)),
]
LATEST = result("ck", 900, 100, resource="Observation/latest")


def ck(kind, days):
    comparator, number, upto = kind
    one = result("ck", number, days, comparator, resource=f"Observation/{days}")
    return one if upto is None else replace(one, amount=replace(one.amount, upto=Decimal(upto)))


def allowed(kind):
    comparator, number, upto = kind
    if comparator:
        return [x for x in GRID if ALLOWS[comparator](x, Decimal(number))]
    return [x for x in GRID if number <= x <= (upto or number)]


def has_fallen(cks):
    """Whether one after the highest, of several the earliest, is at most half of it."""
    peak = max(cks)
    return any(2 * ck <= peak for ck in cks[cks.index(peak) :])


@pytest.mark.parametrize("first", KINDS)
def test_ck_has_fallen_from_its_peak_or_not_or_nobody_knows_as_all_that_bounds_allow_say(first):
    for second, third in product(KINDS, KINDS):
        kinds = (first, second, third)
        every = {has_fallen([*cks, Decimal(900)]) for cks in product(*map(allowed, kinds))}
        expected = {(True,): "improving", (False,): "active"}.get(tuple(every), "unknown")
        cks = [ck(kind, days) for kind, days in zip(kinds, (400, 300, 200), strict=True)]
        assert activity(record(*cks, LATEST)).phase == expected, kinds
