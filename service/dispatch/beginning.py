"""Beginning messages: what is due is claimed, rendered and marked as begun in one transaction, and sent after it."""

from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct

from service.channels.registry import medium_of
from service.dispatch.bundling import all_of, beside, together
from service.dispatch.compose import Composed
from service.dispatch.overtaken import overtaken
from service.dispatch.preparing import Preparer, over
from service.dispatch.settle import Ended
from service.earlier_packs import recall
from service.failpoints import failpoint
from service.ledger.database.faults import is_transient
from service.ledger.messages import claims, leases
from service.ledger.messages.claims import ClaimedMessage
from service.orders import Orders


class Begun(Struct):
    """What one transaction took on: messages to be sent, messages to be ended unsent, and how many were claimed."""

    ready: Sequence[tuple[ClaimedMessage, Composed]]
    ended: Sequence[tuple[ClaimedMessage, Ended]]
    count: int


class Beginner:
    """Begins the messages of one channel."""

    def __init__(self, orders: Orders, channel: str, preparer: Preparer, lease: timedelta, pause: timedelta) -> None:
        """`lease`: for how long a begun message is this process's; `pause`: until one over a cap is claimed again."""
        self._orders = orders
        self._channel = channel
        self._preparer = preparer
        self._lease = lease
        self._pause = pause
        self._medium = medium_of(channel)

    async def begin(self, most: int, *, codes: bool) -> Begun:
        """Begin what is due, `most` at a time: codes, or everything else.

        Where the database broke off at the commit, what it committed after all is ours to send.
        """
        tried = Begun([], [], 0)
        try:
            await self._claim(most, tried, codes=codes)
            return tried
        except Exception as error:
            if not is_transient(error) or not tried.count:
                raise
        tokens = {c.message.id: c.fencing_token for c, _ in (*tried.ready, *tried.ended)}
        async with self._orders.ledger.reading() as tx:
            ours = await leases.still_leased(tx, tokens)
        ready = [(c, x) for c, x in tried.ready if c.message.id in ours]
        ended = [(c, x) for c, x in tried.ended if c.message.id in ours]
        return Begun(ready, ended, len(ours))

    async def _claim(self, most: int, begun: Begun, *, codes: bool) -> None:
        """Claim what is due into `begun`; what can be sent is rendered and marked so, in the same transaction."""
        now = self._orders.time.now()
        async with self._orders.ledger.transaction() as tx:
            claimed = await claims.claim(tx, self._channel, now, limit=most, codes=codes)
            if not claimed:
                return
            await recall(tx, self._orders.packs, ((c.workflow, c.version) for c in claimed))
            others = await beside(tx, claimed, self._orders.packs, self._orders.keyring, now) if not codes else []
            await recall(tx, self._orders.packs, ((c.workflow, c.version) for c in others))
            every = [*claimed, *others]
            windows = await self._preparer.windows(tx, every, now)
            late = await overtaken(tx, every, self._orders.packs, now)
            prepared = await self._preparer.prepare([c for c in every if c.message.id not in late], now, windows)
            await leases.rest(tx, [(c.message.id, until) for c, until in prepared.resting], now)
            ready, ended = prepared.ready, prepared.ended
            ended += [(c, late[c.message.id]) for c in every if c.message.id in late]
            ready = together(ready, others)
            places = await self._preparer.reserve(tx, ready, now)
            ended += [(n, over(places, c)) for c, x in ready if c.message.id in places.over for n in all_of(c, x)]
            all_ready, ready = ready, [(c, x) for c, x in ready if not places.refuses(c.message.id)]
            failpoint("dispatch.before_begin")
            # What is over a cap only by sends under way waits for how they end.
            later = [n.message.id for c, x in all_ready if c.message.id in places.later for n in all_of(c, x)]
            await claims.put_off(tx, later, now + self._pause)
            sends = [(n, composed.shown) for c, x in ready for n, composed in ((c, x), *x.companions)]
            # Paid for is what leaves: the message with all that is in it.
            parts = {n.message.id: 0 for c, x in ready for n in all_of(c, x)}
            parts |= {c.message.id: self._medium.paid_parts(x.outgoing.rendered) for c, x in ready}
            await leases.begin(tx, sends, now, now + self._lease, places.taken, parts)
            await leases.lease(tx, [c.message.id for c, _ in ended], now + self._lease)
            begun.ready, begun.ended, begun.count = ready, ended, len(claimed)
