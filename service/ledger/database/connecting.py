"""Connects to PostgreSQL, for queries, LISTEN, migrations, tests and benches alike.

Behind a connection pooler in transaction mode (PgBouncer, "SQL feature map for pooling modes") a session keeps no
state: few start-up parameters, no prepared statements. If `detect_pooler` finds one, connections use neither.
"""

import ssl
from typing import Any, Final
from urllib.parse import urlencode

import asyncpg
import structlog
from sqlalchemy import event
from sqlalchemy.ext.asyncio.engine import AsyncEngine, create_async_engine

from service.addresses import PostgresAddress, postgres_address

log = structlog.get_logger(__name__)
# All connections are kept once opened, as a new one has no prepared statements.
POOL_SIZE: Final = 16
STATEMENT_TIMEOUT_S: Final = 30
STATEMENTS_KEPT: Final = 100
# `application_name`: releases before bound seals gave their connections none (see `key_processes`).
_SESSION: Final = {
    "application_name": "stagebell",
    "timezone": "UTC",
    "statement_timeout": str(STATEMENT_TIMEOUT_S * 1000),
    "jit": "off",
}
# PostgreSQL, "Client Connection Defaults"; reading months of history takes longer than other queries.
_READ_ONLY: Final = {"default_transaction_read_only": "on", "statement_timeout": "0"}
# Parameters that PgBouncer tracks for each client (its manual, `ignore_startup_parameters`).
_KEPT_BY_POOLERS: Final = ("timezone", "application_name")


class NoPrimary(ConnectionError):
    """Hosts answered, but none is a primary: a switchover may be under way."""


class PostgresConnector:
    """Opens connections to one PostgreSQL server or cluster; detects whether a pooler is in between."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        """`read_only`: the server refuses writes on these connections."""
        self.address: PostgresAddress = postgres_address(url)
        self.read_only = read_only
        self.pooled = False

    async def detect_pooler(self) -> None:
        """Connect once and detect a pooler: it refuses parameters, or reports process ids of its own.

        Raises the errors of `connect`.
        """
        try:
            connection = await self.connect()
        except asyncpg.ProtocolViolationError as error:
            if "startup parameter" not in str(error):
                raise
            self.pooled = True
            return
        try:
            async with connection.transaction():
                served_by = await connection.fetchval("SELECT pg_backend_pid()")
            self.pooled = served_by != connection.get_server_pid()
        finally:
            await connection.close(timeout=1)

    async def connect(self, **more: Any) -> "asyncpg.Connection[asyncpg.Record]":
        """A new connection to the first suitable host; the time-out applies to each host separately.

        Raises the driver's error for the last host, or NoPrimary if all answered and none is a primary.
        """
        last: Exception | None = None
        for host, port in self.address.hosts:
            try:
                return await asyncpg.connect(**self._arguments(host, port), **more)
            except asyncpg.TargetServerAttributeNotMatched:
                last = last or NoPrimary(f"no host is a primary: {self.address.places}")
            except (OSError, asyncpg.CannotConnectNowError) as error:
                # An error of a host is more useful than the fact that another one is a standby.
                last = error
        assert last is not None
        raise last

    def _arguments(self, host: str, port: int) -> dict[str, Any]:
        a = self.address
        tls = dict(a.tls)
        known: dict[str, Any] = {"statement_cache_size": 0} if self.pooled else {}
        if tls.get("sslrootcert") == "system":
            tls.clear()
            known["ssl"] = ssl.create_default_context()
        server = {**_SESSION, **a.server, **(_READ_ONLY if self.read_only else {})}
        if self.pooled:
            server = {name: value for name, value in server.items() if name in _KEPT_BY_POOLERS}
        return {
            "dsn": f"postgresql:///?{urlencode(tls)}" if tls else None,
            "host": host,
            "port": port,
            "user": a.user,
            "password": a.password,
            "database": a.database,
            "passfile": a.passfile,
            "target_session_attrs": a.role,
            "server_settings": server,
            "timeout": a.timeout_s,
            **known,
        }

    @property
    def statements_kept(self) -> int:
        """How many prepared statements a connection keeps: as the address says, else none behind a pooler."""
        if self.address.cache is not None:
            return self.address.cache
        return 0 if self.pooled else STATEMENTS_KEPT

    def engine(self, *, patient: bool = False) -> AsyncEngine:
        """SQLAlchemy's pool of these connections. `patient`: statements have no time limit."""
        timeout = None if patient else STATEMENT_TIMEOUT_S

        async def connect() -> Any:
            return await self.connect(command_timeout=timeout)

        engine = create_async_engine(
            "postgresql+asyncpg://",
            hide_parameters=True,
            pool_size=POOL_SIZE,
            max_overflow=0,
            pool_pre_ping=False,
            # The connection used last has its statements prepared and its plans cached.
            pool_use_lifo=True,
            pool_recycle=1800,
            pool_timeout=10,
            connect_args={"async_creator_fn": connect},
        )

        @event.listens_for(engine.sync_engine, "do_connect")
        def _on_connect(_dialect: Any, _record: Any, _arguments: Any, named: dict[str, Any]) -> None:
            named["prepared_statement_cache_size"] = self.statements_kept
            if not self.statements_kept:
                # Unnamed statements live within their transaction only, on whichever server it runs.
                named["prepared_statement_name_func"] = str

        return engine
