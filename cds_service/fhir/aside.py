"""Large charts are worked on beside the event loop: others go on being answered meanwhile.

A few threads share the interpreter with the loop, which waits for each of them in turn (5 ms). So they are few, and what
finds none of them free waits. Small charts, nearly all, are worked on at once: no other can be as late as a thread is.
The collector of cycles stops everybody while it looks at what a large chart is made of, 40 ms at a time and a tenth of the
work in all, and finds next to nothing: it rests until no large chart is in work.
"""

import asyncio
import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar, TypeVarTuple

_THREADS = ThreadPoolExecutor(2, thread_name_prefix="large-chart")
_Given = TypeVarTuple("_Given")
_Done = TypeVar("_Done")


async def aside(is_large: bool, work: Callable[[*_Given], _Done], *given: *_Given) -> _Done:
    """Do work that awaits nothing: at once, or where it is large on a thread."""
    if not is_large:
        return work(*given)
    at_rest = partial(_COLLECTOR.at_rest, work, *given)
    return await asyncio.get_running_loop().run_in_executor(_THREADS, at_rest)


class _Collector:
    """The collector of cycles, which rests while any work of these is done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._works = 0

    def at_rest(self, work: Callable[[*_Given], _Done], *given: *_Given) -> _Done:
        with self._lock:
            self._works += 1
            gc.disable()
        try:
            return work(*given)
        finally:
            with self._lock:
                self._works -= 1
                if not self._works:
                    gc.enable()


_COLLECTOR = _Collector()
