"""Where a chart may be read from: the configured FHIR base of the calling client, and nowhere else.

No address from a request or from an answer is ever dialled. A `next` link gives its path and query only, and only
if it lies on the base's own origin and below its path; scheme, host and port always come from the configuration.
"""

import re
from collections.abc import Iterator
from urllib.parse import quote, unquote, urljoin, urlsplit

from cds_service.fhir.bundle import UnreadableError

# Control characters, backslash, halves of a character
_NEVER = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_DECODED = 4  # times: no honest path is encoded so often
_DEFAULT_PORTS = {"http": 80, "https": 443}


def next_address(base: str, asked: str, link: str) -> str:
    """Resolve a `next` link against the address that was asked; raises UnreadableError where it leads elsewhere.

    Blanks and letters outside ASCII are percent-encoded, as whoever wrote the link forgot to. The same host under the
    other scheme is a known quirk of servers behind a proxy: it is asked by the base's scheme.
    """
    if not link or _NEVER.search(link):
        raise UnreadableError("its address cannot be read")
    try:
        target = urljoin(asked, quote(link, safe=_ASCII)).partition("#")[0]
        _ = urlsplit(target).port  # raises ValueError for a port that is none
    except ValueError:
        raise UnreadableError("its address cannot be read") from None
    parts = urlsplit(base)
    for spelling in _spellings(parts.hostname or "", parts.port, parts.scheme):
        rest = target[len(spelling) :]
        if target[: len(spelling)].lower() == spelling and rest[:1] in {"/", "?"}:
            if not _is_below(parts.path, rest.partition("?")[0]):
                raise UnreadableError("it lies outside the path of fhir_base")
            return f"{parts.scheme}://{parts.netloc}{rest}"
    raise UnreadableError("it lies on another server")


def _is_below(base: str, path: str) -> bool:
    """Whether a path is the base's or below it, whoever may decode it on the way and however often."""
    for _ in range(_DECODED):
        steps = re.split(r"[/\\]", path)
        if any(step.partition(";")[0] in {".", ".."} for step in steps):  # Tomcat reads "..;x" as ".."
            return False
        if path != base and not path.startswith(f"{base}/"):
            return False
        path, before = unquote(path), path
        if path == before:
            return True
    return False


def _spellings(host: str, port: int | None, scheme: str) -> Iterator[str]:
    """Give every way to write the origin, under both schemes; a default port may be written or left out."""
    name = f"[{host}]" if ":" in host else host
    default = port in {None, _DEFAULT_PORTS[scheme]}
    for other, other_port in _DEFAULT_PORTS.items():
        yield f"{other}://{name}:{other_port if default else port}"
        if default:
            yield f"{other}://{name}"
