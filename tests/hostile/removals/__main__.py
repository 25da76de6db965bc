"""`make removals`: take each control out of a copy of the tree; the test that is named for it must then fail.

A test that fails because the edit broke the code proves nothing: the edited file must have no undefined name, and the
test must have failed by itself, not while it was collected or set up.
"""

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.support.removals import ROOT, Removal, removals

AT_ONCE = 2
LONGEST_S = 120  # of one test, on a machine that does other work beside it
BROKEN = ("NameError", "ImportError", "ModuleNotFoundError", "SyntaxError", "UnboundLocalError")


class Tree:
    """A copy of what belongs to the repository, imported in place of the original."""

    def __init__(self, folder: Path) -> None:
        self._root = folder
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout
        for name in filter(None, names.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        # The editable install names the original: the path of the copy comes before it, in child processes too.
        # Nothing compiled is kept: an edit within the same second would go unseen.
        self._environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        where = self._python("-c", "import cds_service; print(cds_service.__file__)").stdout.strip()
        assert where == str(folder / "cds_service" / "__init__.py"), where

    def tries(self, removal: Removal) -> str:
        """Take the control out, run its test, put it back; says what is wrong, empty where the test failed as it must."""
        path = self._root / removal.file
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(removal.old, removal.new), encoding="utf-8")
        try:
            if path.suffix == ".py":
                sound = self._python(
                    "-m", "ruff", "check", "-q", "--isolated", "--select=E9,F821,F823", str(path)
                )
                if sound.returncode:
                    return f"the edit breaks the code: {sound.stdout.strip().splitlines()[0]}"
            return self._caught(removal.test)
        finally:
            path.write_text(text, encoding="utf-8")

    def failures(self, tests: list[str]) -> str:
        """Run tests on the tree as it is; gives the last lines of pytest where one does not pass."""
        ended = self._pytest(tests, "-n", str(AT_ONCE))
        return "" if ended.returncode == 0 else "\n".join((ended.stdout + ended.stderr).splitlines()[-30:])

    def _caught(self, test: str) -> str:
        report = self._root / "removal.xml"
        report.unlink(missing_ok=True)
        try:
            ended = self._pytest([test], "-n", "0", "-x", f"--junitxml={report}")
        except subprocess.TimeoutExpired:
            return f"the test did not end within {LONGEST_S} s"
        if ended.returncode == 0:
            return "the test stays green"
        cases = ET.parse(report).getroot().iter("testcase") if report.exists() else ()
        found = [one.get("message", "") for case in cases for one in case if _is_failure(one)]
        if ended.returncode != 1 or not found:
            last = (ended.stdout + ended.stderr).strip().splitlines() or ["pytest ended"]
            return f"the test could not run: {last[-1]}"
        return f"the edit breaks the code: {found[0][:100]}" if found[0].startswith(BROKEN) else ""

    def _pytest(self, tests: list[str], *options: str) -> "subprocess.CompletedProcess[str]":
        plain = ("-m", "pytest", "-p", "hypothesispytest", "--tb=line")
        return self._python(*plain, *options, *tests, timeout=LONGEST_S * (1 if len(tests) == 1 else 10))

    def _python(self, *arguments: str, timeout: float = LONGEST_S) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self._root,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )


def _is_failure(result: ET.Element) -> bool:
    """A test that failed, or found something wrong while it was taken down; not one that could not be set up."""
    return result.tag == "failure" or (result.tag == "error" and "teardown" in result.get("message", ""))


def main(words: list[str]) -> int:
    """Try the rows whose control, file or table holds one of `words` (all without any); returns how many prove nothing."""
    rows = [row for row in removals() if not words or any(word in str(row) for word in words)]
    flaws = {row: row.flaw() for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        trees: queue.SimpleQueue[Tree] = queue.SimpleQueue()
        for number in range(AT_ONCE):
            trees.put(Tree(Path(folder, str(number))))
        tree = trees.get()
        whole = [row.test for row in rows if not flaws[row]]
        if whole and (said := tree.failures(sorted(set(whole)))):
            print(f"{said}\nremovals: these must pass before anything is removed")
            return 1
        trees.put(tree)

        def tried(row: Removal) -> tuple[Removal, str, float]:
            mine, begun = trees.get(), time.monotonic()
            try:
                return row, flaws[row] or mine.tries(row), time.monotonic() - begun
            finally:
                trees.put(mine)

        bad = 0
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for row, flaw, seconds in pool.map(tried, rows):
                bad += bool(flaw)
                print(
                    f"{'NOT SEEN' if flaw else 'seen':8}  {seconds:4.0f} s  {row.table:14}  {row.control}",
                    flush=True,
                )
                if flaw:
                    print(f"{'':10}{row.test}: {flaw}")
    print(f"removals: without {len(rows) - bad} of {len(rows)} controls the test that is named fails")
    return bad


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
