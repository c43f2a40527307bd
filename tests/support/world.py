"""A whole service in this process, on real parts, with a manual clock."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import to_builtins
from sqlalchemy import Select, bindparam, exists, func, select, update

from service.app import App
from service.dispatch.outcomes import OutcomeWriter
from service.dispatch.settle import Outcome
from service.dispatch.unknown_messages import UnknownResolver
from service.domain.notices import Receipt
from service.domain.scopes import EVERYTHING
from service.domain.settling import SETTLE_UNKNOWN_AFTER
from service.intake.decoding import Incoming
from service.intake.verdicts import Verdict
from service.ledger.database.engine import Ledger
from service.ledger.database.faults import is_transient
from service.ledger.escalations.tables import schedules
from service.ledger.messages.tables import messages, outbox
from service.ledger.orders import inbox
from service.ledger.orders.locking import find
from service.ledger.orders.tables import orders
from service.ledger.orders.views import order_view
from service.orders import Orders
from service.settings import Settings
from service.timekeeping import ManualTime
from service.workflows.packs import Pack, build_all
from tests.support.events import NOON, encoded
from tests.support.lost_answers import SHARE
from tests.support.providers import ACCOUNT, TOKEN, Mailbox, Providers

ROOT = Path(__file__).parents[2]
PACKS = ROOT / "templates"
PATIENCE_S = 60.0
POLL_S = 1.0
SHORTEST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.04
TRIES = 5


def settings_for(providers: Providers, mailbox: Mailbox, **more: Any) -> Settings:
    """Settings with all four channels, pointed at the stand-ins."""
    values: dict[str, Any] = {
        "workflows": PACKS,
        "http_port": 0,
        "public_url": "https://track.example",
        "secret_key": "a secret key for tests, as long as they are",
        "twilio_account_sid": ACCOUNT,
        "twilio_auth_token": TOKEN,
        "twilio_sms_from": "+15005550006",
        "twilio_whatsapp_from": "+15005550007",
        "twilio_base_url": providers.url,
        "smtp_url": mailbox.url,
        "email_from": "Stagebell <orders@stagebell.example>",
        "fcm_credentials": providers.credentials,
        "fcm_base_url": providers.url,
        "provider_timeout": 5.0,
        "webhook_allow": "127.0.0.0/8",
    }
    return Settings(_env_file=None, **(values | more))  # type: ignore[call-arg]


@cache
def _packs() -> list[Pack]:
    return build_all(PACKS)


def _standing(*sending: str) -> Select[Any]:
    """What is in progress at `now`; the channels `resting` send nothing."""
    waits = messages.c.state.in_(("pending", "retrying"))
    now = bindparam("now", type_=messages.c.not_before.type)
    is_due = waits & (messages.c.not_before <= now) & messages.c.channel.not_in(bindparam("resting", expanding=True))
    return select(
        exists(select(messages.c.id).where(messages.c.state.in_(sending) | is_due)).label("sending"),
        exists(select(outbox.c.id)).label("leaving"),
        select(func.min(messages.c.not_before))
        .where(waits, messages.c.not_before > now)
        .scalar_subquery()
        .label("later"),
        select(func.min(orders.c.wake_at)).scalar_subquery().label("next_wake"),
        select(func.min(schedules.c.next_at)).scalar_subquery().label("next_due"),
    )


_IN_HAND = select(
    exists(select(messages.c.id).where(messages.c.state == "sending")).label("sending"),
    exists(select(outbox.c.id).where(outbox.c.lease_owner.is_not(None))).label("leaving"),
)
_STANDING = _standing("sending")
# After lost answers, unknown messages have to be settled, too.
_LOST = _standing("sending", "unknown")


class Later:
    """A clock for which the wait after a lost answer is over, once an answer was lost."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def now(self) -> datetime:
        """The world's time, or two minutes later."""
        lost = self._world.providers.losses.unsettled or self._world.mailbox.losses.unsettled
        return self._world.clock.now() + (SETTLE_UNKNOWN_AFTER if lost else timedelta(0))

    async def wait(self, _event: asyncio.Event, _until: datetime | None) -> None:
        """Wait a moment of real time."""
        await asyncio.sleep(0.05)


class World:
    """The service and its environment."""

    def __init__(self, settings: Settings, providers: Providers, mailbox: Mailbox, start: datetime = NOON) -> None:
        self.settings = settings
        self.providers = providers
        self.mailbox = mailbox
        self.clock = ManualTime(start)
        # Hundreds of worlds have these packs, which no test edits; to read their files again is a tenth of a start.
        self.app = App(settings, time=self.clock, packs=_packs() if settings.workflows == PACKS else None)
        # What a small service counts is counted at once, however slow the machine is.
        self.app.counted.quick_s = PATIENCE_S
        # And only for who asks.
        self.app.counted.rest_s = PATIENCE_S
        self._settling: list[asyncio.Task[None]] = []
        # Channels on which accepted messages are delivered as soon as all is quiet.
        self.receipts: frozenset[str] = frozenset()

    async def start(self) -> None:
        """Start all loops, and wait until they listen to other processes' notifications."""
        await self.app.start()
        if (listener := self.app._listener) is not None:
            await self.until(lambda: not listener.trouble, "the process listens")
        self.providers.losses.share = self.mailbox.losses.share = SHARE
        if SHARE:
            self._settle_lost_answers()

    def _settle_lost_answers(self) -> None:
        """Have messages with lost answers settled by the service's own loop, while the clock stands still."""
        app = self.app
        orders = Orders(app.ledger, app.packs, Later(self), app.wakeups, app.orders.team_endpoints)
        outcomes = OutcomeWriter(app.settler)
        resolver = UnknownResolver(orders, app.routes, app.composer, outcomes)
        self._settling = [asyncio.create_task(c) for c in (outcomes.run(), resolver.run(app.stopping))]

    async def close(self) -> None:
        """Stop."""
        for task in self._settling:
            task.cancel()
        await asyncio.gather(*self._settling, return_exceptions=True)
        await self.app.close()

    async def process_died_sending(self, channel: str, **more: Any) -> None:
        """Leave messages of `channel` as a killed process does: begun, without a result."""
        soon = self.clock.now() + timedelta(seconds=1)
        left = {
            "state": "sending",
            "send_begun": True,
            "lease_until": soon,
            "sent_at": None,
            "provider": "",
            "provider_id": "",
        }
        async with self.ledger.transaction() as tx:
            ours = messages.c.channel == channel
            await tx.execute(update(messages).where(ours).values(**left | more))

    @property
    def lost_answers(self) -> int:
        """The number of answers of providers that were lost deliberately."""
        return self.providers.losses.count + self.mailbox.losses.count

    @property
    def ledger(self) -> Ledger:
        """The database."""
        return self.app.ledger

    @property
    def http(self) -> str:
        """The service's URL."""
        return f"http://127.0.0.1:{self.app.port}"

    async def take(self, *events: dict[str, Any]) -> list[Verdict]:
        """Give events to intake as one batch; repeated, as the broker would, if the database connection broke."""
        messages = [Incoming(encoded(e)) for e in events]
        # An in-process database has no connection that breaks.
        known = [None] * len(events) if self.ledger.is_sqlite else await self._known(events)
        for again in range(TRIES):
            try:
                verdicts = await self.app.intake.take(messages, dead_letter=True)
            except Exception as error:
                if not is_transient(error):
                    raise
                continue
            if not again:
                return verdicts
            triples = zip(verdicts, known, await self._known(events), strict=True)
            return [Verdict(now, v.reason) if now and not before else v for v, before, now in triples]
        raise AssertionError("the database stays away")

    async def _known(self, events: Sequence[dict[str, Any]]) -> list[Any]:
        """The outcomes of these events so far; None for those without one."""
        keys = [inbox.key_of(self.ledger.keyring, str(e.get("source")), str(e.get("id"))) for e in events]
        async with self.ledger.reading() as tx:
            found = await inbox.outcomes(tx, keys)
        return [found[key].outcome if key in found else None for key in keys]

    async def accept(self, *events: dict[str, Any]) -> None:
        """Give events to intake, one batch each; all must be accepted."""
        for e in events:
            (verdict,) = await self.take(e)
            assert verdict.outcome == "accepted", verdict.reason

    async def until(self, condition: Callable[[], Any], what: str = "") -> None:
        """Wait (real time, bounded) for something that loops do."""
        deadline = time.monotonic() + PATIENCE_S
        poll = time.monotonic() + POLL_S
        pause = SHORTEST_PAUSE_S
        while True:
            found = condition()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"did not happen within {PATIENCE_S:.0f} s: {what or condition}")
            if time.monotonic() > poll:
                # The loops poll once a second of a clock that stands still here, so they are woken. `test_wakeups` checks
                # that they need not wait for that.
                self.app.wakeups.wake_all()
                poll += POLL_S
            # Polling takes time from the loops, so it becomes less frequent.
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_S)

    async def settled(self) -> None:
        """Wait until nothing is pending at this time of the clock and the outbox is empty."""
        await self.until(self._is_settled, "settled")

    async def _is_settled(self) -> bool:
        standing = await self._standing()
        return not standing.sending and not standing.leaving

    async def _standing(self) -> Any:
        """What is in progress, and when the next clock or schedule is due; in one query."""
        async with self.ledger.reading() as tx:
            return (
                await tx.execute(
                    _LOST if self.lost_answers else _STANDING,
                    {
                        "now": self.clock.now(),
                        "resting": [c for c, r in self.app.routes.items() if not r.permits(1)] or [""],
                    },
                )
            ).one()

    async def move(self, **delta: float) -> None:
        """Advance the clock and process everything due, in steps that no clock can slip through."""
        self.clock.advance(**delta)
        await self.quiet()

    async def pass_time(self, **delta: float) -> None:
        """Advance the clock, but not while a message is claimed.

        Its lease would end meanwhile, and it would count as lost.
        """
        async with self.ledger.reading() as tx:
            in_hand = (await tx.execute(_IN_HAND)).one()
        if not in_hand.sending and not in_hand.leaving:
            self.clock.advance(**delta)

    async def travel_to(self, moment: datetime) -> None:
        """Advance the time, stopping at everything that is due in between."""
        await self.quiet()
        while self.clock.now() < moment:
            due = [r.opens_at() for r in self.app.routes.values()]
            standing = await self._standing()
            due += [standing.next_wake, standing.next_due, standing.later]
            ahead = [d for d in due if d and d > self.clock.now()]
            self.clock.move_to(min([moment, *ahead]))
            await self.quiet()

    async def quiet(self) -> None:
        """Wait until the due clocks have fired and the messages are sent."""

        async def done() -> bool:
            standing = await self._standing()
            due = (standing.next_wake, standing.next_due)
            is_over = all(d is None or d > self.clock.now() for d in due)
            return is_over and not standing.sending and not standing.leaving

        await self.until(done, "quiet")
        if self.receipts and await self._deliver():
            await self.until(done, "quiet")

    async def _deliver(self) -> bool:
        """Report accepted messages as delivered, like a provider's receipts; returns whether there were any."""
        taken = select(messages.c.id, messages.c.order_id).where(
            messages.c.state == "sent", messages.c.channel.in_(self.receipts)
        )
        async with self.ledger.reading() as tx:
            rows = (await tx.execute(taken)).all()
        await self.app.settler.write([Outcome(row.id, row.order_id, Receipt("delivered", "")) for row in rows])
        return bool(rows)

    async def view(self, order_id: str, workflow: str = "device_pickup") -> dict[str, Any]:
        """The order as the API shows it."""
        pack = self.app.packs.get(workflow)
        async with self.ledger.reading() as tx:
            order = await find(tx, workflow, order_id, scope=EVERYTHING)
            assert order is not None, f"no order {order_id}"
            view = await order_view(tx, pack.workflow, order, self.clock.now(), scope=EVERYTHING)
        shown: dict[str, Any] = to_builtins(view, builtin_types=(datetime,))
        return shown

    async def messages(self, order_id: str, channel: str | None = None) -> list[tuple[str, str]]:
        """(notice, state) of an order's messages."""
        view = await self.view(order_id)
        return [(m["notice"], m["state"]) for m in view["messages"] if channel in (None, m["channel"])]

    async def notices(self, order_id: str) -> list[str]:
        """The notices of an order, in the order of their planning."""
        return list(dict.fromkeys(m["notice"] for m in (await self.view(order_id))["messages"]))

    async def escalations(self, order_id: str) -> list[tuple[str, str, str]]:
        """(team, reason, state)."""
        return [(e["team"], e["reason"], e["state"]) for e in (await self.view(order_id))["escalations"]]

    async def clock_states(self, order_id: str) -> dict[str, str]:
        """The last state of each clock by name."""
        return {c["name"]: c["state"] for c in (await self.view(order_id))["clocks"]}


def seconds(n: float) -> timedelta:
    """n seconds."""
    return timedelta(seconds=n)
