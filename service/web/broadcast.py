"""Escalations live: one reader of the stream per process serves any number of listeners; slow ones are dropped."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct

from service.domain.order import OrderRef
from service.domain.scopes import Scope
from service.ledger.access import api_keys as keys
from service.ledger.access import sessions
from service.ledger.access.api_keys import Grant
from service.ledger.database.faults import is_transient
from service.ledger.escalations.stream_lines import StreamPlace, mark_of, resumable, stream_after, stream_end
from service.ledger.orders.scoping import visible_refs
from service.orders import Orders
from service.telemetry import metrics

log = structlog.get_logger(__name__)
AT_ONCE: Final = 500
POLL_S: Final = 1.0
# Polls (of POLL_S) between two checks of listeners' rights: well within the 15 s that a revoked key may still work.
CHECK_EVERY: Final = 3
# A listener that is this many lines behind is dropped; it reconnects with Last-Event-ID and misses nothing.
BACKLOG: Final = 1000
BIGGEST: Final = 2**31 - 1


class StreamLine(Struct, frozen=True):
    """One step of an escalation or an incident: its number, whom it concerns, and its bytes as a server-sent event.

    `brief`: its bytes without the list of an incident's orders, which may be thousands.
    """

    seq: int
    team: str
    order: OrderRef
    is_incident: bool
    full: bytes
    brief: bytes
    wire: bytes
    place: StreamPlace

    @classmethod
    def of(cls, seq: int, kind: str, body: str, at: datetime) -> "StreamLine":
        """From a CloudEvent in JSON, which has no line breaks."""
        event = msgspec.json.decode(body)
        data = event["data"]
        place = StreamPlace(seq, mark_of(at))
        order = OrderRef(data["workflow"], data["order_id"])
        full = brief = f"event: escalation.{kind}\ndata: {body}\n\n".encode()
        if data.pop("orders", None):
            brief = f"event: escalation.{kind}\ndata: {msgspec.json.encode(event).decode()}\n\n".encode()
        wire = _named(str(place)) + full
        return cls(seq, data["team"], order, data.get("incident", False), full, brief, wire, place)

    def wire_at(self, place: str, *, brief: bool) -> bytes:
        """Its bytes, with the place named as this reader is told it."""
        return _named(place) + (self.brief if brief else self.full)


def _named(place: str) -> bytes:
    return f"id: {place}\n".encode()


class StreamRight(Struct, frozen=True):
    """A listener's right to read the stream: a key or a session with one of these roles and exactly this scope.

    Neither key nor session: the demo.
    """

    roles: frozenset[str]
    scope: Scope
    key_id: UUID | None = None
    session: bytes = b""

    def lasts(self, now: Grant | None) -> bool:
        """Whether the key or session is still valid, with the same role and scope."""
        return now is not None and now.role in self.roles and now.scope == self.scope


class StreamListener:
    """A queue of the lines for one reader; `over` once it has ended."""

    def __init__(self, team: str, workflow: str, standing: StreamRight, is_gone: Callable[[], bool]) -> None:
        self.standing = standing
        self.is_gone = is_gone
        self._team, self._workflow = team, workflow
        self._lines: list[StreamLine] = []
        self._news = asyncio.Event()
        self.over = False

    @property
    def scope(self) -> Scope:
        """What its reader is limited to."""
        return self.standing.scope

    def wants(self, line: StreamLine) -> bool:
        """Whether the line passes the reader's filters, and their scope as far as the line itself can tell."""
        mine = self._team in ("", line.team) and self._workflow in ("", line.order.workflow)
        if not mine or (line.is_incident and not self.scope.has_incidents):
            return False
        return self.scope.has_team(line.team) and (line.is_incident or self.scope.has_workflow(line.order.workflow))

    def offer(self, lines: list[StreamLine]) -> bool:
        """Queue a line; False when the reader cannot keep up."""
        self._lines += [line for line in lines if self.wants(line)]
        if len(self._lines) > BACKLOG:
            self.let_go()
            return False
        if self._lines:
            self._news.set()
        return True

    def let_go(self) -> None:
        """Drop a listener that cannot keep up. Counted at once, as its blocked write may hang for a while."""
        if not self.over:
            metrics.stream_dropped.inc()
        self.end()

    def end(self) -> None:
        """End it."""
        self.over = True
        self._news.set()

    async def take(self) -> list[StreamLine]:
        """Wait for lines and take all that are queued; none once the listener has ended."""
        await self._news.wait()
        self._news.clear()
        taken, self._lines = self._lines, []
        return [] if self.over else taken


class Broadcaster:
    """Reads the stream as it grows and hands each line to every listener."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._listeners: set[StreamListener] = set()
        self._wake = orders.wakeups.subscribe("stream")
        self._last = StreamPlace()

    async def run(self) -> None:
        """Until cancelled."""
        ready = False
        while True:
            try:
                self._wake.clear()
                if not ready:
                    async with self._orders.ledger.reading() as tx:
                        self._last = await stream_end(tx)
                    ready = True
                lines = await self.after(self._last.seq) if self._listeners else await self._skip()
                if not lines and self._listeners:
                    await self._look_back()
                self._hand_out(lines)
                if len(lines) == AT_ONCE:
                    continue
            except Exception as error:
                if not is_transient(error):
                    log.exception("stream.failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()

    async def _skip(self) -> list[StreamLine]:
        async with self._orders.ledger.reading() as tx:
            self._last = await stream_end(tx)
        return []

    async def _look_back(self) -> None:
        """Where the stream ends before our place, the database was restored: readers reconnect and are told so."""
        async with self._orders.ledger.reading() as tx:
            end = await stream_end(tx)
        if end.seq < self._last.seq:
            log.warning("stream.sequence_reset", was=str(self._last), now=str(end))
            self._last = end
            self.close()

    def _hand_out(self, lines: list[StreamLine]) -> None:
        if not lines:
            return
        self._last = lines[-1].place
        for listener in list(self._listeners):
            if not listener.offer(lines):
                self._listeners.discard(listener)

    async def after(self, seq: int, limit: int = AT_ONCE) -> list[StreamLine]:
        """Lines with higher numbers."""
        async with self._orders.ledger.reading() as tx:
            return [StreamLine.of(*row) for row in await stream_after(tx, seq, limit)]

    async def visible(self, lines: list[StreamLine], scope: Scope) -> list[StreamLine]:
        """The lines whose orders the reader may see; what a line itself can tell was checked before."""
        if not scope.parties or not lines:
            return lines
        async with self._orders.ledger.reading() as tx:
            theirs = await visible_refs(tx, {line.order for line in lines}, scope=Scope(parties=scope.parties))
        return [line for line in lines if line.order in theirs]

    @property
    def last(self) -> StreamPlace:
        """The newest place of the stream."""
        return self._last

    async def place_of(self, last_event_id: str) -> StreamPlace | None:
        """The place after which a reader with this last id continues; None where lines since then are gone."""
        number, _, mark = last_event_id.partition("-")
        try:
            place = StreamPlace(int(number), int(mark or "0", 16)) if number.isascii() and number.isdigit() else None
        except ValueError:
            place = None
        if place is None or place.seq > BIGGEST:
            return None
        async with self._orders.ledger.reading() as tx:
            return place if await resumable(tx, place.seq, place.mark or None) else None

    async def look_after(self) -> None:
        """End the listeners that have left, and those whose key or session has ended or changed its role."""
        rounds = 0
        while True:
            await asyncio.sleep(POLL_S)
            rounds += 1
            for listener in [x for x in self._listeners if x.is_gone()]:
                listener.end()
            try:
                if rounds % CHECK_EVERY == 0 and self._listeners:
                    await self._check_standing()
            except Exception as error:
                if not is_transient(error):
                    log.exception("stream.failed")

    async def _check_standing(self) -> None:
        key_ids = {x.standing.key_id for x in self._listeners if x.standing.key_id}
        digests = {x.standing.session for x in self._listeners if x.standing.session}
        async with self._orders.ledger.reading() as tx:
            by_key = await keys.grants_of(tx, key_ids)
            by_session = await sessions.grants_of(tx, digests, self._orders.time.now())
        for listener in list(self._listeners):
            s = listener.standing
            if s.key_id and not s.lasts(by_key.get(s.key_id)):
                listener.end()
            if s.session and not s.lasts(by_session.get(s.session)):
                listener.end()

    def join(self, team: str, workflow: str, standing: StreamRight, is_gone: Callable[[], bool]) -> StreamListener:
        """Add a listener from now on, for one team or workflow if these are given."""
        listener = StreamListener(team, workflow, standing, is_gone)
        self._listeners.add(listener)
        metrics.stream_listeners.set(len(self._listeners))
        return listener

    def leave(self, listener: StreamListener) -> None:
        """Remove a listener."""
        self._listeners.discard(listener)
        metrics.stream_listeners.set(len(self._listeners))

    def close(self) -> None:
        """End all listeners: the process stops, or the database was restored."""
        for listener in self._listeners:
            listener.end()
        self._listeners.clear()
