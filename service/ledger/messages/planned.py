"""New messages of one commit: written as waiting, or as begun where they are sent right after it (the straight way)."""

import secrets
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from service.domain.notices import FINAL_STATES, Message, PlannedNotice
from service.domain.order import Order
from service.keyring import Keyring
from service.ledger.database.sets import NewRow, Rows, Writes
from service.ledger.database.transaction import Transaction
from service.ledger.database.wakeups import dispatch_topic
from service.ledger.messages.claims import ClaimedMessage
from service.ledger.messages.states import ahead_of_code, let_ahead
from service.ledger.messages.tables import MESSAGE_WORDS, messages
from service.ledger.orders.records import history_line, lane_of, message_row, seal_json
from service.pacing import breathe
from service.prices import country_of

_TOKENS: Final = 2**30


class Planned(Struct, frozen=True):
    """A new message with the notice that it tells; none of a fallback's. `traceparent`: of what caused it (W3C)."""

    message: Message
    lane: bytes
    notice: PlannedNotice | None
    traceparent: str

    @property
    def waits(self) -> bool:
        """Whether it is to be sent at all."""
        return self.message.state not in FINAL_STATES

    def claimed(self, order: Order, stage_rank: int) -> ClaimedMessage | None:
        """As a claim would hand it out; `order`: as it stands in the end, in a stage of this rank.

        The fencing token is drawn by chance: by it this try alone is known, whatever became of its commit. A message
        that is planned again after a commit that failed has the same id.
        """
        if self.notice is None:
            return None
        return ClaimedMessage(
            message=self.message,
            fencing_token=1 + secrets.randbelow(_TOKENS),
            workflow=order.workflow,
            reference=order.reference,
            notice_at=self.notice.at,
            planned=self.notice.planned,
            supersedable=self.notice.supersedable,
            passed_by=stage_rank > self.notice.stage_rank,
            snapshot=self.notice.context,
            secret=self.notice.secret,
            traceparent=self.traceparent,
            version=order.version,
            links=order.links,
            lane=self.lane,
        )


class _Begun(Struct, frozen=True):
    fencing_token: int
    until: datetime
    shown: Any
    parts: int


class PlannedMessages:
    """They are collected by decisions, some begun, and all written together."""

    def __init__(self, keyring: Keyring, now: datetime) -> None:
        self._keyring = keyring
        self._now = now
        self.all: list[Planned] = []
        self._begun: dict[UUID, _Begun] = {}

    def add(self, message: Message, notice: PlannedNotice | None, traceparent: str) -> None:
        """One more."""
        lane = lane_of(self._keyring, message)
        self.all.append(Planned(message, lane, notice, traceparent))

    def begin(self, c: ClaimedMessage, until: datetime, shown: Any, parts: int) -> None:
        """Mark a message as begun, to be sent right after the commit; `shown`: its text without secrets."""
        self._begun[c.message.id] = _Begun(c.fencing_token, until, shown, parts)

    def topics(self) -> set[str]:
        """The topics of the loops that have to send what waits."""
        waiting = (p.message for p in self.all if p.waits and p.message.id not in self._begun)
        return {dispatch_topic(n.channel, codes=n.secret) for n in waiting}

    async def write(self, tx: Transaction, writes: Writes) -> None:
        """In lanes into which codes come, what waits goes as early as they do; where they are begun, nothing waits."""
        waiting: Rows = []
        sending: Rows = []
        for p in self.all:
            await breathe()
            row = message_row(self._keyring, p.message, p.lane, self._now)
            if begun := self._begun.get(p.message.id):
                sending.append({**row, **self._as_begun(p.message, begun, tx.owner)})
            else:
                waiting.append(row)
        codes = {row["lane"] for row in waiting if row["secret"] and row["state"] not in FINAL_STATES}
        if codes:
            waiting = [ahead_of_code(row, self._now) if row["lane"] in codes else row for row in waiting]
            let_ahead(writes, codes, self._now)
        writes.insert(messages, waiting)
        writes.insert(messages, sending)

    def _as_begun(self, n: Message, begun: _Begun, owner: int | None) -> NewRow:
        """The row of a begun message, as `leases.begin` would update it."""
        return {
            "state": "sending",
            "fencing_token": begun.fencing_token,
            "lease_until": begun.until,
            "lease_owner": owner,
            "send_begun": True,
            "attempts": n.attempts + 1,
            "history": history_line(n.state, self._now) + history_line("sending", self._now),
            "sealed_message": seal_json(self._keyring, begun.shown, MESSAGE_WORDS.of(n.id)),
            "parts": begun.parts,
            "country": country_of(n.address),
        }
