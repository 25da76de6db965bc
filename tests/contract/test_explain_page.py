"""`docs/explain.md` says what `imnm-cds explain --json` says: every member, every word, and nothing else."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest

from cds_service.commands.explain import caller_for, explain, from_bytes
from cds_service.commands.explain.format import as_json
from cds_service.demo.patients import chart, samples
from cds_service.settings.client import Client
from fhir_mapping.evidence import Bar, EligibilityState, FactorState, FindingName, Subtype
from models.advice import Band, ItemState
from models.inputs import FOLLOW_UP_PARTS, Phase, State
from models.registry import default_folder, load_model
from tests.support.landmarks import with_landmarks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explain.md").read_text(encoding="utf-8")
AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
OPAQUE = ("cards[]",)  # a standard of its own
OF_MAPS = {"features": 1, "risk": 1, "contributions": 1}
WHOLE = (
    "evidence[]",
    "ck",
    "peak",
    "nadir",
    "order",
    "also[]",
    "model",
)  # documented by their names in the text

WORDS = {
    "eligibility.state": get_args(EligibilityState),
    "eligibility.subtype": get_args(Subtype),
    "activity.phase": get_args(Phase),
    "features.*.state": tuple(State),
    "outcome": ("scored", "abstained", "not-eligible", "eligibility-unknown"),
    "abstention.code": ("too-few-predictors", "record-incomplete"),
    "band": get_args(Band),
    "follow_up[].item": (*FOLLOW_UP_PARTS, "statin"),
    "follow_up[].state": get_args(ItemState),
    "follow_up[].parts[].part": tuple(part for parts in FOLLOW_UP_PARTS.values() for part in parts),
    "context[].finding": get_args(FindingName),
    "srp_refractory.*": get_args(FactorState),
    "doubts[].by": ("code", "word"),
    "doubts[].bars[]": get_args(Bar),
}


def table(heading: str) -> dict[str, str]:
    """The rows of the first table after a heading: member → second column."""
    section = PAGE.partition(heading)[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, re.MULTILINE))


MEMBERS = table("# The machine-readable")
NAMED = table("## Words")


@cache
def answers() -> list[dict[str, Any]]:
    """Every sample patient, one by a model with landmarks, and every chart of the cases."""
    found = [explain(chart(sample.name), as_of=AS_OF) for sample in samples().patients]
    found.append(by_landmark(chart("high-overdue")))
    for file in sorted((ROOT / "tests" / "data" / "cases" / "clinical").glob("*.json")):
        found.append(explain(json.loads(file.read_text(encoding="utf-8")), as_of=AS_OF))
    return found


def by_landmark(bundle: dict[str, Any]) -> dict[str, Any]:
    """The answer of a model with landmarks."""
    model = with_landmarks(load_model(default_folder()))
    caller = caller_for(Client(name="explain"))
    return as_json(from_bytes(json.dumps(bundle).encode(), caller, AS_OF, model))


def test_the_landmark_stands_between_the_risk_and_its_range_and_the_order_of_members_stays():
    with_it, without = by_landmark(chart("high-overdue")), explain(chart("high-overdue"), as_of=AS_OF)
    assert with_it["landmark"]["days"] in (0, 365, 730, 1095)
    names = list(with_it)
    assert names[names.index("risk") + 1] == "landmark"
    assert [name for name in names if name != "landmark"] == list(without)


def members(value: Any, place: str = "") -> Iterator[str]:
    """The place of every member that has a value, as the page writes it."""
    last = place.rpartition(".")[2]
    if place in OPAQUE:
        yield place
    elif isinstance(value, dict):
        for name, member in value.items():
            star = last in OF_MAPS or last in WHOLE
            yield from members(member, f"{place}.{'*' if star else name}".lstrip("."))
    elif isinstance(value, list):
        for member in value:
            yield from members(member, f"{place}[]")
    else:
        yield place


def test_every_member_of_an_answer_is_on_the_page_and_every_member_of_the_page_in_an_answer():
    said = {place for answer in answers() for place in members(answer)}
    assert said == set(MEMBERS)


@pytest.mark.parametrize("member", WORDS)
def test_the_words_of_a_member_are_those_of_the_code(member):
    assert re.findall(r"`([^`]+)`", NAMED[member]) == list(WORDS[member])


def test_no_member_with_words_of_its_own_is_left_out():
    assert set(NAMED) == set(WORDS)
