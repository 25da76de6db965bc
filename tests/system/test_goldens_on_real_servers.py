"""The sample patients give the card of their golden on servers that others wrote, however their chart reaches us."""

import pytest

from tests.golden.charts import NAMES, cards, explained, first_pages, prefetch, queries, service_for


@pytest.mark.parametrize("name", NAMES)
async def test_the_card_is_the_same_with_full_prefetch_the_sandboxs_none_and_each_key_missing(server, name):
    whole = await prefetch(name, server.base)
    ways = {"all": whole, "as the sandbox": await first_pages(name, server.base), "none": None}
    ways |= {f"all but {gone}": {k: v for k, v in whole.items() if k != gone} for gone in queries()}
    expected = explained(name)["cards"]
    async with service_for(server.base) as app:
        different = [
            way for way, given in ways.items() if await cards(name, given, server.base, app) != expected
        ]
    assert different == []
