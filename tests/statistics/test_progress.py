"""Progress is shown on a terminal only, on standard error, and leaves nothing behind."""

import io
from contextlib import redirect_stderr

import pytest

from cds_service.commands.progress import progress_bars


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("on_terminal", [True, False])
def test_bars_are_shown_on_a_terminal_only(on_terminal, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    error = Terminal() if on_terminal else io.StringIO()
    with redirect_stderr(error), progress_bars() as report:
        for done in range(3):
            report("models of resamples", done, 2)
        report("selection in resamples", 1, 2)
    assert ("models of resamples" in error.getvalue()) is on_terminal
    if not on_terminal:
        assert error.getvalue() == ""
