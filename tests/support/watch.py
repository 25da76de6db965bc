"""Run one test file again whenever a source file or table changes: `make watch FILE=…`."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("cds_service", "fhir_mapping", "models", "tests")
SUFFIXES = {".py", ".csv", ".toml", ".json", ".md"}
PAUSE_S = 0.3


def stamps(root: Path) -> dict[Path, int]:
    """When each file that a test may read was last written."""
    files = (path for folder in FOLDERS for path in (root / folder).rglob("*"))
    return {path: path.stat().st_mtime_ns for path in files if path.suffix in SUFFIXES and path.is_file()}


def changes(root: Path, pause_s: float = PAUSE_S) -> Iterator[set[Path]]:
    """The files written, added or removed since the last look, whenever there are any; at first all of them."""
    known: dict[Path, int] = {}
    while True:
        now = stamps(root)
        if now != known:
            yield {path for path in now.keys() | known.keys() if now.get(path) != known.get(path)}
            known = now
        time.sleep(pause_s)


def main() -> None:
    """Run the tests that the command line names, at once and after every change."""
    if not sys.argv[1:]:
        raise SystemExit("imnm-cds: name a test file: make watch FILE=tests/unit/test_titres.py")
    try:
        for _ in changes(Path.cwd()):
            subprocess.run([sys.executable, "-m", "pytest", *sys.argv[1:]], check=False)
    except KeyboardInterrupt:
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
