"""Parks events of parts whose whole is not known yet, until it is."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from service.domain import wholes
from service.domain.events import Event, EventWarning
from service.domain.order import OrderRef
from service.intake.decoding import Incoming
from service.ledger.database.sets import Rows
from service.ledger.orders import waiting
from service.unit_of_work import UnitOfWork
from service.workflows.packs import Packs

TOPIC: Final = "waiting_events"
WAITS: Final = EventWarning(
    "data.parent.order_id", "no such order is known yet; the event waits for it, at most an hour"
)


class ParkedEvent(Struct, frozen=True):
    """An event that waits: of which order, for which whole, and the message as it came."""

    order: OrderRef
    whole: OrderRef
    message: Incoming


_encoder: Final = msgspec.msgpack.Encoder(enc_hook=str)
_decoder: Final = msgspec.msgpack.Decoder(ParkedEvent)


def kept(plain: bytes) -> ParkedEvent:
    """The event in a stored row; raises msgspec.DecodeError."""
    return _decoder.decode(plain)


def order_of(event: Event) -> OrderRef:
    """The order that an event is about."""
    return OrderRef(event.data.workflow, event.reference)


class Parking:
    """The parking of one unit of work, whose orders are locked. `behind`: by order, the whole that its events wait for.

    `new`: orders that may be wholes and do not exist yet.
    """

    def __init__(
        self, u: UnitOfWork, packs: Packs, behind: Mapping[OrderRef, OrderRef], new: Iterable[OrderRef]
    ) -> None:
        self._u = u
        self._packs = packs
        self._behind = dict(behind)
        self._new = list(new)
        self._rows: list[tuple[OrderRef, bytes, ParkedEvent]] = []

    @classmethod
    async def of(cls, u: UnitOfWork, packs: Packs, events: Iterable[Event]) -> "Parking":
        """For these events; what waits is looked for only where an order may be a part."""
        refs = {order_of(e) for e in events}
        may_be = packs.of_parts
        parts = {waiting.digest_of(u.tx.keyring, ref): ref for ref in refs if ref.workflow in may_be}
        found = await waiting.first_of(u.tx, parts) if parts else {}
        new = [r for r in refs if u.order(r) is None and (p := packs.find(r.workflow)) and p.workflow.parts]
        return cls(u, packs, {parts[digest]: kept(plain).whole for digest, plain in found.items()}, new)

    def takes(self, event: Event, key: bytes, message: Incoming) -> bool:
        """Whether the event is to wait, and was put down for that; raises Rejection where it can be no such part."""
        ref = order_of(event)
        whole = self._behind.get(ref) or self._awaited(ref, event)
        if whole is None:
            return False
        self._behind[ref] = whole
        self._rows.append((whole, key, ParkedEvent(ref, whole, message)))
        return True

    def _awaited(self, ref: OrderRef, event: Event) -> OrderRef | None:
        """The whole that the event names and nobody has heard of."""
        parent, order = wholes.parent_given(event.data), self._u.order(ref)
        if parent is None or self._u.order(parent) is not None or (order is not None and order.parent == parent):
            return None
        pack = self._packs.find(parent.workflow)
        wholes.require_whole(parent, pack.workflow if pack else None, ref)
        wholes.parent_of(order, event)
        return parent

    async def finish(self) -> None:
        """What waits is written with the unit of work; what waits for an order that it begins is looked at next."""
        tx, now = self._u.tx, self._u.now
        rows: Rows = []
        for whole, key, event in self._rows:
            digests = waiting.digest_of(tx.keyring, event.order), waiting.digest_of(tx.keyring, whole)
            row = waiting.row_of(tx.keyring, key, *digests, _encoder.encode(event), now)
            rows.append({**row, "look_at": now} if self._u.order(whole) else row)
        waiting.store_waiting(self._u.changes.writes, rows)
        come = [waiting.digest_of(tx.keyring, ref) for ref in self._new if self._u.order(ref) is not None]
        if await waiting.retry_now(tx, come, now) or rows:
            self._u.changes.woken.add(TOPIC)
