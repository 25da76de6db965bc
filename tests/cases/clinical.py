"""Charts in files, put to `imnm-cds explain FILE --json --as-of DAY`."""

import io
import json
import re
import sys
import tomllib
from contextlib import redirect_stdout
from pathlib import Path
from unittest.mock import patch

from cds_service.cli import main
from tests.cases.case import Case, unmet

_AS_OF = "2026-03-01"


def cases(folder: Path) -> list[Case]:
    """The cases of `folder/clinical`, in the order of their names."""
    room = folder / "clinical"
    table = room / "expected.toml"
    expected = tomllib.loads(table.read_text(encoding="utf-8")) if table.exists() else {}
    found = []
    for file in sorted(room.glob("*.json")):
        row = dict(expected.get(file.stem, {}))
        left = row.pop("left", "")
        found.append(Case(room, file.stem, row, left))
    return found


def problems(case: Case) -> list[str]:
    """What the answer does not say as it must; a case of which nothing is expected is a problem itself."""
    if not case.expected:
        return ["expected.toml has no row for it"]
    status, said = _explained(case.folder / f"{case.name}.json", _day(case))
    if status not in {0, 3}:
        return [f"exit status {status}"]
    return list(unmet(json.loads(said), case.expected))


def _day(case: Case) -> str:
    prose = case.folder / f"{case.name}.expected.txt"
    text = prose.read_text(encoding="utf-8") if prose.exists() else ""
    named = re.search(r"^as_of: *(\S+)", text, re.MULTILINE)
    return named[1] if named else _AS_OF


def _explained(file: Path, day: str) -> tuple[int, str]:
    out = io.StringIO()
    argv = ["imnm-cds", "explain", str(file), "--as-of", day, "--json"]
    with patch.object(sys, "argv", argv), redirect_stdout(out):
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()
