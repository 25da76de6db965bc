"""References and what they lead to: through `fullUrl` first, then through the client's bases (F1).

Addresses are compared as RFC 3986 (6.2) does, and `http` and `https` of one host are alike, whichever of their default
ports is written: a server behind a proxy often does not know by which it is asked.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

_VERSION = "/_history/"
# What nearly all references look like: nothing to normalise
_RELATIVE = re.compile(r"[A-Za-z]+/[A-Za-z0-9.\-]+")
# What nearly all addresses look like: but for the scheme as they are compared
_COMPARABLE = re.compile(
    r"https?:(//[a-z0-9.\-]+(?::(?!(?:80|443)/)[0-9]+)?(?:/[A-Za-z0-9._~\-]+)+)|(urn:[a-z0-9:\-]+)"
)
_WEB = re.compile(r"https?://([^/]*)(.*)", re.IGNORECASE | re.DOTALL)
_DEFAULT_PORT = re.compile(r":(?:80|443)?$")
_LONGEST_ADDRESS = 2000  # characters; proxies cut at so many, and a longer one leads nowhere
_SLASHES = re.compile(r"/+")
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_TYPE = "(?:(?i:patient)|(?:[A-Z][a-z]+)+)"  # of a resource; a server that writes `patient` means the same
_NAMED = re.compile(rf"(?P<base>.*/)?(?P<type>{_TYPE})/(?P<id>[A-Za-z0-9._~-]+)", re.DOTALL)
_BEHIND = re.compile(r"(?:/_history)?/?(?:[?#|].*)?\Z", re.DOTALL)  # what may stand behind an id
_SEARCH = re.compile(rf"(?:.*/)?{_TYPE}\?.*", re.DOTALL)
_Problem = Literal["", "no subject", "subject elsewhere", "other patient"]


@dataclass(frozen=True)  # no slots: the index is kept beside the fields
class References:
    """Resolves a reference to `Type/id`; one that leads nowhere stays an address, without its version.

    `claims` are pairs (`fullUrl`, `Type/id`). Nearly every chart refers by `Type/id`, and nobody asks for their index.
    """

    bases: tuple[str, ...]  # comparable, with a slash at the end; the longest first
    claims: Iterable[tuple[str, str]] = ()

    def resolve(self, reference: str) -> str:
        """Resolve one reference; an empty one stays empty, one into `contained` stays as it is."""
        if reference.startswith("#") or _RELATIVE.fullmatch(reference):
            return reference
        address = comparable(reference).partition(_VERSION)[0]
        if known := self._claimed.get(address):
            return known
        for base in self.bases:
            # From the root of its host; an address without a host has no other beginning
            path = base.split("/", 3)[3] if reference.startswith("/") and base.startswith("//") else base
            if address.startswith(path):
                return address.removeprefix(path)
        return address

    @cached_property
    def _claimed(self) -> dict[str, str]:
        """The names by comparable address. One that two resources claim leads nowhere."""
        known: dict[str, str] = {}
        for full_url, name in self.claims:
            if ":" not in full_url:  # it is no address
                continue
            address = comparable(full_url).partition(_VERSION)[0]
            if address and known.setdefault(address, name) != name:
                known[address] = ""
        return known


def subject_problem(address: str, own: str) -> _Problem:
    """F1: why a resolved reference is not to the patient of the chart, who is `own` (`Patient/id`).

    `other patient` is what is surely another: what leads into `contained`, or is `[base/]Type/id` with another id. What
    names nobody who can be told may be this patient. An id in other letters is not another, nor is what lies below the
    patient, or has the patient's id on a base and no Patient in it (`https://host/Fhir/p1`). A search for an identifier
    is no address.
    """
    if address == own:
        return ""
    if not address or _SEARCH.fullmatch(address):
        return "no subject"
    if address.startswith("#"):
        return "other patient"
    named = _NAMED.fullmatch(_BEHIND.sub("", address, count=1))
    if named is None:
        return "subject elsewhere"
    own, base = own.casefold(), (named["base"] or "").casefold()
    if named["id"].casefold() == own.partition("/")[2]:
        is_another = not base and named["type"].casefold() != "patient"
    else:
        is_another = f"/{own}/" not in f"/{base}"
    return "other patient" if is_another else "subject elsewhere"


def references(base: str, also_known_as: Iterable[str], claims: Iterable[tuple[str, str]]) -> References:
    """Resolve references in a record: its own bases, and who claims which `fullUrl`."""
    bases = {f"{comparable(own)}/" for own in (base, *also_known_as) if own}
    return References(tuple(sorted(bases, key=len, reverse=True)), claims)


def comparable(address: str) -> str:
    """Write an address so that two that mean the same are equal: `//host/path`, `urn:…`, or `Type/id`."""
    if len(address) > _LONGEST_ADDRESS:
        return address
    if known := _COMPARABLE.fullmatch(address):
        return known[1] or known[2]
    address = _ENCODED.sub(_decoded, address.strip())
    if web := _WEB.fullmatch(address):
        host, path = _DEFAULT_PORT.sub("", web[1].lower()), _SLASHES.sub("/", web[2])
        return f"//{host}{path}".rstrip("/")
    if address[:4].lower() == "urn:":
        return address.lower()
    return _SLASHES.sub("/", address).strip("/")


def _decoded(written: re.Match[str]) -> str:
    letter = chr(int(written[1], 16))
    return letter if _UNRESERVED.match(letter) else written[0].upper()


def id_of(written: str | None, full_url: str) -> str:
    """Give the id of a resource; one without an id is known by its fullUrl."""
    return written or full_url.partition(_VERSION)[0].rpartition("/")[2].removeprefix("urn:uuid:")
