"""`python -m tests.statistics.published`: compute what others have printed, and compare at the printed precision.

Prints each source with how many of its numbers agree, each number that does not, each that is printed otherwise for a
reason that is known, and what is not checked because its data may not be given on here; `--data FOLDER` names a folder
with such files. Exits with status 1 if a number differs without a reason, or agrees in spite of one.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.statistics.published.answers import answer_to
from tests.statistics.published.printed import Printed, Published, read_published


@dataclass(frozen=True)
class Compared:
    """A published number beside ours."""

    number: Printed
    ours: float

    @property
    def agrees(self) -> bool:
        """Whether ours would be printed alike."""
        return abs(self.ours - self.number.row.value) <= self.number.half_unit

    @property
    def outside(self) -> bool:
        """Whether it differs without a reason, or has a reason to differ and does not."""
        return self.agrees is bool(self.number.otherwise)

    def __str__(self) -> str:
        number, row = self.number, self.number.row
        asked = " ".join(part for part in (row.dataset, row.model, row.quantity, row.term) if part)
        return f"{number.source}, {number.where}: {asked} is printed {number.text}, ours {self.ours:.8g}"


def compare(published: Published) -> list[Compared]:
    """Compute every number whose data are here."""
    here = (number for number in published.numbers if number.row.dataset in published.datasets)
    return [
        Compared(number, answer_to(published.datasets[number.row.dataset], number.row)) for number in here
    ]


def show(published: Published, compared: list[Compared]) -> None:
    """Print the sources, what differs, and the count."""
    for key, cited in published.cited.items():
        own = [c for c in compared if c.number.source == key]
        print(f"{sum(c.agrees for c in own):4} agree, {sum(c.outside for c in own)} outside: {cited}")
    for c in compared:
        if c.outside:
            print(f"OUTSIDE {c}")
        elif c.number.otherwise:
            print(f"otherwise: {c}: {c.number.otherwise}")
    for name, reason in published.absent.items():
        print(f"{sum(n.row.dataset == name for n in published.numbers):4} not checked: {name}: {reason}")
    print(summary(published, compared))


def summary(published: Published, compared: list[Compared]) -> str:
    """The count, in one line."""
    agree, outside = sum(c.agrees and not c.outside for c in compared), sum(c.outside for c in compared)
    otherwise = len(compared) - agree - outside
    return (
        f"{agree + outside} published numbers, {outside} outside; {otherwise} printed otherwise for a reason that is known,"
        f" {len(published.numbers) - len(compared)} not checked"
    )


def main(arguments: list[str]) -> int:
    """Check the folder; status 1 if a number differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.statistics.published", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with data that may not be given on here")
    published = read_published(parser.parse_args(arguments).data)
    compared = compare(published)
    show(published, compared)
    return int(any(c.outside for c in compared))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
