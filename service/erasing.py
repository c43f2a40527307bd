"""Erasure of a person: decided per order like every other change, with sealed columns rewritten in the same commit."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence

from msgspec import Struct

from service.canonical import canonical_order, spellings
from service.domain.address_keys import address_key
from service.domain.causes import ErasePerson
from service.domain.erasure import SentTo, Traces, addresses_of, traces_of
from service.domain.order import Order, OrderRef
from service.domain.scopes import EVERYTHING
from service.ledger.auditing.lines import AuditLine, write_audit
from service.ledger.database.transaction import Transaction
from service.ledger.messages.outbox import OutboxMessage
from service.ledger.messages.suppressions import suppressed
from service.ledger.orders import kept_counts, waiting
from service.ledger.orders.locking import find
from service.ledger.people.erasing import escalations_of, orders_of_people, scrub, sent_in
from service.ledger.people.erasing_elsewhere import scrub_elsewhere
from service.orders import Orders


class KeptData(Struct):
    """Data that is kept, and why."""

    kind: str
    count: int
    why: str


class Erasure(Struct):
    """What erasing a person did. `erased`: how much, by kind."""

    orders: int
    messages: int
    erased: dict[str, int]
    kept: list[KeptData]


class DeadLetterErasure(Struct, frozen=True):
    """Access to the broker's dead letters. `forget`: drops those that name the person.

    `names`: whether one in the outbox does; `waits`: whether an event that waits for its whole does.
    """

    forget: Callable[[Traces], Awaitable[int]]
    names: Callable[[OutboxMessage, Traces], bool]
    waits: Callable[[bytes, Traces], bool]


class _Known(Struct, frozen=True):
    orders: tuple[OrderRef, ...]
    traces: Traces
    escalations: frozenset[str]
    elsewhere: int


async def erase_person(
    orders: Orders, known_as: Sequence[str], letters: DeadLetterErasure, audit: Callable[[Counter[str]], AuditLine]
) -> Erasure:
    """Erase the person with this address, in any spelling, everywhere; raises BrokerLost before anything has changed.

    After an interruption it can be repeated: the person's place in orders, by which they are found, is erased last.
    """
    known = await _look(orders, known_as)
    done: Counter[str] = Counter({"dead letters": await letters.forget(known.traces)})
    async with orders.ledger.transaction() as tx:
        done += await scrub_elsewhere(tx, known.traces, known.escalations, lambda m: letters.names(m, known.traces))
        done["events that waited"] = await waiting.delete_naming(tx, lambda plain: letters.waits(plain, known.traces))
    for name in known.orders:
        done += await erase_order(orders, name, known_as)
        done["orders"] += 1
    async with orders.ledger.transaction() as tx:
        opted_out = len(await suppressed(tx, sorted(known.traces.addresses)))
        await kept_counts.forget_all(tx)
        await write_audit(tx, [audit(done)], orders.time.now())
    counts = {kind: done[kind] for kind in sorted(done) if kind not in ("orders", "messages")}
    return Erasure(done["orders"], done["messages"], counts, _kept(opted_out, known.elsewhere, done["orders"]))


async def _look(orders: Orders, known_as: Sequence[str]) -> _Known:
    """Find where the person is known, and their other addresses."""
    traces = Traces(frozenset(known_as))
    async with orders.ledger.reading() as tx:
        names = await orders_of_people(tx, known_as)
        ids = []
        for name in names:
            order = await find(tx, *name, scope=EVERYTHING)
            if order is not None:
                ids.append(order.id)
                traces = traces.united(await _traces(orders, tx, order, known_as))
        calls = await escalations_of(tx, ids)
        others = set(await orders_of_people(tx, traces.addresses)) - set(names)
    return _Known(tuple(names), traces, calls, len(others))


async def _traces(orders: Orders, tx: Transaction, order: Order, known_as: Iterable[str]) -> Traces:
    """The person's traces in the order."""
    region = _region(orders, order)
    sent_to = await sent_in(tx, order.id, region)
    return traces_of(canonical_order(order, region), sent_to, known_as).united(
        _as_written(order, region, sent_to, known_as)
    )


def _as_written(order: Order, region: str, sent_to: Sequence[SentTo], known_as: Iterable[str]) -> Traces:
    """The addresses as earlier releases stored them, of which the index has digests."""
    addresses_found = traces_of(canonical_order(order, region), sent_to, known_as).addresses
    kept = {a for people in order.recipients.values() for p in people for a in addresses_of(p)}
    kept |= addresses_of(order.assignee) if order.assignee else set()
    return Traces(
        frozenset(a for a in kept if not addresses_found.isdisjoint(map(address_key, spellings(a, [region]))))
    )


def _region(orders: Orders, order: Order) -> str:
    pack = orders.packs.find(order.workflow, order.version)
    return pack.workflow.region if pack else ""


def _kept(opted_out: int, elsewhere: int, orders: int) -> list[KeptData]:
    found = [
        KeptData("opt-outs", opted_out, "the law wants them honoured: kept as keyed digests, which hold no address"),
        KeptData(
            "orders under other addresses",
            elsewhere,
            "the person's other addresses take part in these, perhaps as somebody else's too: erase by them as well",
        ),
        KeptData("orders without people", orders, "what is counted and timed: statuses, clocks, prices, measures"),
        KeptData(
            "audit lines of this erasure", 1, "shows that it was done; it names the person by a keyed digest alone"
        ),
    ]
    return [k for k in found if k.count]


async def erase_order(orders: Orders, name: OrderRef, addresses: Iterable[str] | None) -> Counter[str]:
    """Erase the person with these addresses (None: everybody) from one order; returns counts by kind."""
    async with orders.unit_of_work() as u:
        await u.lock([name])
        if (stored := u.order(name)) is None:
            return Counter()
        region = _region(orders, stored)
        order, traces = canonical_order(stored, region), None
        cause = ErasePerson(u.now, everybody=True)
        if addresses is not None:
            traces = await _traces(orders, u.tx, stored, addresses)
            cause = ErasePerson(u.now, traces.addresses, traces.names)
        u.put(order)
        u.decide(name, cause)
        await u.write()
        return await scrub(u.tx, order.id, traces, region, u.now)
