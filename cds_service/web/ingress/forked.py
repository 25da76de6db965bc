"""Processes that are forked: all that this one has imported and checked is theirs at once, in the same memory.

That is safe where this one has a single thread, for another's locks would stay locked in the new process for ever.
"""

import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.context import ForkProcess

_SIGNALS = frozenset(
    {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTTIN, signal.SIGTTOU}
    | {signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH}
)


class Lifeline:
    """Ends the processes that hang on it after the one that made it, which a lost one could not do itself.

    A process left alone would hold the port against the next one.
    """

    def __init__(self) -> None:
        self._ended, self._alive = os.pipe()

    def hang_on(self) -> None:
        """From a forked process: be ended by SIGTERM as soon as its maker is gone."""
        os.close(self._alive)
        threading.Thread(target=self._wait, name="lifeline", daemon=True).start()

    def _wait(self) -> None:
        os.read(self._ended, 1)  # which nobody ever writes
        os.kill(os.getpid(), signal.SIGTERM)


class Forked(ForkProcess):
    """A process that does `work`, with the signals as they are by default, for no longer than its maker lives."""

    def __init__(self, lifeline: Lifeline, work: Callable[[], None]) -> None:
        super().__init__(target=work)
        self._lifeline = lifeline

    def start(self) -> None:
        """Fork. A signal waits meanwhile, so that none is lost to a handler that is not the new process's own."""
        assert threading.active_count() == 1, "a process with several threads must not be forked"
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def run(self) -> None:
        """Work, in the new process."""
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        self._lifeline.hang_on()
        super().run()
