"""`python -m tests.cases [FOLDER]`: run every case; a line for each that fails, and how many do not."""

import asyncio
import sys
from pathlib import Path

from tests.cases import clinical, ehr
from tests.cases.case import FOLDER, Case


def main(folder: Path) -> int:
    """Print what fails and what is left for later work; returns the exit status."""
    results: list[tuple[Case, list[str]]] = [
        (case, clinical.problems(case)) for case in clinical.cases(folder)
    ]
    results += [(case, asyncio.run(ehr.problems(case))) for case in ehr.cases(folder)]
    due = [(case, problems) for case, problems in results if not case.left]
    for case, problems in due:
        if problems:
            print(f"{case}: {'; '.join(problems)}")
    for case, problems in results:
        if case.left:
            print(f"{case}: left for {case.left}{'' if problems else ', and met already'}")
    met = sum(not problems for _, problems in due)
    print(f"{met} of {len(due)}")
    return 0 if due and met == len(due) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
