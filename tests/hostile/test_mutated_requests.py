"""A3: any node of a right call is dropped, retyped, doubled, moved or swapped: never another band below the true one.

The chart is that of a patient at high risk whose diagnosis is coded and whose antibody is positive, given as prefetch; no
server answers. One changed node cannot make her another patient's, healthy, or one of low risk: the answer is her card, a
card that says less, or an error in words.
"""

import copy
from collections import Counter
from random import Random

import pytest

from cds_service.demo.patients import chart
from tests.golden.charts import AS_OF
from tests.support import ehr_simulator as sim
from tests.support.ehr_simulator import EhrSimulator
from tests.support.nightly import count
from tests.support.service import call_body, prefetch_of, running

NAME = "high-overdue"
RESOURCES = [entry["resource"] for entry in chart(NAME)["entry"]]
CALL = call_body(NAME, prefetch=prefetch_of(RESOURCES), extension={"com.example": {"a": [1]}})
OTHER = {bool: 1, int: "x", float: [], str: 7, dict: "x", list: 3, type(None): {}}
BANDS = ["low", "intermediate", "high"]
SAME = {"double", "shuffle"}  # what changes nothing that is said
SEEDS = range(8)


def places(node, path=()):
    """The path of every node below the top."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield (*path, key)
        yield from places(value, (*path, key))


PLACES = list(places(CALL))
ENTRIES = [("prefetch", key, "entry") for key, value in CALL["prefetch"].items() if "entry" in value]


def at(call, path):
    for key in path:
        call = call[key]
    return call


def drop(call, path, random):
    del at(call, path[:-1])[path[-1]]


def json_type(value):
    return float if type(value) is int else type(value)


def retype(call, path, random):
    """Another JSON type; another number in place of one would be read, and rightly."""
    parent, key = at(call, path[:-1]), path[-1]
    others = [other for other in OTHER.values() if json_type(other) is not json_type(parent[key])]
    parent[key] = random.choice([*others, None if parent[key] is not None else 0, {"x": parent[key]}])


def swap(call, path, random):
    """Exchange the node with another of its parent: values under wrong names."""
    parent = at(call, path[:-1])
    keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
    other = random.choice(keys)
    parent[path[-1]], parent[other] = parent[other], parent[path[-1]]


def double(call, path, random):
    """An entry stands twice."""
    entries = at(call, random.choice(ENTRIES))
    entries.insert(random.randrange(len(entries) + 1), copy.deepcopy(random.choice(entries)))


def shuffle(call, path, random):
    """The members of an object, and the entries of a Bundle, in another order."""
    parent = at(call, path[:-1])
    if isinstance(parent, dict):
        pairs = list(parent.items())
        random.shuffle(pairs)
        parent.clear()
        parent.update(pairs)
    random.shuffle(at(call, random.choice(ENTRIES)))


WAYS = {way.__name__: way for way in (drop, retype, swap, double, shuffle)}


def mutated(random):
    """A call with one node changed; the way, and where."""
    call, way, path = copy.deepcopy(CALL), random.choice(list(WAYS)), random.choice(PLACES)
    WAYS[way](call, path, random)
    return call, way, path


def told(content):
    return [(card["summary"], card["detail"]) for card in content["cards"]]


def flaw(way, path, response, audit, clean):
    """What is wrong with an answer; empty where it is the card, a card that says less, or an error in words.

    A result whose code was exchanged with a value beside it says readably that it is something else.
    """
    content = response.json()
    if way in SAME:
        return "" if response.status_code == 200 and told(content) == clean else "not the same card"
    if response.status_code != 200:
        honest = 400 <= response.status_code < 500 and content["resourceType"] == "OperationOutcome"
        return "" if honest else f"status {response.status_code}"
    if not content["cards"]:
        return "silence"
    is_another = way == "swap" and "code" in path[4:6]
    lower = audit["band"] in BANDS and BANDS.index(audit["band"]) < BANDS.index("high")
    return f"band {audit['band']}" if lower and not is_another else ""


@pytest.mark.thorough
@pytest.mark.parametrize("seed", SEEDS)
async def test_one_changed_node_never_lowers_the_band_and_never_ends_in_silence_or_a_crash(seed):
    random, ways = Random(seed), Counter()
    async with running(EhrSimulator().bend(sim.refuse_connection), now=lambda: AS_OF) as server:
        clean = told((await server.hook(CALL)).json())
        assert server.audits()[0]["band"] == "high"
        for _ in range(count(320, 50_000) // len(SEEDS)):
            call, way, path = mutated(random)
            server.lines.clear()
            response = await server.hook(call)
            said = flaw(way, path, response, server.audits()[0], clean)
            assert not said, (said, way, path, response.text[:300])
            ways[way, response.status_code] += 1
    assert {way for way, _ in ways} == set(WAYS)


@pytest.mark.parametrize("number", [28, 49])
async def test_a_flag_beside_no_number_leaves_a_result_unread_and_ends_in_no_crash(number):
    """A CK that is called high and has no value stopped the assessment of the whole chart."""
    call = copy.deepcopy(CALL)
    result = call["prefetch"]["enzymes"]["entry"][number]["resource"]
    assert result["interpretation"]
    del result["valueQuantity"]
    async with running(EhrSimulator().bend(sim.refuse_connection), now=lambda: AS_OF) as service:
        response = await service.hook(call)
    assert response.status_code == 200
    assert len(response.json()["cards"]) == 1


NEWEST_ALT = 59
CODES = [
    *(3, None, {}, [], [3], "ALT", [{}], [{"system": "http://loinc.org"}], [{"display": "ALT"}]),
    *([{"code": "1742-6"}], [{"system": 3, "code": "1742-6"}], [{"system": "http://loinc.org", "code": 17}]),
]


@pytest.mark.parametrize("coding", CODES, ids=str)
async def test_a_newer_alt_whose_code_cannot_be_read_keeps_an_older_pair_from_deciding(coding):
    """It was dropped with its name beside it: the pair before it decided, and the risk fell from 57 to 28 %."""
    call = copy.deepcopy(CALL)
    newest = call["prefetch"]["enzymes"]["entry"][NEWEST_ALT]["resource"]
    assert newest["code"]["text"] == "ALT"
    newest["code"]["coding"] = coding
    async with running(EhrSimulator().bend(sim.refuse_connection), now=lambda: AS_OF) as service:
        (card,) = (await service.hook(call)).json()["cards"]
        assert service.audits()[0]["band"] == "uncertain"
    assert "until the AST/ALT ratio is known" in card["summary"]
