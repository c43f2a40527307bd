"""The banner on top of every page while a provider refuses us, or messages are held."""

from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct

from service.channels import registry
from service.domain.scopes import Scope
from service.ledger.escalations import provider_health
from service.ledger.messages import holds
from service.ledger.orders.totals import waiting_by_channel
from service.orders import Orders
from service.web.desk.titles import Titles

# The states of messages that are sent later.
WAITING: Final = "retrying,held,pending"


class Outage(Struct, frozen=True):
    """A channel that a provider refuses, or that is held. `waiting`: how many messages wait because of it.

    `query`: what lists them.
    """

    query: str
    words: str
    since: datetime
    waiting: int
    held: bool = False


async def outages(orders: Orders, *, scope: Scope) -> list[Outage]:
    """Current outages, refusals first; the number of waiting messages counts those that the scope may see."""
    async with orders.ledger.reading() as tx:
        refusals = [r for r in await provider_health.refusing(tx) if r.holds_back]
        active = await holds.active(tx, scope=scope)
        if not refusals and not active:
            return []
        waiting = await waiting_by_channel(tx, orders.time.now(), scope=scope)
        held = await holds.waiting(tx, scope=scope) if active else {}
    names = {c.name: c.title for c in registry.channels().values()}
    found: dict[str, Outage] = {}
    for r in refusals:
        title = names.get(r.channel, r.channel)
        found.setdefault(
            r.channel, Outage(_waiting(channel=r.channel), f"{title} refuses us", r.since, waiting.get(r.channel, 0))
        )
    titles = Titles(orders.packs)
    for h in active:
        what = [names.get(h.channel, h.channel)] if h.channel else []
        what += [titles.notice(h.workflow, h.notice)] if h.notice else []
        what += [titles.workflow(h.workflow)] if h.workflow else []
        count = sum(n for kind, n in held.items() if h.covers(*kind))
        found[str(h.id)] = Outage(
            _waiting(channel=h.channel, workflow=h.workflow, notice=h.notice),
            f"{', '.join(what)} held by {h.by}",
            h.at,
            count,
            held=True,
        )
    return list(found.values())


def _waiting(**which: str) -> str:
    """The query of the page of messages for those that wait."""
    return urlencode({name: value for name, value in which.items() if value} | {"state": WAITING})
