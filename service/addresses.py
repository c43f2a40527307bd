"""Parses addresses of databases and brokers: every usual spelling is accepted, and no parameter is ignored.

Query parameters are those of libpq (PostgreSQL documentation, "Parameter Key Words"), of asyncpg and of SQLAlchemy's
URL. One that the driver does not support is refused, so that a connection is never less secure than its address says.
"""

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from msgspec import Struct

POSTGRES_PORT: Final = 5432
BIGGEST_PORT: Final = 65535
_ESCAPES: Final = "in a password, @ : / ? # , and % are written %40 %3A %2F %3F %23 %2C %25"
CONNECT_WITHIN_S: Final = 5.0
SQLITE: Final = "sqlite+aiosqlite://"
POSTGRES: Final = "postgresql+asyncpg://"

Role = Literal["any", "primary", "read-write"]
TLS_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_YES, _NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
# The service has to write, so a standby is useless.
_ROLES: Final[Mapping[str, Role]] = {"any": "any", "primary": "primary", "read-write": "read-write"}
_TLS_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_TLS: Final = (*_TLS_FILES, "sslpassword", "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version")
_PLACES: Final = ("host", "port", "user", "password", "dbname", "database", "passfile")
_SERVER: Final = ("application_name", "options", "search_path")
_CACHES: Final = ("prepared_statement_cache_size", "statement_cache_size")
_KNOWN: Final = (
    "sslmode", "ssl", *_TLS, *_PLACES, *_SERVER, *_CACHES, "target_session_attrs", "connect_timeout",
)  # fmt: skip
_CANNOT: Final = {
    "channel_binding": "asyncpg cannot bind channels; leave it out, and check the server with sslmode=verify-full",
    "gssencmode": "asyncpg encrypts by TLS alone; leave it out and set sslmode",
    "service": "write the service's host, user and database into the address",
}


# What aiormq reads (`Connection`, `TLSTransportFactory`); everything else of an address it would pass over.
_BROKER_FILES: Final = ("cafile", "capath", "certfile", "keyfile")
_BROKER_TLS: Final = (*_BROKER_FILES, "cadata", "no_verify_ssl")
_BROKER_KNOWN: Final = (*_BROKER_TLS, "auth", "heartbeat", "timeout")


class PostgresAddress(Struct, frozen=True):
    """Where PostgreSQL is, and how to connect. `cache`: the number of prepared statements per connection, if given."""

    hosts: tuple[tuple[str, int], ...]
    user: str | None
    password: str | None
    database: str | None
    passfile: str | None = None
    role: Role = "any"
    tls: Mapping[str, str] = {}
    server: Mapping[str, str] = {}
    cache: int | None = None
    timeout_s: float = CONNECT_WITHIN_S

    @property
    def places(self) -> str:
        """The hosts, for messages."""
        return ", ".join(f"{host}:{port}" for host, port in self.hosts)


def database_url(value: str) -> str:
    """`value` with its driver named; raises ValueError that says what to write instead."""
    scheme, _, rest = value.partition("://")
    if scheme in ("sqlite", "sqlite+aiosqlite") and value.startswith(f"{scheme}://"):
        _sqlite_address(rest)
        return SQLITE + rest
    if scheme in ("postgres", "postgresql", "postgresql+asyncpg") and value.startswith(f"{scheme}://"):
        postgres_address(POSTGRES + rest)
        return POSTGRES + rest
    raise ValueError("write postgresql+asyncpg://user:password@host/name or sqlite+aiosqlite:///file")


def _sqlite_address(rest: str) -> None:
    """Raises ValueError for parameters that nothing reads."""
    if "?" in rest or "#" in rest:
        raise ValueError("nothing may follow the file's name; write sqlite+aiosqlite:///file, without ? and #")


def postgres_address(url: str) -> PostgresAddress:
    """The address in a URL; raises ValueError naming the wrong part, never the password.

    Of several hosts the primary is meant, unless `target_session_attrs` says otherwise: the service has to write.
    """
    parts = _parts(url)
    cut = (
        "@" not in parts.netloc and "@" in url and not parts.netloc.rpartition(":")[2].isdigit() and ":" in parts.netloc
    )
    if cut or "@" in parts.path:
        # The message repeats nothing: what looks like a host or a port may be part of a password.
        raise ValueError(f"the @ comes after a / or a ?: {_ESCAPES}")
    query = _query(parts.query)
    login, _, where = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    database = parts.path.lstrip("/")
    for name, value in (("host", where), ("user", user), ("password", password), ("dbname", database)):
        if value and unquote(value) != query.get(name, unquote(value)):
            raise ValueError(f"{name} is given twice: before the ? and after it; leave one of them out")
    hosts = _hosts(where or query.get("host", ""), query.get("port", ""))
    role = query.get("target_session_attrs", "primary" if len(hosts) > 1 else "any")
    if role not in _ROLES:
        raise ValueError(f"target_session_attrs={role}: write primary, read-write or any; the service has to write")
    return PostgresAddress(
        hosts=hosts,
        user=unquote(user) or query.get("user"),
        password=unquote(password) or query.get("password"),
        database=unquote(database) or query.get("dbname"),
        passfile=query.get("passfile"),
        role=_ROLES[role],
        tls=_tls(query),
        server={name: query[name] for name in _SERVER if name in query},
        cache=_cache(query),
        timeout_s=_timeout(query.get("connect_timeout")),
    )


def _parts(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.fragment or url.endswith("#"):
        raise ValueError(f"a # ends an address: {_ESCAPES}")
    return parts


def _timeout(value: str | None) -> float:
    seconds = CONNECT_WITHIN_S if value is None else _number("connect_timeout", value)
    if seconds == 0:
        # libpq reads it as "no limit": a silent host would keep the others from being tried.
        raise ValueError("connect_timeout=0: write seconds, 1 or more")
    return seconds


def _query(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for given, value in parse_qsl(text, keep_blank_values=True):
        name = "dbname" if given == "database" else given
        if name in _CANNOT and value not in ("disable", "prefer"):
            raise ValueError(f"{name}={value}: {_CANNOT[name]}")
        if name in _CANNOT:
            continue
        if name not in _KNOWN:
            raise ValueError(f"unknown parameter {name!r}{_near(name, _KNOWN)}")
        if name == "host" and name in found:
            found[name] += f",{value}"
        elif found.get(name, value) != value:
            raise ValueError(f"{name} is given twice")
        else:
            found[name] = value
    return found


def _near(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(known)}"


def _number(name: str, value: str) -> int:
    if not value.isdigit():
        raise ValueError(f"{name}={value}: write a number")
    return int(value)


def _hosts(where: str, ports: str) -> tuple[tuple[str, int], ...]:
    """`a:5432,b`, `[::1]:5432`, a folder with a socket; ports may stand apart: one for all, or one each."""
    names = [unquote(h) for h in where.split(",")] if where else ["localhost"]
    apart = ports.split(",") if ports else []
    if len(apart) > 1 and len(apart) != len(names):
        raise ValueError(f"{len(names)} hosts and {len(apart)} ports: write one port for all, or one each")
    found = []
    for i, name in enumerate(names):
        host, port = name, ""
        if name.startswith("["):
            host, _, port = name[1:].partition("]")
            port = port.removeprefix(":")
        elif not name.startswith("/"):
            host, _, port = name.partition(":")
        if not host:
            raise ValueError("a host between commas is empty")
        port = port or (apart[i] if len(apart) == len(names) else "".join(apart[:1]))
        found.append((host, _port(host, port) if port else POSTGRES_PORT))
    return tuple(found)


def _port(host: str, port: str) -> int:
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= BIGGEST_PORT):
        raise ValueError(f"the port of {host}={port}: write a number from 1 to {BIGGEST_PORT}")
    return int(port)


def _tls(query: Mapping[str, str]) -> dict[str, str]:
    mode = _tls_mode("sslmode", query["sslmode"]) if "sslmode" in query else ""
    other = _tls_mode("ssl", query["ssl"]) if "ssl" in query else ""
    if mode and other and mode != other:
        raise ValueError(
            f"sslmode={query['sslmode']} and ssl={query['ssl']} say different things; leave one of them out"
        )
    options = {name: query[name] for name in _TLS if name in query}
    for name in _TLS_FILES:
        path = options.get(name, "")
        if path and not (name == "sslrootcert" and path == "system") and not os.access(path, os.R_OK):
            raise ValueError(f"{name}={path}: there is no such file that can be read")
    if options.get("sslrootcert") == "system":
        # libpq 16: the system's roots know everybody, so that only the name tells who it is.
        if (mode or other) not in ("", "verify-full"):
            raise ValueError("sslrootcert=system: write sslmode=verify-full with it, anything less would trust anybody")
        mode = "verify-full"
    mode = mode or other
    if mode.startswith("verify") and not _roots(options):
        raise ValueError(f"sslmode={mode} needs sslrootcert=FILE, the certificate authority's, or sslrootcert=system")
    return {"sslmode": mode, **options} if mode else options


def _roots(options: Mapping[str, str]) -> bool:
    usual = Path.home() / ".postgresql" / "root.crt"
    return bool(options.get("sslrootcert") or os.environ.get("PGSSLROOTCERT")) or usual.exists()


def _tls_mode(name: str, value: str) -> str:
    mode = value.lower().replace("_", "-")
    if name == "ssl" and mode in (*_YES, *_NO):
        return "require" if mode in _YES else "disable"
    if mode not in TLS_MODES:
        raise ValueError(f"{name}={value}: unknown{_near(mode, TLS_MODES)}")
    return mode


def _cache(query: Mapping[str, str]) -> int | None:
    sizes = {_number(name, query[name]) for name in _CACHES if name in query}
    if len(sizes) > 1:
        raise ValueError(f"{' and '.join(_CACHES)} differ; leave one of them out")
    return sizes.pop() if sizes else None


def broker_urls(value: str) -> tuple[str, ...]:
    """The brokers' addresses, the first preferred; raises ValueError that says what to write instead."""
    urls = tuple(u.strip() for u in value.split(",") if u.strip())
    schemes = {urlsplit(u).scheme for u in urls}
    if not urls or not schemes <= {"memory", "amqp", "amqps"}:
        raise ValueError("write amqp://user:password@host:5672/ or amqps://..., or memory:// for none")
    if "memory" in schemes and len(urls) > 1:
        raise ValueError("memory:// cannot be combined; write amqp:// addresses, comma separated")
    for url in urls:
        if not url.startswith("memory"):
            _check_broker(url)
    return urls


def _check_broker(url: str) -> None:
    parts = _parts(url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"the port of a broker is no number from 1 to {BIGGEST_PORT}: {_ESCAPES}")
    if not parts.hostname:
        raise ValueError("names no host; write amqp://user:password@host:5672/")
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in _BROKER_KNOWN:
            raise ValueError(f"unknown parameter {name!r}{_near(name, _BROKER_KNOWN)}")
        if name in _BROKER_TLS and parts.scheme != "amqps":
            raise ValueError(f"{name} is for TLS: write amqps:// with it")
        if name in _BROKER_FILES and not os.access(value, os.R_OK):
            raise ValueError(f"{name}={value}: there is no such file that can be read")
        if name == "no_verify_ssl" and value not in ("0", "1"):
            raise ValueError(f"{name}={value}: write 0 or 1")
        if name in ("heartbeat", "timeout"):
            _number(name, value)
