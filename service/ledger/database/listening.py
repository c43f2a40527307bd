"""Hears, by LISTEN, what other processes announce; knows whether it does, and comes back by itself.

A connection that looks open may have died in silence, and a pooler may have taken it away: a listener is up only
while it hears its own voice.
"""

import asyncio
import contextlib
import secrets
from typing import Any, Final

import asyncpg
import structlog

from service.ledger.database.connecting import PostgresConnector
from service.ledger.database.liveness import SessionLiveness
from service.ledger.database.wakeups import PG_CHANNEL, Wakeups
from service.settings import SettingsError
from service.telemetry import metrics

log = structlog.get_logger(__name__)
FIRST_RECONNECT_S: Final = 0.1
RECONNECT_S: Final = 1.0
BEAT_EVERY_S: Final = 15.0
BEAT_WITHIN_S: Final = 5.0
ECHO_WITHIN_S: Final = 2.0
LOST: Final = (OSError, asyncpg.PostgresError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Listener:
    """Passes other processes' notifications to this one's loops. `trouble`: why none arrive; empty while they do."""

    def __init__(self, connector: PostgresConnector, wakeups: Wakeups, liveness: SessionLiveness | None = None) -> None:
        """`liveness`: is told of each listening session, which holds its lock."""
        self._connector = connector
        self._liveness = liveness
        self._wakeups = wakeups
        self._beats = f"stagebell_{secrets.token_hex(8)}"
        self._beat = asyncio.Event()
        self._pause_s = FIRST_RECONNECT_S
        self.trouble = "not yet connected"

    async def run(self) -> None:
        """Never returns; reconnects when the connection is lost. Meanwhile loops still poll, only later."""
        while True:
            try:
                await self._listen()
            except LOST as error:
                self._log(f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}")
            # At once, then ever slower: others take a process for dead whose session stays away.
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, RECONNECT_S)

    async def _listen(self) -> None:
        connection = await self._connector.connect()
        closed = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: self._lost(closed))
            if self._liveness is not None:
                await self._liveness.session_opened(connection)
            await connection.add_listener(PG_CHANNEL, self._heard)
            await connection.add_listener(self._beats, lambda *_: self._beat.set())
            while not closed.is_set():
                await self._own_voice(connection)
                if self._liveness is not None:
                    await self._liveness.register(connection)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(closed.wait(), BEAT_EVERY_S)
            raise ConnectionError("the connection was closed")
        finally:
            self._lost(closed)
            with contextlib.suppress(Exception):
                await connection.close(timeout=1)

    def _lost(self, closed: asyncio.Event) -> None:
        if self._liveness is not None:
            self._liveness.session_lost()
        closed.set()

    async def _own_voice(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._beat.clear()
        async with asyncio.timeout(BEAT_WITHIN_S):
            await connection.execute(f"NOTIFY {self._beats}")
            await self._beat.wait()
        self._pause_s = FIRST_RECONNECT_S
        if self.trouble:
            self.trouble = ""
            metrics.listening.set(1)
            log.info("listen.up")
            self._wakeups.wake_all()

    def _log(self, why: str) -> None:
        self.trouble = why
        metrics.listening.set(0)
        log.warning("listen.down", error=why, retry_in_s=self._pause_s)

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        topics = payload.split(",")
        # What this process announced it has done itself: waking again for it would be to look in vain.
        if self._wakeups.origin not in topics:
            self._wakeups.wake(topics)


async def check_session(connector: PostgresConnector) -> None:
    """Raise SettingsError when a pooler does not keep sessions: LISTEN would silently receive nothing."""
    if not connector.pooled or await _hears(connector):
        return
    raise SettingsError(
        "STAGEBELL_DATABASE_LISTEN_URL: a connection pooler (PgBouncer in transaction mode?) stands before the"
        " database, and LISTEN, migrations and locks need a session: set it to PostgreSQL's direct address"
    )


async def _hears(connector: PostgresConnector) -> bool:
    """Whether a notification from one session reaches another one that listens."""
    channel, arrived = f"stagebell_{secrets.token_hex(8)}", asyncio.Event()
    listening, speaking = await connector.connect(), await connector.connect()
    try:
        await listening.add_listener(channel, lambda *_: arrived.set())
        await speaking.execute(f"NOTIFY {channel}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(arrived.wait(), ECHO_WITHIN_S)
        return arrived.is_set()
    finally:
        listening.terminate()
        speaking.terminate()
