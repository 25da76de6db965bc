"""What a served model says of itself: the source attributes of HTI-1 and the items of TRIPOD+AI, none left empty.

`items.toml` has what the lists ask for, `answers.toml` what any model of this kind can say from its own files. A file
`transparency.toml` in the model's folder answers for that model alone, by the same ids: who made it, how it is watched.
An item with no answer says why it is not known.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from models.artefact import DESCRIBED, Model, ModelError

SCHEMA = "imnm-cds-transparency/1"
OWN_ANSWERS = "transparency.toml"
NOT_KNOWN = "Not known, because "
LONGEST_ANSWER = 2000
LONGEST_FILE = 200_000
_SOURCES = ("log_hazard_ratios", "baseline_cumulative_hazard", "covariance", "joint", "predictors")
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class AskedItem:
    """One item of a list: its number, its part of the list, and what it asks for."""

    id: str
    section: str
    topic: str


@dataclass(frozen=True, slots=True)
class AskedList:
    """A list, the work that it is from, and when and in what that was read."""

    source: str
    read: str
    items: tuple[AskedItem, ...]


@dataclass(frozen=True, slots=True)
class AnsweredItem:
    """An item with its answer; one that is not `known` says why."""

    id: str
    section: str
    topic: str
    answer: str
    known: bool


@dataclass(frozen=True, slots=True)
class AnsweredList:
    """A list with an answer to each item."""

    title: str
    source: str
    read: str
    items: tuple[AnsweredItem, ...]


@dataclass(frozen=True, slots=True)
class Transparency:
    """Both lists for one model, and what tells it from others: by name, in words."""

    title: str
    model: Mapping[str, str]
    hti_1: AnsweredList
    tripod_ai: AnsweredList


TITLES = MappingProxyType({"hti_1": "HTI-1 source attributes", "tripod_ai": "TRIPOD+AI checklist"})


@cache
def asked() -> Mapping[str, AskedList]:
    """What each list asks for, by its name in the tables."""
    lists = tomllib.loads((_HERE / "items.toml").read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            name: AskedList(each["source"], each["read"], tuple(AskedItem(**item) for item in each["items"]))
            for name, each in lists.items()
        }
    )


def transparency(model: Model, folder: Path) -> Transparency:
    """Answer every item for a model in its folder. Raises ModelError for a `transparency.toml` that cannot be used."""
    general = tomllib.loads((_HERE / "answers.toml").read_text(encoding="utf-8"))
    own, facts = _own_answers(folder), _facts(model)
    lists = {name: _answered(name, general[name], own.get(name, {}), facts) for name in TITLES}
    identity = {
        "id": model.id,
        "version": model.version,
        "evidence": model.evidence,
        "rules": f"version {model.rules} of the clinical rules",
        "sha256": model.sha256,
        "bands": facts["bands"],
        "limits": model.limits,
    }
    return Transparency(model.description.get("title", model.id), identity, **lists)


def as_document(shown: Transparency) -> dict[str, Any]:
    """The same as one JSON object."""
    return {
        "schema": SCHEMA,
        "title": shown.title,
        "model": dict(shown.model),
        **{name: asdict(getattr(shown, name)) for name in TITLES},
    }


def _own_answers(folder: Path) -> Mapping[str, Mapping[str, str]]:
    """Read the answers of the model's own folder, if it has some. Raises ModelError."""
    path = folder / OWN_ANSWERS
    if not path.is_file():
        return {}
    try:
        content = path.read_bytes()
        if len(content) > LONGEST_FILE:
            raise ModelError(f"{path} has more than {LONGEST_FILE:,} bytes: shorten it")
        own = tomllib.loads(content.decode("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}; mend or remove it") from None
    for name, answers in own.items():
        if name not in TITLES or not isinstance(answers, dict):
            raise ModelError(f"{path}: {name} is no list; there are [{'] and ['.join(TITLES)}]")
        ids = {item.id for item in asked()[name].items}
        for number, answer in answers.items():
            if number not in ids:
                raise ModelError(f"{path}: [{name}] has no item {number}")
            if not (isinstance(answer, str) and 0 < len(answer.strip()) <= LONGEST_ANSWER):
                raise ModelError(
                    f"{path}: [{name}] {number} must be a text of 1 to {LONGEST_ANSWER} characters"
                )
    return own


def _answered(
    name: str, general: Mapping[str, str], own: Mapping[str, str], facts: Mapping[str, str]
) -> AnsweredList:
    listed = asked()[name]
    answers = ((item, own.get(item.id) or general[item.id].format_map(facts)) for item in listed.items)
    items = tuple(
        AnsweredItem(item.id, item.section, item.topic, answer, known=not answer.startswith(NOT_KNOWN))
        for item, answer in answers
    )
    return AnsweredList(TITLES[name], listed.source, listed.read, items)


def _facts(model: Model) -> dict[str, str]:
    """What the answers may name: words of the model's own files."""
    said, sources, policy = model.description, model.provenance, model.policy
    unsaid = f"{NOT_KNOWN}the model file does not say"
    return {
        **{name: said.get(name, unsaid) for name in DESCRIBED},
        **{f"from_{name}": sources[name].source for name in _SOURCES},
        "limits": model.limits,
        "range": model.range_note,
        "evidence": model.evidence,
        "id": model.id,
        "version": model.version,
        "rules": model.rules,
        "sha256": model.sha256,
        "predictors": "; ".join(f"{spec.label}: {spec.threshold}" for spec in model.predictors),
        "labels": ", ".join(spec.label[:1].lower() + spec.label[1:] for spec in model.predictors),
        "count": str(len(model.predictors)),
        "horizons": with_and([f"{horizon.years:g}" for horizon in model.horizons]) + " years",
        "known_at_least": str(policy.known_at_least),
        "bands": f"low below {100 * policy.low_below:g} %, high from {100 * policy.high_from:g} % of the 2-year risk",
    }


def with_and(words: list[str]) -> str:
    """Words as a sentence lists them: "1, 2 and 5"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
