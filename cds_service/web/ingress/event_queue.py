"""Where the events of `serve` go: a bounded queue and a thread of its own, so that a reader who stalls holds up nothing."""

import os
import threading
from collections import deque
from collections.abc import Callable

LINES = 10_000  # some 5 MB; at 100 calls a second a reader may stall for more than a minute


class EventQueue:
    """Takes lines without ever waiting, and writes them to a file descriptor.

    What does not fit or cannot be written is counted; the next line that gets through says how many were lost. `watch`
    hears of each of them.
    """

    def __init__(self, descriptor: int, most: int = LINES, watch: Callable[[], None] = lambda: None) -> None:
        self._descriptor = descriptor
        self._most = most
        self._watch = watch
        self._lines: deque[bytes] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._lost = 0
        self._torn = False  # the last line was written in part
        self._thread = threading.Thread(target=self._write_all, name="events", daemon=True)
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether the next line would be lost, or the last one was."""
        return self._lost > 0 or len(self._lines) >= self._most

    def __call__(self, line: str) -> None:
        """Take a line, or count it as lost."""
        with self._wake:
            if len(self._lines) >= self._most:
                self._lose()
                return
            self._lines.append(line.encode() + b"\n")
            self._wake.notify()

    def close(self, seconds: float) -> None:
        """Write what is left, but for no longer than that."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(seconds)

    def _write_all(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._lines or self._closed)
                if not self._lines:
                    return
                line = self._lines.popleft()
            self._write(line)

    def _write(self, line: bytes) -> None:
        lost = self._lost
        if lost:
            line = line[: -len(b"}\n")] + b', "lost": %d}\n' % lost
        left = b"\n" + line if self._torn else line
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError:  # a closed reader, a full disk: the next line may get through
            self._torn = self._torn or 0 < len(left) < len(line)
            with self._wake:
                self._lose()
        else:
            self._torn = False
            with self._wake:
                self._lost -= lost

    def _lose(self) -> None:
        self._lost += 1
        self._watch()
