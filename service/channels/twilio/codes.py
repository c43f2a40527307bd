"""Classifies Twilio's error codes by the table in `codes.txt`."""

from importlib.resources import files
from typing import Final, Literal, cast

Kind = Literal["us", "country", "address", "message", "opted_out", "later", "unsure"]

# By HTTP status, if there is no published code (RFC 9110, §15; RFC 6585): these are about a message that is unreadable
# or too long. Every other 4xx is about our credentials, address or request and concerns all messages; so are
# non-standard ones, which proxies send (nginx's 444 and 494 to 499, load balancers' 460 to 463).
_MESSAGE: Final = frozenset({400, 413, 414, 422, 431})
_LATER: Final = frozenset({408, 409, 425, 429})
NETWORK_SIGN_IN: Final = 511
REDIRECT: Final = 300
BAD_REQUEST: Final = 400
SERVER_ERROR: Final = 500
# Smaller numbers are HTTP statuses.
FIRST_CODE: Final = 1000


def _read() -> tuple[frozenset[int], dict[int, Kind]]:
    known: set[int] = set()
    kinds: dict[int, Kind] = {}
    for line in files(__package__).joinpath("codes.txt").read_text("utf-8").splitlines():
        name, *ranges = line.partition("#")[0].split() or [""]
        for text in ranges:
            first, _, last = text.partition("-")
            start, end = int(first), int(last or first)
            if name == "known":
                known.update(range(start, end + 1))
            else:
                kinds.update((code, cast(Kind, name)) for code in known if start <= code <= end)
    return frozenset(known), kinds


KNOWN, _KINDS = _read()


def kind_of(code: int, status: int, *, foreign: bool = False) -> tuple[Kind, bool]:
    """The meaning of an error answer, and whether its code is published."""
    if code >= FIRST_CODE and code in _KINDS:
        return _KINDS[code], True
    return kind_of_status(status, foreign=foreign), code < FIRST_CODE


def kind_of_status(status: int, *, foreign: bool = False) -> Kind:
    """The meaning of an HTTP status alone; a server error may follow after the message was accepted.

    `foreign`: the body is not the provider's. Then a plain 400 is about the connection (a wrong port, a gateway).
    """
    if status in _LATER:
        return "later"
    if status in _MESSAGE and not (foreign and status == BAD_REQUEST):
        return "message"
    if REDIRECT <= status < SERVER_ERROR or status == NETWORK_SIGN_IN:
        return "us"
    return "unsure"
