"""The catalogue of a card's words: all of it is used, and nothing that is said is missing."""

import re
from pathlib import Path
from typing import get_args

import pytest

from cds_service.cards.words import catalogue, said, say
from fhir_mapping.evidence import FindingName, Subtype
from models.inputs import FOLLOW_UP_PARTS, PartName
from models.registry import default_folder, load_model

ROOM = Path(__file__).parents[2] / "cds_service" / "cards"
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in ROOM.rglob("*.py"))
LITERAL = set(re.findall(r'"([a-z_]+\.[\w-]+)"', SOURCE))
FAMILIES = tuple(re.findall(r'f["\']([a-z_]+\.[\w-]*)\{', SOURCE))
CHOSEN = {"now": ("relapse", "rising", "active", "active_unbroken", "improving")}  # by phase

COMPLETE = {
    "items": tuple(FOLLOW_UP_PARTS),
    "parts": get_args(PartName),
    "predictors": load_model(default_folder()).names,
    "subtypes": get_args(Subtype),
    "context": tuple(
        set(get_args(FindingName))
        - {
            "malignancy",
            "cancer-window",
            "childhood-onset",
            "fvc-fall",
            "lvef-fall",
        }  # sentences of their own
    ),
    "now": CHOSEN["now"],
}


def test_no_word_of_the_catalogue_is_left_unsaid():
    unsaid = {key for key in catalogue() if key not in LITERAL and not key.startswith(FAMILIES)}
    assert unsaid == set()


def test_no_literal_key_is_missing_from_the_catalogue():
    tables = {key.partition(".")[0] for key in catalogue()}
    asked = {key for key in LITERAL if key.partition(".")[0] in tables and not key.endswith((".py", ".toml"))}
    assert asked - set(catalogue()) == set()


@pytest.mark.parametrize("table", COMPLETE)
def test_a_table_of_the_catalogue_has_a_word_for_each_thing_of_its_kind(table):
    assert [name for name in COMPLETE[table] if f"{table}.{name}" not in catalogue()] == []


def test_what_is_filled_in_stands_in_the_text_and_what_is_missing_is_an_error():
    assert say("to_do.days", n=3) == "3 days"
    with pytest.raises(KeyError):
        say("to_do.days")
    with pytest.raises(KeyError):
        say("to_do.nobody")
    assert said("roles.nobody", "it") == "it"
