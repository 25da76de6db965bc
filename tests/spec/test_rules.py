"""Every row of every specification table holds through `assess`."""

import pytest

from tests.spec.language import read
from tests.spec.run import answer
from tests.spec.table import Row, differences, rows

ROWS = rows()


@pytest.mark.parametrize("row", ROWS, ids=[f"{r.file}:{r.line} {r.rule}" for r in ROWS])
def test_a_row_of_the_specification_holds(row: Row):
    wrong = {case: found for case in row.cases if (found := differences(answer(read(case)), row.expected))}
    assert not wrong
