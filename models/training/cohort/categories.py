"""A further column of words: its levels, and an indicator for each but the reference."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.training.cohort.schema import Problem, is_error, is_missing
from models.training.cohort.table import Table, as_compared
from models.training.statistics.arrays import Floats

MOST_LEVELS = 12  # a column with more words is text, and each would cost a parameter
FEWEST_OF_A_LEVEL = 5  # smaller groups can be recognised, and have no estimate
_LONGEST = 40
_RARE = f"not a number, and an error or a word of fewer than {FEWEST_OF_A_LEVEL} patients: put words together by `values` in a map"


@dataclass(frozen=True, slots=True)
class Category:
    """Words of n patients: `levels` with the reference first, and `values` (n,), their numbers; nan: missing."""

    levels: tuple[str, ...]
    values: Floats

    @property
    def reference(self) -> str:
        """The word with which the others are compared."""
        return self.levels[0]

    def indicators(self, name: str) -> Mapping[str, Floats]:
        """A column of 0 and 1 for every level but the reference, named "Centre = Jena"; nan: missing."""
        return {
            f"{name} = {level}": np.where(np.isnan(self.values), np.nan, self.values == number)
            for number, level in enumerate(self.levels)
            if number
        }


def category(
    table: Table, own: str, cells: Sequence[str], reference: str, problems: list[Problem]
) -> Category:
    """Read a column of words. The reference is the word that is given, else the most frequent one.

    Capitals do not matter, the first writing is kept. A column that has too many words, or too few of one, is a problem.
    """
    keys = ["" if is_missing(cell) else as_compared(cell) for cell in cells]
    counted = Counter(key for key in keys if key)
    levels = sorted(counted, key=lambda level: (level != as_compared(reference), -counted[level], level))
    unusable = ""
    if len(levels) > MOST_LEVELS or max(map(len, levels)) > _LONGEST:
        unusable = f"neither numbers nor at most {MOST_LEVELS} different words of at most {_LONGEST} letters"
    elif len(levels) == 1:
        unusable = "one word alone tells nobody apart: say in a map what an empty cell means"
    elif reference and levels[0] != as_compared(reference):
        unusable = "the reference that the map names stands nowhere"
    if unusable:
        problems.append(Problem(table.places[next(n for n, key in enumerate(keys) if key)], own, unusable))
    else:
        problems.extend(
            Problem(place, own, _RARE)
            for place, key, cell in zip(table.places, keys, cells, strict=True)
            if key and (counted[key] < FEWEST_OF_A_LEVEL or is_error(cell))
        )
    numbers = {level: float(number) for number, level in enumerate(levels)}
    written = dict(reversed(list(zip(keys, cells, strict=True))))
    return Category(
        tuple(written[level] for level in levels), np.array([numbers.get(key, np.nan) for key in keys])
    )
