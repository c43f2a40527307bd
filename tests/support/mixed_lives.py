"""Many orders with various lives in a real ledger: events in and out of sequence, failures, late clocks, acts.

Brokers, providers and loops are left out; everything else is as in the service.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select

from service import opt_outs
from service.clock.clock import ClockLoop
from service.dispatch.settle import Ended, Outcome, Settler
from service.domain.causes import (
    AnswerCustomer,
    HandleEscalation,
    ReplyReceived,
    ReportIssue,
    RevokeLinks,
    SendNotice,
)
from service.domain.errors import Rejection
from service.domain.notices import Accepted, NoAnswer, Permanent, ProviderResult, Receipt, Transient
from service.domain.order import OrderRef
from service.domain.scopes import EVERYTHING
from service.intake.decoding import Incoming
from service.intake.intake import Intake
from service.ledger.database.engine import Ledger
from service.ledger.database.wakeups import Wakeups
from service.ledger.escalations.tables import escalations
from service.ledger.messages.listing import WantedMessages
from service.ledger.messages.tables import messages
from service.ledger.orders.tables import orders as order_rows
from service.orders import NoSuchOrder, Orders
from service.resending import Request, resend
from service.timekeeping import ManualTime
from service.workflows.packs import Pack, Packs
from tests.support.events import NOON, encoded, event, person

ACTS: Sequence[Literal["acknowledge", "resolve", "snooze", "comment"]] = ("acknowledge", "resolve", "snooze", "comment")
RESULTS: Sequence[ProviderResult | Ended] = (
    *[Accepted("p", "x")] * 8,
    Permanent("p", "21211", "no such number"),
    Permanent("p", "404", "unregistered", kind="unregistered"),
    Transient("p", "429", "busy", at_least=5),
    NoAnswer("p", "timeout"),
    Ended("superseded", "the order has moved on to a later stage"),
    Ended("suppressed", "over the cap", "cap"),
    Ended("expired", "its time ran out before it could be sent"),
    Ended("held", "held by Kim", "held"),
)
RECEIPTS = (*[Receipt("delivered", "x")] * 4, Receipt("undelivered", "x", "30003", "unreachable"), Receipt("read", "x"))


MOST_RESENT = 1000


class MixedLives:
    """Orders of one pack with random lives, determined by the seed."""

    def __init__(
        self, ledger: Ledger, pack: Pack, count: int, seed: int = 7, late_s: Sequence[int] = (0, 1, 5, 400, 4000)
    ) -> None:
        """`late_s`: how long events take to arrive."""
        self._late_s = late_s
        self.clock = ManualTime(NOON)
        self.orders = Orders(ledger, Packs([pack]), self.clock, Wakeups())
        self.workflow = pack.workflow
        self._intake = Intake(self.orders)
        self._settler = Settler(self.orders)
        self._clock_loop = ClockLoop(self.orders)
        self._dice = random.Random(seed)
        self._names = [f"E-{n}" for n in range(count)]
        self._unborn = list(self._names)

    async def live(self, rounds: int) -> None:
        """Let time pass, with something happening to most orders in each round."""
        await self.orders.keep_packs()
        for _ in range(rounds):
            self.clock.move_to(self.clock.now() + timedelta(seconds=self._dice.randrange(1, 1500)))
            happenings = [self._events, self._answers, self._clocks, self._acts]
            self._dice.shuffle(happenings)
            for happening in happenings:
                await happening()
                self.clock.move_to(self.clock.now() + timedelta(seconds=self._dice.randrange(0, 3)))

    async def _events(self) -> None:
        async with self.orders.ledger.reading() as tx:
            rows = (await tx.execute(select(order_rows.c.order_id, order_rows.c.status))).all()
        known = {row.order_id: row.status for row in rows}
        born, self._unborn = self._unborn[: len(self._names) // 3 + 1], self._unborn[len(self._names) // 3 + 1 :]
        chosen = [*born, *(name for name in known if self._dice.random() < 0.6)]
        said = [e for name in chosen for e in self._said(name, known.get(name))]
        self._dice.shuffle(said)
        for first in range(0, len(said), 100):
            batch = [Incoming(encoded(e)) for e in said[first : first + 100]]
            await self._intake.take(batch, dead_letter=True)

    def _said(self, name: str, status: str | None) -> Iterator[dict[str, Any]]:
        dice = self._dice
        at = self.clock.now() - timedelta(seconds=dice.choice(self._late_s))
        number = int(name.removeprefix("E-"))
        data: dict[str, Any] = {"workflow": self.workflow.name}
        if status is None:
            first = dice.choice(sorted(self.workflow.starts))
            people = {"customer": person(number, timezone="Asia/Kolkata", locale=dice.choice(("en", "de")))}
            yield event(name, first, at, recipients=people, **data)
            return
        if dice.random() < 0.7:
            data["eta"] = (at + timedelta(seconds=dice.randrange(-600, 4000))).isoformat()
        if dice.random() < 0.2:
            data["attributes"] = dice.choice(
                ({"guarded": True}, {"size": "big"}, {"wants_word": 1, "visit": (at + timedelta(hours=5)).isoformat()})
            )
        if dice.random() < 0.2:
            data["assignee"] = {
                "role": "runner",
                "id": f"r-{dice.randrange(3)}",
                "name": "Ravi",
                "email": "r@x.example",
            }
        if dice.random() < 0.1:
            data["recipients"] = {"customer": {"phone": f"+9197{number:08d}"}}
        kind = dice.random()
        if kind < 0.6:
            moves = [*self.workflow.moves[status], status, "done", "going"]
            data["note"] = {"text": "why not", "public": dice.random() < 0.5}
            data["attributes"] = {"reason": "rain", **data.get("attributes", {})}
            secrets = {"pin": {"value": "4711"}} if dice.random() < 0.4 else {}
            said = event(name, dice.choice(sorted(moves)), at, secrets=secrets, **data)
        elif kind < 0.75:
            said = event(name, None, at, kind="order.updated", **data)
        elif kind < 0.9:
            note = {"text": "a word", "public": dice.random() < 0.5}
            said = event(name, None, at, kind="order.note_added", note=note, **data)
        else:
            said = event(name, None, at, kind="order.issue_reported", issue={"reason": "slow"}, **data)
        yield said
        if dice.random() < 0.1:
            yield said
        if dice.random() < 0.2:
            # Another event of the same order in the same transaction.
            yield from self._said(name, status)

    async def _answers(self) -> None:
        dice, now = self._dice, self.clock.now()
        async with self.orders.ledger.reading() as tx:
            query = select(
                messages.c.id, messages.c.order_id, messages.c.notice, messages.c.state, messages.c.not_before
            )
            found = (await tx.execute(query.order_by(messages.c.id))).all()
        outcomes = []
        for row in found:
            if row.state in ("pending", "retrying", "unknown") and row.not_before <= now and dice.random() < 0.7:
                result: ProviderResult | Ended = dice.choice(RESULTS)
            elif row.state in ("sent", "delivered") and dice.random() < 0.3:
                result = dice.choice(RECEIPTS)
            else:
                continue
            concerns = not isinstance(result, Accepted) or row.notice in self.workflow.promised
            outcomes.append(Outcome(row.id, row.order_id, result, concerns_order=concerns))
        dice.shuffle(outcomes)
        for first in range(0, len(outcomes), 50):
            # No two transactions have the same time.
            self.clock.move_to(self.clock.now() + timedelta(milliseconds=1))
            await self._settler.write(outcomes[first : first + 50])

    async def _clocks(self) -> None:
        while self._dice.random() < 0.9 and await self._clock_loop.fire_due():
            pass

    async def _acts(self) -> None:
        dice, now = self._dice, self.clock.now()
        async with self.orders.ledger.reading() as tx:
            open_ones = select(escalations.c.id, escalations.c.order_name).where(escalations.c.state != "resolved")
            calls = (await tx.execute(open_ones.order_by(escalations.c.id))).all()
        for call in calls:
            if dice.random() < 0.08:
                act = dice.choice(ACTS)
                until = now + timedelta(minutes=20)
                await self._act(call.order_name, HandleEscalation(now, call.id, act, "Lee", "ok", until))
        for name in self._names:
            if dice.random() < 0.02:
                inputs = {"until": (now + timedelta(hours=3)).isoformat()}
                await self._act(name, SendNotice(now, "sorry", "Kim", (), inputs))
            if dice.random() < 0.01:
                await self._act(name, dice.choice((ReportIssue(now, "slow", "Kim"), RevokeLinks(now, "Kim"))))
            if dice.random() < 0.02:
                said = ReplyReceived(now, "sms", f"+9198{int(name.removeprefix('E-')):08d}", "where is it?")
                await self._act(name, dice.choice((said, AnswerCustomer(now, "soon", "Kim"))))
            if dice.random() < 0.01:
                number = int(name.removeprefix("E-"))
                await opt_outs.stop(self.orders, "sms", f"+9198{number:08d}", ["s"], "STOP")

        if dice.random() < 0.7 and (ended := await self._ended()):
            wanted = WantedMessages(ids=ended, since=now - timedelta(hours=2))
            await resend(self.orders, Request(wanted, "Kim", EVERYTHING, channel=dice.choice(("", "email"))))

    async def _ended(self) -> tuple[UUID, ...]:
        """Undelivered messages, no more than one call may resend."""
        ended = messages.c.state.in_(("failed", "undelivered", "superseded"))
        async with self.orders.ledger.reading() as tx:
            query = select(messages.c.id).where(ended).order_by(messages.c.id.desc()).limit(MOST_RESENT)
            return tuple((await tx.execute(query)).scalars())

    async def _act(self, name: str, cause: Any) -> None:
        try:
            await self.orders.act(OrderRef(self.workflow.name, name), cause, scope=EVERYTHING)
        except (Rejection, NoSuchOrder):
            return

    @property
    def since(self) -> datetime:
        """A time before all events."""
        return NOON - timedelta(days=1)
