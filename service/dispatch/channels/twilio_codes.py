"""Twilio's error codes in the domain's words, from the table in `twilio_codes.txt`."""

from importlib.resources import files
from typing import Final, Literal, cast

Kind = Literal["us", "country", "address", "message", "opted_out", "later", "unsure"]

# HTTP, where no published code says more (RFC 9110, §15). What is wrong with our login, our address or our way of
# asking concerns every message alike.
_US: Final = frozenset({401, 402, 403, 404, 405, 406, 407, 410, 411, 421, 426, 451, 511})
_LATER: Final = frozenset({408, 409, 425, 429})
REDIRECT: Final = 300
CLIENT_ERROR: Final = 400
SERVER_ERROR: Final = 500
# Smaller numbers are HTTP's own.
FIRST_CODE: Final = 1000


def _read() -> tuple[frozenset[int], dict[int, Kind]]:
    known: set[int] = set()
    kinds: dict[int, Kind] = {}
    for line in files(__package__).joinpath("twilio_codes.txt").read_text("utf-8").splitlines():
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


def kind_of(code: int, status: int) -> tuple[Kind, bool]:
    """What an answer that is not yes means, and whether its code is published."""
    if code >= FIRST_CODE and code in _KINDS:
        return _KINDS[code], True
    return kind_of_status(status), code < FIRST_CODE


def kind_of_status(status: int) -> Kind:
    """The same by HTTP status alone: a server that broke off may have taken the message before."""
    if status in _LATER:
        return "later"
    if status in _US or REDIRECT <= status < CLIENT_ERROR:
        return "us"
    return "unsure" if status >= SERVER_ERROR or status < REDIRECT else "message"
