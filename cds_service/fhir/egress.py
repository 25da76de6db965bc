"""Where we may connect: the configured FHIR base of the calling client, and nowhere else.

No address from a request or from an answer is ever dialled. A `next` link gives its path and query only, and only
if it lies on the base's own origin; scheme, host and port always come from the configuration.
"""

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

_URL = re.compile(r"[\x21-\x5b\x5d-\x7e]+")  # printable ASCII without the backslash
_DEFAULT_PORTS = {"http": 80, "https": 443}


def next_address(base: str, asked: str, link: str) -> str | None:
    """Resolve a `next` link against the address that was asked; None where it leads elsewhere.

    The same host under the other scheme is a known quirk of servers behind a proxy: it is asked by the base's scheme.
    """
    if not _URL.fullmatch(link):
        return None
    target = urljoin(asked, link).partition("#")[0]
    parts = urlsplit(base)
    for spelling in _spellings(parts.hostname or "", parts.port, parts.scheme):
        rest = target[len(spelling) :]
        if target[: len(spelling)].lower() == spelling and rest[:1] in {"/", "?"}:
            return f"{parts.scheme}://{parts.netloc}{rest}"
    return None


def _spellings(host: str, port: int | None, scheme: str) -> Iterator[str]:
    """Give every way to write the origin, under both schemes; a default port may be written or left out."""
    name = f"[{host}]" if ":" in host else host
    default = port in {None, _DEFAULT_PORTS[scheme]}
    for other, other_port in _DEFAULT_PORTS.items():
        yield f"{other}://{name}:{other_port if default else port}"
        if default:
            yield f"{other}://{name}"
