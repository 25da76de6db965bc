"""`python -m tests.support.reference FILE [--as-of DATE]`: the second reading's answer to one Bundle, as JSON."""

import argparse
import json
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from . import as_number, assess_bundle

AS_OF = "2026-03-01"


def printable(value):
    """Exact numbers as JSON numbers, instants as written in ISO 8601; what has no value is left out."""
    if isinstance(value, dict):
        held = {name: printable(part) for name, part in value.items() if name not in ("open", "interval")}
        return {name: part for name, part in held.items() if part is not None and part != ""}
    if isinstance(value, list | tuple):
        return [printable(part) for part in value]
    if isinstance(value, Fraction | Decimal):
        return as_number(value)
    return value.isoformat() if isinstance(value, datetime) else value


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.reference", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--as-of", default=AS_OF)
    parser.add_argument("--accept-unknown-status", action="store_true")
    given = parser.parse_args()
    text = given.file.read_text(encoding="utf-8")
    answer = assess_bundle(text, given.as_of, accept_unknown_status=given.accept_unknown_status)
    print(json.dumps(printable(answer), indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
