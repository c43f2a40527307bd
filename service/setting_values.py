"""What the values of settings must be: one that could not work is refused at the start, with what to write instead.

Each function takes the value, raises ValueError with the remedy, and never repeats a value that may hold a secret.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote, urlsplit, urlunsplit

import idna
from pydantic import AfterValidator

# How an address of a team says that it is a signed webhook; every other one is Apprise's.
WEBHOOK: Final = "webhook+"
SMTP_SCHEMES: Final = ("smtp", "smtps", "smtp+starttls")
# Google, "Service account credentials": without these no token is given.
_ACCOUNT: Final = ("project_id", "client_email", "private_key", "token_uri")


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


def mail_relay(url: str) -> None:
    """A mail relay's address."""
    try:
        parts = urlsplit(url)
        ok = parts.scheme in SMTP_SCHEMES and parts.hostname and (parts.port or 1)
    except ValueError:
        ok = False
    if url and not ok:
        raise ValueError(
            "write smtp://, smtps:// or smtp+starttls://user:password@host:port;"
            " a password's @ : / are written %40 %3A %2F"
        )


def service_account(path: Path) -> None:
    """A readable key file of a Google service account."""
    remedy = "it is the service account's JSON key (Firebase console, Project settings, Service accounts)"
    if not path.is_file():
        raise ValueError(f"no file at {path}; {remedy}")
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}; let the service's user read it") from None
    except ValueError:
        raise ValueError(f"{path} is no JSON; {remedy}") from None
    missing = [name for name in _ACCOUNT if not (isinstance(said, dict) and said.get(name))]
    if missing:
        raise ValueError(f"{path} has no {missing[0]!r}; {remedy}")
    from joserfc.jwk import RSAKey

    try:
        RSAKey.import_key(str(said["private_key"]))
    except ValueError:
        raise ValueError(f"the 'private_key' of {path} is no RSA key in PEM; {remedy}") from None


def way_to_team(url: str) -> None:
    """An address of Apprise, which is an extra of the package, or `webhook+https://`."""
    if "://" not in url:
        raise ValueError("write an Apprise address such as slack://…, or webhook+https://host/path")
    if not url.startswith(WEBHOOK) and find_spec("apprise") is None:
        raise ValueError(
            "Apprise is not installed, so only webhook+https:// addresses can be called;"
            " install it with: pip install 'stagebell[apprise]'"
        )
