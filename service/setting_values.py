"""What the values of settings must be: one that could not work is refused at the start, with what to write instead.

Each function takes the value, raises ValueError with the remedy, and never repeats a value that may hold a secret.
"""

from importlib.util import find_spec
from typing import Annotated, Final
from urllib.parse import quote, urlsplit, urlunsplit

import idna
from pydantic import AfterValidator

# How an address of a team says that it is a signed webhook; every other one is Apprise's.
WEBHOOK: Final = "webhook+"
LONGEST_NAME: Final = 100


def web_address(value: str) -> str:
    """An address of HTTP without its last slash, in ASCII as requests and headers need it; empty stays empty."""
    try:
        parts = urlsplit(value)
        ok = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
        more = parts.query or parts.fragment or parts.username is not None or any(c.isspace() for c in value)
        if ok and not more:
            host, colon, port = parts.netloc.lower().partition(":")
            host = host if host.isascii() else idna.encode(host, uts46=True).decode()
            value = urlunsplit((parts.scheme, f"{host}{colon}{port}", quote(parts.path, safe="/%~"), "", ""))
    except (ValueError, UnicodeError):
        ok = more = False
    if value and (not ok or more):
        raise ValueError("write https://host or http://host:port, and nothing but a path after it")
    return value.rstrip("/")


Url = Annotated[str, AfterValidator(web_address)]


def one_line(value: str) -> str:
    """A name as it stands in subjects and headers."""
    if len(value) > LONGEST_NAME or not value.isprintable() or not value.strip():
        raise ValueError(f"write a name of one line and at most {LONGEST_NAME} characters")
    return value


def mail_port(value: str) -> str:
    """Where this service listens for mail; empty stays empty."""
    try:
        parts = urlsplit(value)
        ok = parts.scheme in ("lmtp", "smtp") and parts.hostname and parts.port is not None
        more = parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None
    except ValueError:
        ok = more = False
    if value and (not ok or more):
        raise ValueError(
            "write lmtp://host:port or smtp://host:port: where this service listens for mail; it knows no passwords"
        )
    return value


def team_endpoint(url: str) -> None:
    """An address of Apprise, which is an extra of the package, or `webhook+https://`."""
    if "://" not in url:
        raise ValueError("write an Apprise address such as slack://…, or webhook+https://host/path")
    if url.startswith(WEBHOOK):
        parts = urlsplit(url.removeprefix(WEBHOOK))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("write webhook+https://host/path")
    elif find_spec("apprise") is None:
        raise ValueError(
            "Apprise is not installed, so only webhook+https:// addresses can be called;"
            " install it with: pip install 'stagebell[apprise]'"
        )
