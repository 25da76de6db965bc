"""Which addresses may be connected to: pure, without a look at any network.

A metadata service gives its machine's credentials to whoever asks, so none is ever asked, however it is written. What
stands in the operator's own file is its own permission for this machine (`http://127.0.0.1:8080`); a private network
wants a word of its own, since a name may begin to lead there long after somebody has looked.
"""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Literal
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Kind = Literal["public", "loopback", "private", "metadata", "unusable"]

_METADATA_NAMES = frozenset(
    {
        "instance-data",
        "instance-data.ec2.internal",
        "metadata",
        "metadata.azure.internal",
        "metadata.goog",
        "metadata.google.internal",
        "metadata.tencentyun.com",
    }
)


def _networks(*written: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(map(ipaddress.ip_network, written))


_METADATA = _networks(
    "169.254.0.0/16",  # link-local: where most clouds keep theirs
    "fe80::/10",
    "100.100.100.200/32",  # Alibaba
    "168.63.129.16/32",  # Azure
    "192.0.0.0/24",  # Oracle's is 192.0.0.192; nothing else of it is a server
    "fd00:ec2::/32",  # Amazon
    "fd20:ce::/32",  # Google
    "fd00:42::/32",  # Scaleway
)
_PRIVATE = _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
_UNUSABLE = _networks("fec0::/10", "64:ff9b:1::/48")  # given up; IPv4 behind a translator of one's own
_TRANSLATED = _networks("64:ff9b::/96")[0]  # NAT64: the last 32 bits are an IPv4 address


def literal(host: str) -> Address | None:
    """Read a host as the address that a resolver would take it for (`127.1`, `0x7f000001`, `[::1]`); None for a name."""
    host = host.strip("[]").rstrip(".")
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def kind_of(address: Address) -> Kind:
    """Say what an address is; one that holds another, as IPv6 can hold IPv4, is what it holds."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return kind_of(inner)
    if any(address in network for network in _METADATA):
        return "metadata"
    if address.is_loopback:
        return "loopback"
    if any(address in network for network in _PRIVATE):
        return "private"
    is_usable = address.is_global and not (address.is_multicast or address.is_reserved)
    is_usable = is_usable and not any(address in network for network in _UNUSABLE)
    return "public" if is_usable else "unusable"


def is_own_machine(host: str) -> bool:
    """Whether a host as written can only be this machine: a loopback address, or `localhost`."""
    address = literal(host)
    return host.lower().rstrip(".") == "localhost" or (address is not None and kind_of(address) == "loopback")


def refusal(host: str, addresses: Iterable[Address], *, private_network: bool) -> str:
    """Say why `host`, which leads to these addresses, is not connected to; empty where it is.

    One address that is refused refuses them all: nobody knows which of them a network would take.
    """
    if host.lower().rstrip(".") in _METADATA_NAMES:
        return "it is a metadata service"
    kinds = {kind_of(address) for address in addresses}
    if "metadata" in kinds:
        return "its address is that of a metadata service"
    if "unusable" in kinds:
        return "its address is none of a server"
    if is_own_machine(host):
        return "" if kinds <= {"loopback"} else "localhost is not this machine"
    if kinds & {"private", "loopback"} and not private_network:
        return "its address is private, and private_network is not set"
    return ""


def refusal_of_url(url: str, *, private_network: bool, plain_http: bool) -> str:
    """Say why an address of the configuration cannot be used; empty where it can, as far as its text tells."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    address = literal(host)
    if why := refusal(host, filter(None, [address]), private_network=private_network):
        return why
    if parts.scheme == "http" and not (plain_http or is_own_machine(host)):
        return "http shows tokens and records to the network: use https, or set plain_http = true"
    return ""
