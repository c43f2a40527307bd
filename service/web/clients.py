"""The client's address, with and without proxies in front, and the network by which it is rate-limited."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

import structlog
from aiohttp import web

from service.web.context import CONTEXT
from service.web.limits import Kind
from service.web.problems import Problem

log = structlog.get_logger(__name__)
UNKNOWN: Final = "unknown"
FORWARDED: Final = ("X-Forwarded-For", "Forwarded", "X-Real-IP")
# An IPv6 client usually has the whole /64 (RFC 6177).
IPV6_PREFIX: Final = 64
GUESSES: Final[web.RequestKey[Kind]] = web.RequestKey("guesses", str)  # type: ignore[arg-type]
WARNED: Final = web.AppKey("warned_of_forwarded", list[bool])


def address_of(request: web.Request) -> str:
    """The client's address. With PROXIES=N, what the outermost of the N wrote; a client's own header never counts.

    Every trusted proxy appends its own peer to `X-Forwarded-For`, so the last N entries of all its lines are true.
    """
    peer = request.remote or UNKNOWN
    proxies = request.app[CONTEXT].settings.proxies
    if not proxies:
        return peer
    entries = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
    true = [_address(entry) for entry in entries if entry.strip()][-proxies:]
    # Skip an entry that is no address; take the next one nearer to us.
    return next((str(a) for a in true if a is not None), peer)


def network_of(request: web.Request) -> str:
    """The network by which wrong guesses are counted: an IPv4 address, or the /64 of an IPv6 one."""
    address = _address(address_of(request))
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_PREFIX), strict=False))
    return str(address or UNKNOWN)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """`192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]:443`; IPv4-mapped IPv6 addresses as IPv4."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


async def refuse_guess(request: web.Request, problem: Problem, kind: Kind | None = None) -> Problem:
    """The answer to a wrong guess: `problem`, or 429 after too many of its kind from that network.

    `kind`: as the route declares, unless it is a key.
    """
    counted = request[GUESSES] if kind is None else kind
    if await request.app[CONTEXT].limits.failed(counted, network_of(request)):
        return problem
    return Problem(429, "Too many wrong guesses", "try again in a minute", {"Retry-After": "60"})


def warn_of_forwarded(request: web.Request) -> None:
    """Warn once that there seems to be a proxy that PROXIES does not count: all clients look like one."""
    warned = request.app[WARNED]
    if warned or request.app[CONTEXT].settings.proxies or not any(name in request.headers for name in FORWARDED):
        return
    warned.append(True)
    log.warning(
        "http.forwarded_not_trusted",
        hint="requests carry X-Forwarded-For or the like; if a proxy of yours adds it, set STAGEBELL_PROXIES to how "
        "many stand in front (1 for one), else wrong guesses of all its clients are counted together",
    )
