"""References and what they lead to: through `fullUrl` first, then through the client's base (F1)."""

from collections.abc import Iterable
from dataclasses import dataclass, field

_VERSION = "/_history/"


@dataclass(frozen=True, slots=True)
class References:
    """Resolves a reference to `Type/id`; one that leads nowhere stays as it is, without its version."""

    base: str
    full_urls: dict[str, str] = field(default_factory=dict)

    def resolve(self, reference: str) -> str:
        """Resolve one reference; an empty one stays empty."""
        bare = reference.partition(_VERSION)[0]
        if known := self.full_urls.get(reference) or self.full_urls.get(bare):
            return known
        if self.base and bare.startswith(f"{self.base}/"):
            return bare.removeprefix(f"{self.base}/")
        return bare


def references(base: str, entries: Iterable[tuple[str, str]]) -> References:
    """Index (fullUrl, `Type/id`) pairs. A fullUrl that two resources claim leads nowhere."""
    found: dict[str, set[str]] = {}
    for full_url, name in entries:
        bare = full_url.partition(_VERSION)[0]
        if ":" in bare:
            found.setdefault(bare, set()).add(name)
    known = {full_url: next(iter(names)) for full_url, names in found.items() if len(names) == 1}
    return References(base.rstrip("/"), known)


def id_of(written: str | None, full_url: str) -> str:
    """Give the id of a resource; one without an id is known by its fullUrl."""
    return written or full_url.partition(_VERSION)[0].rpartition("/")[2].removeprefix("urn:uuid:")
