"""What takes long tells how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, how much there is."""


def quiet(_what: str, _done: int, _of: int) -> None:
    """Report no progress."""
