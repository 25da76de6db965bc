"""The clinic's policy, read from `policy.toml` and checked: bands, the follow-up table, what can be ordered."""

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

from models.artefact import (
    Code,
    Column,
    DecidingTest,
    Mark,
    ModelError,
    Orderable,
    Policy,
    PolicyItem,
    WithIld,
)
from models.inputs import FOLLOW_UP_PARTS, PartName

SCHEMA = "imnm-cds-policy/2"
LONGEST = 3653
"""Days: what is to happen after more than ten years is no follow-up, and its day may be on no calendar."""
_RISING: tuple[tuple[Column, ...], ...] = (("low", "intermediate", "high"), ("low", "active", "relapse"))
"""The columns of the follow-up table in the order of what they ask for, the least first."""

_AMOUNT = {"value": object, "unit": object, "mark": object, "source": str}  # read by `_number`
_CODE = {"vocabulary": str, "code": str, "display": str, "source": str}
_SHAPE = {
    "schema": object,
    "score": {"known_at_least": _AMOUNT},
    "bands": {"low_below": _AMOUNT, "high_from": _AMOUNT},
    "advice": {
        "due_within": _AMOUNT,
        "suggestions_at_most": _AMOUNT,
        "order_within": _AMOUNT,
        "visit_within": _AMOUNT,
        "quiet_low": bool,
        "remembered": _AMOUNT,
    },
    "vocabularies": {"*": str},
    "disease": _CODE,
    "categories": {"*": _CODE},
    "appointment": {"specialty": _CODE, "service_type": _CODE},
    "orders": {"*": {"category": str, **_CODE}},
    "next_best_test": {"*": {"name": str, "parts": [str], "reasons": [str]}},
    "follow_up": {
        "*": {
            "parts": [str],
            "once": bool,
            "every": {"*": _AMOUNT},
            "with_ild": {"first": _AMOUNT, "within": _AMOUNT, "then": _AMOUNT},
        }
    },
}
"""What a policy may hold: tables with these keys (`*`: any), lists, texts that say something, true or false."""


def load_policy(path: Path) -> Policy:
    """Read and check a `policy.toml`. Raises ModelError, one sentence that names the file, the place and the remedy."""
    try:
        return _policy(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); restore it from the release") from error
    except KeyError as error:
        raise ModelError(f"{path}: {error} is missing; add it there") from error
    except (RecursionError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: {error}; correct it there") from error


def _policy(document: Mapping[str, Any]) -> Policy:
    if document["schema"] != SCHEMA:
        raise ValueError(f"schema {document['schema']!r} is not {SCHEMA}")
    _require_shape(document, _SHAPE)
    orders = _orders(document)
    advice = document["advice"]
    policy = Policy(
        known_at_least=_number(document, "score.known_at_least", "{predictors}"),
        low_below=_number(document, "bands.low_below", "1"),
        high_from=_number(document, "bands.high_from", "1"),
        due_within=_days(document, "advice.due_within"),
        suggestions_at_most=_number(document, "advice.suggestions_at_most", "{suggestions}"),
        order_within=_days(document, "advice.order_within"),
        visit_within=_days(document, "advice.visit_within"),
        quiet_low=advice["quiet_low"],
        remembered=_days(document, "advice.remembered"),
        disease=_code(document, document["disease"]),
        specialty=_code(document, document["appointment"]["specialty"]),
        service_type=_code(document, document["appointment"]["service_type"]),
        orders=orders,
        tests={
            name: DecidingTest(
                row["name"], tuple(orders[part] for part in row["parts"]), tuple(row.get("reasons", ()))
            )
            for name, row in document["next_best_test"].items()
        },
        items={name: _item_of(document, name, orders) for name in _rows(document)},
    )
    if not 0 < policy.low_below < policy.high_from < 1:
        raise ValueError("bands.low_below and bands.high_from must rise between 0 and 1")
    if not 1 <= policy.known_at_least <= len(policy.tests):
        raise ValueError(f"score.known_at_least must be 1 to {len(policy.tests)}")
    return policy


def _require_shape(value: object, shape: object, at: str = "") -> None:
    """A table that nobody reads, or a text where a list is meant, would change the advice without a word."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise TypeError(f"{at} must be a table")
        for key, child in value.items():
            name = f"{at}.{key}".removeprefix(".")
            if not {key, "*"} & set(shape):
                raise ValueError(f"{name} is not known; there may be {', '.join(shape)}")
            _require_shape(child, shape.get(key, shape.get("*")), name)
    elif isinstance(shape, list):
        if not (isinstance(value, list) and value):
            raise TypeError(f"{at} must be a list of texts")
        for each in value:
            _require_shape(each, shape[0], f"each of {at}")
    elif shape is str and not (isinstance(value, str) and any(map(str.isalnum, value))):
        raise TypeError(f"{at} must be a text")
    elif shape is bool and not isinstance(value, bool):
        raise TypeError(f"{at} must be true or false")


def _number(document: Mapping[str, Any], name: str, unit: str) -> Any:
    """A number by its dotted name, with the unit we expect, a mark and a source; only probabilities have decimals."""
    row: Any = document
    for key in name.split("."):
        row = row[key]
    kind = float if unit == "1" else int
    if row.get("mark") not in get_args(Mark) or not row.get("source") or row.get("unit") != unit:
        raise ValueError(f"{name} needs the unit {unit}, a mark and a source")
    if type(row["value"]) is not kind or row["value"] < 0:
        raise ValueError(f"{name} needs {'a probability' if kind is float else 'a whole number'}")
    return row["value"]


def _days(document: Mapping[str, Any], name: str, at_least: int = 0) -> timedelta:
    days = _number(document, name, "d")
    if not at_least <= days <= LONGEST:
        raise ValueError(f"{name} must be {at_least} to {LONGEST} days")
    return timedelta(days=days)


def _orders(document: Mapping[str, Any]) -> Mapping[PartName, Orderable]:
    """What can be ordered, by part."""
    known: tuple[PartName, ...] = get_args(PartName)
    if set(document["orders"]) != set(known):
        raise ValueError(f"orders must have one code for each of {', '.join(known)}")
    rows = {part: document["orders"][part] for part in known}
    return {
        part: Orderable(part, _code(document, row), _code(document, document["categories"][row["category"]]))
        for part, row in rows.items()
    }


def _code(document: Mapping[str, Any], row: Mapping[str, str]) -> Code:
    system = document["vocabularies"][row["vocabulary"]]
    return Code(row["vocabulary"], system, row["code"], row["display"])


def _rows(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The follow-up table, which leaves out nothing that the mapping looks for; raises ValueError."""
    rows: Mapping[str, Any] = document["follow_up"]
    if left_out := FOLLOW_UP_PARTS.keys() - rows:
        raise ValueError(f"follow_up must have a row for {', '.join(sorted(left_out))}")
    return rows


def _item_of(document: Mapping[str, Any], name: str, orders: Mapping[PartName, Orderable]) -> PolicyItem:
    """One row of the table, under the names that the mapping uses."""
    row, parts = document["follow_up"][name], FOLLOW_UP_PARTS.get(name, ())
    if tuple(row["parts"]) != parts:
        raise ValueError(
            f"follow_up.{name} must have the parts of a known item ({', '.join(parts) or 'none'})"
        )
    every, columns = row.get("every", {}), get_args(Column)
    if not set(every) <= set(columns):
        raise ValueError(f"follow_up.{name} may have intervals for {', '.join(columns)} only")
    if row.get("once", False) is bool(every):
        raise ValueError(f"follow_up.{name} needs intervals, or once = true")
    with_ild = None
    if "with_ild" in row:
        at = f"follow_up.{name}.with_ild"
        with_ild = WithIld(
            _days(document, f"{at}.first", at_least=1),
            _days(document, f"{at}.within"),
            _days(document, f"{at}.then", at_least=1),
        )
    for rising in _RISING:
        if any(less in every and more not in every for less, more in pairwise(rising)):
            raise ValueError(f"follow_up.{name}.every must not end from {' to '.join(rising)}")
    return PolicyItem(
        parts=tuple(orders[part] for part in parts),
        every={column: _days(document, f"follow_up.{name}.every.{column}", at_least=1) for column in every},
        once=row.get("once", False),
        with_ild=with_ild,
    )
