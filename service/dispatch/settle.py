"""Settling: applies provider results and receipts to messages and, through `decide`, to their orders."""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from msgspec import Struct
from msgspec.structs import replace

from service import opt_outs
from service.channels.twilio import codes
from service.dispatch.destinations import destination_of
from service.dispatch.health import Health, SeenRefusal, Silent
from service.dispatch.windows import OUTSIDE
from service.domain.causes import MessageSettled
from service.domain.draft import Decision
from service.domain.notices import (
    FINAL_STATES,
    NOT_SENT_ON_PURPOSE,
    SENT_STATES,
    Lookup,
    Message,
    Permanent,
    ProviderResult,
    Receipt,
    Refused,
    RefusedScope,
    State,
)
from service.domain.settling import ended_unsent, settle
from service.ledger.conversations.windows import note_enforced
from service.ledger.database.transaction import Transaction
from service.ledger.database.wakeups import dispatch_topic
from service.ledger.messages import housekeeping
from service.ledger.messages import states as rows
from service.ledger.messages.states import StoredMessage
from service.ledger.messages.suppressions import BOUNCED, suppress
from service.ledger.orders.records import history_line
from service.orders import Orders
from service.pacing import breathe
from service.telemetry import metrics

log = structlog.get_logger(__name__)
HTTP_OK: Final = 200
# The states of a message about which its order decides.
DECIDED: Final = FINAL_STATES | SENT_STATES | {"held"}
NEEDS_SIBLINGS: Final = frozenset({"failed", "undelivered"}) | NOT_SENT_ON_PURPOSE


class Ended(Struct, frozen=True):
    """The message ended without being sent, with the reason."""

    state: State
    why: str
    code: str = ""


class Outcome(Struct, frozen=True):
    """The outcome of one message. `fencing_token`: that of the send; None for a receipt.

    `concerns_order` is false where the order has nothing to decide: it was accepted, and no clock waits for it.
    """

    message_id: UUID
    order_id: UUID
    result: ProviderResult | Ended
    fencing_token: int | None = None
    sender: str = ""
    concerns_order: bool = True


class Settler:
    """Writes outcomes, a batch in one transaction."""

    def __init__(self, orders: Orders, health: Health | None = None) -> None:
        self._orders = orders
        self._health = health or Silent()

    async def write(self, outcomes: Sequence[Outcome]) -> None:
        """Apply outcomes; orders are locked first, as everywhere."""
        await self._learn(outcomes)
        async with self._orders.unit_of_work() as u:
            refs = await u.lock_ids(o.order_id for o in outcomes if o.concerns_order)
            stored = await rows.lock(u.tx, (o.message_id for o in outcomes))
            before = dict(stored)
            changed: dict[UUID, tuple[Message, Outcome]] = {}
            for outcome in outcomes:
                await breathe()
                await self._apply(u.tx, stored, outcome, u.now, changed)
            siblings = await self._siblings(u.tx, changed)
            causes: dict[UUID, rows.DecidedByOrder] = {}
            for n, outcome in changed.values():
                await breathe()
                home = stored[n.id]
                u.changes.report(n, home.workflow, home.reference)
                cause = MessageSettled(u.now, n, siblings.get(n.notice_id, ()), drop_address=_is_gone(outcome.result))
                if (ref := refs.get(n.order_id)) and outcome.concerns_order and n.state in DECIDED:
                    known = u.order(ref)
                    causes[n.id] = rows.DecidedByOrder(known.entries if known else 0, cause.drop_address)
                    decision = u.decide(ref, cause).decision
                    # What one message's fallback planned, another's must not plan again.
                    siblings = _with_new(siblings, decision)
            settled = [n for n, _ in changed.values()]
            rows.put_states(u.changes.writes, settled, u.now, before, causes)
            await u.write()
            await rows.settle_places(u.tx, settled, before)
            secret_notices = [n.notice_id for n, _ in changed.values() if n.secret]
            await housekeeping.erase_settled_secrets(u.tx, secret_notices)
        self._orders.wakeups.wake(await self._may_go_on(changed, stored))
        for n, outcome in changed.values():
            await breathe()
            self._report(stored[n.id], n, outcome, u.now)
            if (seen := _refused_later(n, outcome.result)) is not None:
                self._health.refused(seen)

    async def _learn(self, outcomes: Sequence[Outcome]) -> None:
        """Of readers who want nothing, and of mailboxes that are none, kept before their messages are settled.

        A process that ends in between leaves messages that are asked for again, and no wish that nobody sees.
        """
        for outcome in outcomes:
            code, bounced = _opt_out_code(outcome.result), _bounced(outcome.result)
            if getattr(outcome.result, "code", "") == OUTSIDE and isinstance(outcome.result, Permanent | Receipt):
                await self._learn_window(outcome.message_id)
                continue
            if not code and not bounced:
                continue
            async with self._orders.ledger.reading() as tx:
                stored = await rows.find(tx, outcome.message_id)
            if stored is None or not (n := stored.message).address:
                continue
            if code:
                why = f"the provider says that they opted out ({code})"
                await opt_outs.stop(self._orders, n.channel, n.address, [outcome.sender], why)
                continue
            async with self._orders.ledger.transaction() as tx:
                why = f"{BOUNCED} {bounced}"
                await suppress(tx, n.channel, n.address, [outcome.sender], self._orders.time.now(), why)

    async def _learn_window(self, message_id: UUID) -> None:
        """The channel holds us to its window: from now on nothing goes out that would only be refused."""
        async with self._orders.ledger.transaction() as tx:
            stored = await rows.find(tx, message_id)
            if stored is not None:
                await note_enforced(tx, stored.message.channel, self._orders.time.now())

    async def _may_go_on(
        self, changed: Mapping[UUID, tuple[Message, Outcome]], stored: Mapping[UUID, StoredMessage]
    ) -> set[str]:
        """Topics of the loops that these outcomes concern: something waited behind them, or is to be tried again.

        Asked after the commit: whoever comes later looks by himself.
        """
        try:
            async with self._orders.ledger.reading() as tx:
                channels = await rows.waiting_in(tx, (stored[id].lane for id in changed))
        except Exception:
            # What was written is written; let them look for themselves.
            channels = {n.channel for n, _ in changed.values()}
        return {dispatch_topic(channel, codes=codes) for channel in channels for codes in (True, False)}

    async def _apply(
        self,
        tx: Transaction,
        stored: dict[UUID, StoredMessage],
        outcome: Outcome,
        now: datetime,
        changed: dict[UUID, tuple[Message, Outcome]],
    ) -> None:
        row = stored.get(outcome.message_id)
        if row is None:
            return
        if outcome.fencing_token is not None and outcome.fencing_token != row.fencing_token:
            log.warning("dispatch.lease_lost", message_id=str(outcome.message_id))
            return
        before = row.message
        after = self._after(row, outcome, now)
        if after is before:
            if isinstance(outcome.result, Receipt):
                line = history_line("receipt", now, f"{outcome.result.status} came after {before.state}")
                await rows.note(tx, before.id, line)
            elif isinstance(outcome.result, Lookup):
                await housekeeping.stop_waiting(tx, before.id)
            return
        stored[after.id] = replace(row, message=after)
        changed[after.id] = (after, outcome)

    def _after(self, row: StoredMessage, outcome: Outcome, now: datetime) -> Message:
        before = row.message
        if isinstance(outcome.result, Ended):
            if before.state in FINAL_STATES:
                return before
            result = outcome.result
            return ended_unsent(before, result.state, result.why, result.code)
        jitter = random.random()  # noqa: S311 - spreads retries, keeps no secret
        return settle(before, outcome.result, now, jitter)

    async def _siblings(
        self, tx: Transaction, changed: Mapping[UUID, tuple[Message, Outcome]]
    ) -> dict[UUID, tuple[Message, ...]]:
        """What else was planned for notices of which a message was not told: it decides what follows."""
        notices = {n.notice_id for n, _ in changed.values() if n.state in NEEDS_SIBLINGS}
        if not notices:
            return {}
        found = await rows.of_notices(tx, notices)
        together: dict[UUID, list[Message]] = {}
        for row in found.values():
            n = row.message
            newest = changed[n.id][0] if n.id in changed else n
            together.setdefault(n.notice_id, []).append(newest)
        return {notice: tuple(ns) for notice, ns in together.items()}

    def _report(self, row: StoredMessage, n: Message, outcome: Outcome, now: datetime) -> None:
        metrics.sends.labels(n.channel, n.state).inc()
        if n.state == "sent" and isinstance(outcome.result, Receipt) is False:
            metrics.time_to_send.labels(n.channel).observe(max(0.0, (now - row.notice_at).total_seconds()))
        log.info(
            f"message.{n.state}",
            order_id=row.reference,
            message_id=str(n.id),
            notice=n.notice,
            channel=n.channel,
            provider=n.provider,
            code=n.error_code,
            why=n.error,
        )


def _refused_later(n: Message, result: ProviderResult | Ended) -> SeenRefusal | None:
    """What a receipt says of us: the message was taken and not delivered, for a reason that meets others too.

    The message has ended, and its fallback goes out; whoever can mend it hears of it, and other messages go first by a
    provider of which nothing like it is known.
    """
    if not isinstance(result, Receipt) or n.state != "undelivered":
        return None
    scope = result.refuses or _scope_of(result.code)
    if scope is None:
        return None
    where = destination_of(n.address) if scope == "destination" else ""
    refused = Refused(n.provider, result.code, result.words, "destination" if where else "provider")
    return SeenRefusal(n.channel, n.provider, where, refused.scope, refused, later=True)


def _scope_of(code: str) -> RefusedScope | None:
    """Whom a receipt's code of Twilio's hits beside its message, where it is about us."""
    kind = codes.kind_of(int(code), HTTP_OK)[0] if _is_number(code) else "message"
    return {"us": "provider", "country": "destination"}.get(kind)  # type: ignore[return-value]


def _bounced(result: ProviderResult | Ended) -> str:
    """By which code the reader's mailbox is none; empty: by none."""
    return result.bounced if isinstance(result, Permanent) else ""


def _is_number(code: str) -> bool:
    return code.isascii() and code.isdigit()


def _opt_out_code(result: ProviderResult | Ended) -> str:
    """By which code an answer or a receipt says that the reader told the provider to stop us; empty: by none."""
    if isinstance(result, Permanent):
        return result.code if result.kind == "opted_out" else ""
    if not isinstance(result, Receipt) or not _is_number(result.code):
        return ""
    return result.code if codes.kind_of(int(result.code), HTTP_OK)[0] == "opted_out" else ""


def _with_new(siblings: dict[UUID, tuple[Message, ...]], decision: Decision | None) -> dict[UUID, tuple[Message, ...]]:
    for n in decision.more_messages if decision else ():
        siblings[n.notice_id] = (*siblings.get(n.notice_id, ()), n)
    return siblings


def _is_gone(result: ProviderResult | Ended) -> bool:
    return isinstance(result, Permanent) and result.kind == "unregistered"
