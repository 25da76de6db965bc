"""All patterns of p binary predictors, in the order of every joint table: 00, 01, 10, 11."""

from itertools import product

import numpy as np

from models.training.arrays import Floats


def cells(p: int) -> Floats:
    """The patterns as rows of 0 and 1: (2^p, p)."""
    return np.array(list(product((0.0, 1.0), repeat=p)))


def patterns(p: int) -> list[str]:
    """The patterns as models write them: "0", "1" for each predictor."""
    return ["".join(marks) for marks in product("01", repeat=p)]
