"""Large charts are worked on beside the event loop: others go on being answered meanwhile.

A few threads share the interpreter with the loop, which waits for each of them in turn (5 ms). So they are few, and what
finds none of them free waits. Small charts, nearly all, are worked on at once: no other can be as late as a thread is.
"""

import asyncio
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
    return await asyncio.get_running_loop().run_in_executor(_THREADS, partial(work, *given))
