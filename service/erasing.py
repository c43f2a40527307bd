"""Forgetting, the one way through: decided like every other change, and sealed columns scrubbed with its commit."""

from collections.abc import Sequence

from service.canonical import canonical_order, spellings
from service.core import Core
from service.domain.address_keys import address_key
from service.domain.causes import PersonErased
from service.domain.erasure import addresses_of, reach_of
from service.domain.order import Order
from service.ledger.audit import AuditLine, write_audit
from service.ledger.erasing import scrub
from service.ledger.orders import OrderName, lock_named


async def erase_order(
    core: Core, name: OrderName, addresses: frozenset[str] | None, audit: Sequence[AuditLine] = ()
) -> int:
    """Forget these addresses (None: everybody) in one order; how many messages were blanked."""
    now = core.time.now()
    batch = core.batch(now)
    cause = PersonErased(addresses or frozenset(), everybody=addresses is None)
    async with core.ledger.transaction() as connection:
        orders = await lock_named(connection, core.keyring, [name])
        if name not in orders:
            return 0
        await core.recall_packs(connection, ((o.workflow, o.version) for o in orders.values()))
        if addresses is not None:
            region = core.packs.for_order(name[0], orders[name].version).workflow.region
            addresses = _reached(orders[name], addresses, region)
        core.decide_named(batch, orders, [(name, cause, "")], now)
        await core.write(connection, batch)
        blanked = await scrub(connection, core.keyring, orders[name].id, addresses, now)
        await write_audit(connection, core.keyring, audit, now)
    core.committed(batch)
    return blanked


def _reached(order: Order, addresses: frozenset[str], region: str) -> frozenset[str]:
    """Every address of these people, and as an earlier release kept it: its messages and digests say it so."""
    reached = reach_of(canonical_order(order, region), addresses)
    kept = {a for people in order.recipients.values() for p in people for a in addresses_of(p)}
    return reached | {a for a in kept if not reached.isdisjoint(map(address_key, spellings(a, [region])))}
