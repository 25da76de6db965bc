"""The sample patients give the same card by every way in which a chart can reach us."""

import itertools

import pytest

from tests.golden.charts import NAMES, cards, explained, prefetch, queries

KEYS = list(queries())
GROUPS = [
    ["patient"],
    ["conditions"],
    ["antibodies"],
    ["ana", "bloodCount"],
    ["enzymes"],
    ["cardiacTests", "lungFunction"],
    [k for k in KEYS if k.startswith("medication")],
    ["encounters", "appointments", "orders", "procedures", "reports"],
]


@pytest.mark.parametrize("name", NAMES)
async def test_the_card_is_the_same_with_full_prefetch_each_key_alone_and_each_key_missing(name):
    whole = await prefetch(name)
    ways = [
        whole,
        *({k: whole[k]} for k in KEYS),
        *({k: v for k, v in whole.items() if k != gone} for gone in KEYS),
    ]
    expected = explained(name)["cards"]
    different = [sorted(way) for way in ways if await cards(name, way) != expected]
    assert different == []


@pytest.mark.parametrize("size", range(len(GROUPS) + 1))
@pytest.mark.parametrize("name", ["high-overdue", "low-quiet", "too-few"])
async def test_the_card_is_the_same_through_every_subset_of_eight_groups_of_keys(name, size):
    whole = await prefetch(name)
    expected = explained(name)["cards"]
    different = []
    for groups in itertools.combinations(GROUPS, size):
        given = {key: whole[key] for key in itertools.chain.from_iterable(groups)}
        if await cards(name, given) != expected:
            different.append(sorted(given))
    assert different == []
