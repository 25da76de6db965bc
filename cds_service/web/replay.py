"""A token is used once, by whichever worker it reaches first: what the store remembers of it is a digest and an age."""

from functools import partial

from cds_service.errors import NotProvedError
from cds_service.security.tokens import Pass
from cds_service.web.store import Store


async def use_once(once: Pass | None, store: Store | None, deadline: float) -> None:
    """Take the token of a call, if it has one, until `deadline` (loop time, s).

    Raises NotProvedError for a token that was taken before, StoreError where that cannot be known.
    """
    if once is None or store is None:  # start-up refuses tokens without a store
        return
    if not await store.aside(partial(store.take, once.digest, once.until), deadline):
        raise NotProvedError({"authentication": "used before"})
