"""Where webhooks may go: to public addresses, and to networks that WEBHOOK_ALLOW names.

Whoever publishes events names addresses that this service then calls from inside its network. What stands behind it
(metadata services, admin ports, the database) must not be reached that way. The address is judged when the socket is
made, after the name was resolved and for each address again: a name that changes in between changes nothing.
Source: IANA, "Special-Purpose Address Registry" for IPv4 and IPv6; RFC 6052 §2.1 and RFC 8215 for NAT64; RFC 5214 §6.1
for ISATAP.
"""

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NOT_ALLOWED: Final = "the address is in a network that WEBHOOK_ALLOW does not name"
# What Python of some versions takes for global, and nobody outside should be called by.
_NEVER: Final = tuple(
    ip_network(text)
    for text in (
        "100.64.0.0/10",
        "192.0.0.0/24",
        "168.63.129.16/32",  # answers inside of Azure only (Microsoft, "What is IP address 168.63.129.16?")
        "192.88.99.0/24",
        "::/96",
        "64:ff9b:1::/48",
        "fec0::/10",
        "5f00::/16",
        "3fff::/20",
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_LOW_32: Final = 0xFFFFFFFF
# An interface's id in ISATAP, before the IPv4 address: for private and for public ones, whatever the network is.
_ISATAP: Final = (0x00005EFE, 0x02005EFE)


class TargetNotAllowed(OSError):
    """The address is private, loopback, link-local or otherwise not public, and no setting allows it."""

    def __init__(self) -> None:
        super().__init__(NOT_ALLOWED)


def networks_of(text: str) -> tuple[Network, ...]:
    """`10.0.0.0/8, ::1` as networks; raises ValueError naming the one that is none."""
    found = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        try:
            found.append(ip_network(part, strict=False))
        except ValueError:
            raise ValueError(f"{part!r} is no network; write them like 10.1.0.0/16, comma-separated") from None
    return tuple(found)


def is_allowed(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether a webhook may be sent to this address."""
    places = (address, *_embedded(address))
    if any(a in network for a in places for network in allowed if a.version == network.version):
        return True
    return all(map(_is_public, places))


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address in _NAT64:
        return True  # judged by the IPv4 address within
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.sixtofour):
        return True
    if address.is_multicast or address.is_reserved or address.is_unspecified or not address.is_global:
        return False
    return not any(address in network for network in _NEVER if address.version == network.version)


def _embedded(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that a translated or tunnelled IPv6 address leads to, or by which it goes."""
    if isinstance(address, IPv4Address):
        return ()
    if address in _NAT64 or int(address) >> 32 & _LOW_32 in _ISATAP:
        return (IPv4Address(int(address) & _LOW_32),)
    within = (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()))
    return tuple(a for a in within if a is not None)


def guarded_sockets(allowed: Sequence[Network]) -> Callable[[Any], socket.socket]:
    """Makes the sockets of an aiohttp connector; raises TargetNotAllowed instead, before a packet leaves."""

    def make(info: Any) -> socket.socket:
        family, kind, protocol, _, target = info
        if family not in (socket.AF_INET, socket.AF_INET6):
            raise TargetNotAllowed
        # A scope (`fe80::1%eth0`) says by which card, not whither.
        if not is_allowed(ip_address(str(target[0]).partition("%")[0]), allowed):
            raise TargetNotAllowed
        return socket.socket(family, kind, protocol)

    return make
