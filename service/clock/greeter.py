"""Greets the people of new rows who asked for it, a portion at a time, by a cause like any other."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import structlog
from msgspec import structs

from service.domain.address_keys import address_key
from service.domain.causes import GreetRows
from service.domain.lists import ListSpec
from service.domain.persons import Person
from service.domain.workflow import Workflow
from service.ledger.lists import greeting, reading
from service.ledger.lists.reading import RowAnywhere
from service.ledger.people import preferences
from service.orders import Orders
from service.pacing import give_way
from service.runtime.loops import run_loop
from service.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)
TOPIC: Final = "rows"
AT_ONCE: Final = 50
ORDERS_AT_ONCE: Final = 10
POLL: Final = timedelta(seconds=5)


class Greeter:
    """Any number may run: the one that holds an order's lock greets its rows, each row once."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._wake = orders.wakeups.subscribe(TOPIC)

    async def run(self, stopping: asyncio.Event) -> None:
        """Greet until `stopping`."""
        give_way()
        await run_loop("greeter", self._turn, stopping)

    async def _turn(self) -> None:
        self._wake.clear()
        if not await self.greet():
            await self._orders.time.wait(self._wake, self._orders.time.now() + POLL)

    async def greet(self) -> int:
        """Greet one portion; returns how many rows."""
        async with self._orders.ledger.reading() as tx:
            waiting = await reading.orders_asking(tx, ORDERS_AT_ONCE)
        if not waiting:
            return 0
        async with self._orders.unit_of_work() as u:
            refs = await u.lock_ids(waiting)
            rows = await reading.asking(u.tx, list(waiting), AT_ONCE)
            by_list: dict[tuple[object, str], list[RowAnywhere]] = defaultdict(list)
            for row in rows:
                by_list[row.order_id, row.list].append(row)
            for (order_id, name), some in by_list.items():
                ref = refs.get(order_id)  # type: ignore[call-overload]
                order = u.order(ref) if ref else None
                pack = self._orders.packs.find(order.workflow, order.version) if order else None
                spec = pack.workflow.lists.get(name) if pack else None
                if order is None or pack is None or spec is None or spec.greeting is None:
                    continue
                people = await self._with_wishes(u, [p for r in some if (p := _person(pack.workflow, spec, r))])
                result = u.decide(order.ref, GreetRows(u.now, spec.greeting.notice, tuple(people)))
                if result.outcome == "rejected":
                    log.error("rows.greeting_rejected", order_id=order.reference, list=name, reason=result.reason)
                u.changes.index(order.id, (a for p in people for a in (p.phone, p.email) if a))
            await greeting.mark_greeted(u.tx, [r.id for r in rows])
        return len(rows)

    async def _with_wishes(self, u: UnitOfWork, people: list[Person]) -> Iterable[Person]:
        """The people with what they chose on their preference pages."""
        addresses = {a for p in people for a in (p.phone, p.email) if a}
        chosen = await preferences.wishes_of(u.tx, addresses)

        def theirs(p: Person) -> Person:
            found = [chosen[key] for a in (p.phone, p.email) if a and (key := address_key(a)) in chosen]
            return structs.replace(p, wishes=found[0]) if found else p

        return [theirs(p) for p in people]


def _person(workflow: Workflow, spec: ListSpec, row: RowAnywhere) -> Person | None:
    """The person of a row: with its first phone number and mail address, named by its column `name`."""
    first = {
        kind: next((row.values[n] for n, c in spec.columns.items() if c.type == kind and n in row.values), None)
        for kind in ("phone", "email")
    }
    if not any(first.values()):
        return None
    name, locale = row.values.get("name", ""), row.values.get("locale")
    return Person(name=str(name), phone=first["phone"], whatsapp=first["phone"], email=first["email"], locale=locale)
