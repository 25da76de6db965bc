"""The named thresholds and windows of `rules.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from fhir_mapping.terms.table_files import MARKS, TableError


@dataclass(frozen=True, slots=True)
class Threshold:
    """One number of the rules: its unit, its mark (published, derived or assumed), and where it comes from."""

    value: Decimal
    unit: str
    mark: str
    source: str


@dataclass(frozen=True, slots=True)
class Rules:
    """Numbers by name, as in `high_drr.threshold`. An unknown name raises KeyError."""

    thresholds: Mapping[str, Threshold]
    _days: dict[str, timedelta] = field(init=False, default_factory=dict, compare=False)

    def __contains__(self, name: str) -> bool:
        return name in self.thresholds

    def number(self, name: str) -> Decimal:
        """Give the number itself, in the unit that the file gives."""
        return self.thresholds[name].value

    def days(self, name: str) -> timedelta:
        """Give a duration in days of 24 h; the file gives it in `d` or `h`. Raises ValueError for any other unit."""
        if name not in self._days:
            threshold = self.thresholds[name]
            if threshold.unit not in {"d", "h"}:
                raise ValueError(f"{name} is no duration: its unit is {threshold.unit}")
            number = float(threshold.value)
            self._days[name] = timedelta(days=number) if threshold.unit == "d" else timedelta(hours=number)
        return self._days[name]

    def count(self, name: str) -> int:
        """Give a whole number. Raises ValueError if it is not whole."""
        number = self.thresholds[name].value
        if number != number.to_integral_value():
            raise ValueError(f"{name} must be a whole number")
        return int(number)


def load_rules(file: Path) -> Rules:
    """Read and check `rules.toml`; raises TableError."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise TableError(file.name, 0, f"is not valid TOML: {error}") from error
    thresholds: dict[str, Threshold] = {}
    for section, entries in content.items():
        if not isinstance(entries, dict):
            raise TableError(
                file.name, 0, f"{section} stands outside a section: move it under a [section] line"
            )
        for name, entry in entries.items():
            thresholds[f"{section}.{name}"] = _threshold(file.name, f"{section}.{name}", entry)
    return Rules(thresholds)


def _threshold(file: str, name: str, entry: Any) -> Threshold:
    if not isinstance(entry, dict) or set(entry) != {"value", "unit", "mark", "source"}:
        raise TableError(file, 0, f"{name} must have exactly value, unit, mark and source")
    value, unit, mark, source = entry["value"], entry["unit"], entry["mark"], entry["source"]
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
        raise TableError(file, 0, f"{name} must have a finite number as its value")
    if mark not in MARKS:
        raise TableError(file, 0, f"{name} has the mark {mark!r}: use published, derived or assumed")
    if not all(isinstance(text, str) and text.strip() for text in (unit, source)):
        raise TableError(file, 0, f"{name} needs a unit and a source in words")
    return Threshold(Decimal(value), unit, mark, source)
