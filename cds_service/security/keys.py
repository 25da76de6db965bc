"""The public keys of one client: read from a file at the start, or from its address, asked seldom and never in a crowd.

A set is fresh for a while, is asked for again when a token names a key that is not in it, and is kept when its address
fails, up to an age at which what was withdrawn must be gone. The address is that of the configuration alone.
"""

import asyncio
import tomllib
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import cache, partial
from math import inf
from pathlib import Path

from cachetools import TTLCache

from cds_service.security.tokens import Key, Rejected, UnusableKeysError, read_keys
from cds_service.settings.limits import Limits
from cds_service.settings.service import SettingsError

Fetch = Callable[[str], Awaitable[bytes]]
"""Gets what lies at an address of the configuration, bounded; raises ConnectionError."""
KeysOf = Callable[[str], Awaitable[Key]]
"""Gives the key of a kid; raises Rejected."""

_Keys = Mapping[str, Key]
_SET = "set"  # the one entry of each cache


@cache
def published_keys() -> frozenset[str]:
    """Thumbprints of the keys that anybody can sign with."""
    table = tomllib.loads(Path(__file__).with_name("published_keys.toml").read_text(encoding="utf-8"))
    return frozenset(key["thumbprint"] for key in table["key"])


def keys_of_file(file: Path, algorithms: Collection[str]) -> KeysOf:
    """Read a key set once; raises SettingsError in one line."""
    try:
        keys = read_keys(file.read_bytes(), algorithms, published_keys())
    except OSError as error:
        raise SettingsError(f"jwks_file: {file} cannot be read: {error.strerror}") from None
    except UnusableKeysError as error:
        raise SettingsError(f"jwks_file: {file} {error}") from None
    return partial(_known, keys)


async def _known(keys: _Keys, kid: str) -> Key:
    if kid not in keys:
        raise Rejected("unknown key")
    return keys[kid]


class FetchedKeys:
    """The key set at one address. `timer` gives seconds that never go back."""

    def __init__(
        self, url: str, algorithms: Collection[str], fetch: Fetch, timer: Callable[[], float], limits: Limits
    ) -> None:
        self._url = url
        self._algorithms = algorithms
        self._fetch = fetch
        self._timer = timer
        self._limits = limits
        self._fresh: TTLCache[str, _Keys] = TTLCache(1, limits.keys_fresh_seconds, timer)
        self._kept: TTLCache[str, _Keys] = TTLCache(1, limits.keys_kept_seconds, timer)
        self._turn = asyncio.Lock()
        self._asked = -inf  # when an answer came last, good or bad

    async def key(self, kid: str) -> Key:
        """Return the key of a kid, asking for the set where that may help; raises Rejected."""
        if self._may_ask(kid):
            async with self._turn:  # whoever waited looks at what the one before has brought
                if self._may_ask(kid):
                    await self._ask()
        keys = self._kept.get(_SET)
        if keys is None:
            raise Rejected("keys unread")
        return await _known(keys, kid)

    def _may_ask(self, kid: str) -> bool:
        keys = self._fresh.get(_SET)
        if keys is not None and kid in keys:
            return False
        pause = self._limits.keys_pause_seconds if _SET in self._kept else self._limits.keys_retry_seconds
        return self._timer() - self._asked >= pause

    async def _ask(self) -> None:
        try:
            keys = read_keys(await self._fetch(self._url), self._algorithms, published_keys())
        except (ConnectionError, UnusableKeysError):
            return  # what there is stays until its age
        finally:
            self._asked = self._timer()
        self._fresh[_SET] = self._kept[_SET] = keys
