"""One case: what is put to the software, and what is not as it must be."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "data" / "cases"
_NAMES = ("item", "resource", "finding")  # what an element of a list is called by
_NOTHING = object()


@dataclass(frozen=True)
class Case:
    """A case by its name; `left` says which later work it waits for, if any."""

    folder: Path
    name: str
    expected: Mapping[str, Any]
    left: str = ""

    def __str__(self) -> str:
        return f"{self.folder.name}/{self.name}"

    def read(self) -> Any:
        return json.loads((self.folder / f"{self.name}.json").read_text(encoding="utf-8"))


def unmet(answer: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    """Say of each place in the answer what stands there, where it is not what must."""
    for place, wanted in expected.items():
        value = _at(answer, place)
        if not _is(value, wanted):
            yield f"{place} is {'not there' if value is _NOTHING else _short(value)}, not {_short(wanted)}"


def _at(value: Any, place: str) -> Any:
    for part in place.split("."):
        if part == "length":
            value = len(value)
        elif isinstance(value, list):
            named = [element for element in value if part in {element.get(name) for name in _NAMES}]
            by_place = value[int(part) :][:1] if part.isdecimal() else []
            value = next(iter(named or by_place), _NOTHING)
        else:
            value = value.get(part, _NOTHING) if isinstance(value, Mapping) else _NOTHING
    return value


def _is(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, Mapping):
        return value == wanted
    tests = {
        "not": lambda it, other: it is not _NOTHING and it != other,
        "in": lambda it, choice: it in choice,
        "contains": lambda it, part: it is not _NOTHING and part in it,
        "min": lambda it, least: it is not _NOTHING and it >= least,
    }
    return all(tests[name](value, other) for name, other in wanted.items())


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."
