"""Writes several decisions in one commit: orders, timeline, notices, messages, clocks, escalations, outbox."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from service.broker.port import CLOCKS, REPLIES
from service.domain.causes import Cause
from service.domain.channels import found_by
from service.domain.draft import Decision
from service.domain.notices import FINAL_STATES, Message, PlannedNotice
from service.domain.order import Order
from service.domain.workflow import Workflow
from service.events_out import of_clock, of_message, of_reply
from service.keyring import Keyring
from service.ledger.conversations import writing as conversation_rows
from service.ledger.database.sets import NewRow, Rows, Writes
from service.ledger.database.transaction import Transaction
from service.ledger.database.wakeups import TALK_TOPIC, announcement
from service.ledger.escalations import writing as escalation_rows
from service.ledger.escalations.incidents import Change
from service.ledger.messages import outbox as outbox_rows
from service.ledger.messages.outbox import OutboxMessage
from service.ledger.messages.planned import PlannedMessages
from service.ledger.messages.tables import notices
from service.ledger.orders import words
from service.ledger.orders.attributes import digests_of, replace_digests, replace_parties
from service.ledger.orders.person_digests import assignee_digest, person_digest
from service.ledger.orders.recording import cause_row
from service.ledger.orders.records import clock_changes, clock_row, notice_row, order_row, seal_json
from service.ledger.orders.scoping import party_digests
from service.ledger.orders.tables import (
    TIMELINE_DETAIL,
    causes,
    clocks,
    measurements,
    order_people,
    orders,
    timeline,
    visits,
)
from service.pacing import breathe
from service.telemetry import metrics

# In a routing key, for an incoming message that matches no reply of the pack.
NO_REPLY: Final = "none"


class Changes:
    """Collects decisions to write together; an order with several decisions is written once, in its last state."""

    def __init__(
        self,
        keyring: Keyring,
        now: datetime,
        targets: Mapping[str, int] | None = None,
        current: Mapping[str, Workflow] | None = None,
    ) -> None:
        """`current`: the packs in use, whose lists are filtered by, whatever version an order has."""
        self._keyring = keyring
        self._targets = targets or {}
        self._current = current or {}
        self._now = now
        self._new: dict[UUID, tuple[Workflow, Order]] = {}
        self._changed: dict[UUID, tuple[Workflow, Order]] = {}
        self._people: dict[tuple[bytes, UUID], None] = {}
        self._attributes: dict[UUID, frozenset[bytes]] = {}
        self._parties: dict[UUID, frozenset[bytes]] = {}
        self._left: set[UUID] = set()
        self._timeline: Rows = []
        self._notices: Rows = []
        self.planned = PlannedMessages(keyring, now)
        self._clocks: dict[UUID, NewRow] = {}
        self._changed_clocks: dict[UUID, NewRow] = {}
        self._escalations: list[Change] = []
        self._visits: Rows = []
        self._observations: dict[tuple[UUID, str], NewRow] = {}
        self._causes: Rows = []
        self.called_off: dict[UUID, str] = {}
        self._outgoing: list[OutboxMessage] = []
        self._outcomes: list[OutboxMessage] = []
        self._broken: list[tuple[str, str]] = []
        self._incoming: Rows = []
        self._talks: dict[UUID, NewRow] = {}
        self.woken: set[str] = set()
        # Further writes of this commit may be added.
        self.writes = Writes()

    def add(
        self,
        workflow: Workflow,
        before: Order | None,
        decision: Decision,
        traceparent: str = "",
        cause: Cause | None = None,
    ) -> None:
        """Add one decision; one that changes nothing writes nothing."""
        if decision.changes_nothing:
            return
        if before is not None and cause and (recorded := cause_row(self._keyring, before, cause)):
            self._causes.append(recorded)
        order = decision.order
        written = self._new if before is None or order.id in self._new else self._changed
        written[order.id] = (workflow, order)
        self._index(workflow, before, order)
        self._add_entries(decision)
        for notice in decision.notices:
            self._notices.append(notice_row(self._keyring, order.id, notice, traceparent))
            self._add_messages(order, notice.messages, notice, traceparent)
        self._add_messages(order, decision.more_messages)
        self._keep_clocks(workflow, before, decision)
        for change in decision.escalations:
            self._escalations.append(Change(workflow, order, change, traceparent))
        self._talk(before, decision)
        self.called_off |= decision.called_off
        self._add_clock_events(decision)
        self._measure(order, decision)
        self.woken |= {"clock"} if decision.clocks or decision.escalations else set()
        self.woken |= {"stream"} if decision.escalations else set()

    def _keep_clocks(self, workflow: Workflow, before: Order | None, decision: Decision) -> None:
        """New clocks are written as whole rows, of existing ones only the columns that can change."""
        known = {clock.id for clock in before.clocks.values()} if before else frozenset()
        for clock in decision.clocks:
            if clock.id in known and clock.id not in self._clocks:
                self._changed_clocks[clock.id] = clock_changes(clock)
            else:
                self._clocks[clock.id] = clock_row(workflow, decision.order, clock)

    def _index(self, workflow: Workflow, before: Order | None, order: Order) -> None:
        """Update the order's indexes where it has changed."""
        if before is None or (before.recipients, before.assignee) != (order.recipients, order.assignee):
            self._index_people(order)
            self._index_parties(before, order)
        if before is None or before.attributes != order.attributes:
            self._index_attributes(self._current.get(order.workflow, workflow), before, order)

    def _add_entries(self, decision: Decision) -> None:
        """Lines of the timeline, and the breaches among them."""
        order = decision.order
        for entry in decision.entries:
            sealed = seal_json(self._keyring, entry.detail, TIMELINE_DETAIL.of(order.id, entry.n))
            self._timeline.append(
                {"order_id": order.id, "n": entry.n, "at": entry.at, "kind": entry.kind, "sealed_detail": sealed}
            )
            if entry.kind == "clock_breached":
                self._broken.append((order.workflow, str(entry.detail["clock"])))

    def _add_clock_events(self, decision: Decision) -> None:
        order = decision.order
        for published in decision.clock_events:
            event = of_clock(published, order)
            key = f"clock.{order.workflow}.{published.clock}"
            self.send(OutboxMessage(CLOCKS, key, event.id, msgspec.json.encode(event)))

    def _talk(self, before: Order | None, decision: Decision) -> None:
        """Replies: stored, and published to the order system without their text."""
        order = decision.order
        for reply in decision.replies:
            self._incoming.append(conversation_rows.reply_row(self._keyring, order.id, reply))
            if reply.publishes:
                event = of_reply(reply, order)
                key = f"reply.{order.workflow}.{reply.reply or NO_REPLY}"
                self.send(OutboxMessage(REPLIES, key, event.id, msgspec.json.encode(event)))
        if (before.conversation if before else None) != order.conversation:
            self._talks[order.id] = conversation_rows.conversation_row(order)
            self.woken.add(TALK_TOPIC)

    def _measure(self, order: Order, decision: Decision) -> None:
        for v in decision.visits:
            where = {"workflow": order.workflow, "status": v.status, "stage": v.stage, "at": v.at}
            self._visits.append({"order_id": order.id, "n": v.n, **where})
        for name, value in decision.observations.items():
            row = {"order_id": order.id, "measure": name, "workflow": order.workflow, "value": value, "at": self._now}
            self._observations[order.id, name] = row

    def _add_messages(
        self, order: Order, messages: tuple[Message, ...], notice: PlannedNotice | None = None, traceparent: str = ""
    ) -> None:
        for n in messages:
            self.planned.add(n, notice, traceparent)
            if n.state in FINAL_STATES:
                self.report(n, order.workflow, order.reference)

    def report(self, n: Message, workflow: str, order_id: str) -> None:
        """Publish the outcome of a message."""
        self._outcomes.append(_outcome_message(n, workflow, order_id, self._now))
        self.woken.add("relay")

    def send(self, message: OutboxMessage) -> None:
        """Publish a message with this commit."""
        self._outgoing.append(message)
        self.woken.add("relay")

    def _index_people(self, order: Order) -> None:
        for people in order.recipients.values():
            for person in people:
                for address in found_by(person):
                    self._people[person_digest(self._keyring, address), order.id] = None
        for address in found_by(order.assignee) if order.assignee else ():
            self._people[assignee_digest(self._keyring, address), order.id] = None
        for digest in words.digests_of(self._keyring, order):
            self._people[digest, order.id] = None

    def _index_parties(self, before: Order | None, order: Order) -> None:
        found = party_digests(self._keyring, order)
        known = party_digests(self._keyring, before) if before else frozenset()
        if found != known:
            self._parties[order.id] = found
        if not known <= found:
            self._left.add(order.id)

    def index(self, order_id: UUID, addresses: Iterable[str]) -> None:
        """Index these people with the order as well, for as long as their messages exist."""
        self._people |= {(person_digest(self._keyring, a), order_id): None for a in addresses}

    def _index_attributes(self, workflow: Workflow, before: Order | None, order: Order) -> None:
        found = digests_of(self._keyring, workflow, order.attributes)
        if found != (digests_of(self._keyring, workflow, before.attributes) if before else frozenset()):
            self._attributes[order.id] = found

    @property
    def messages(self) -> int:
        """The number of messages to write."""
        return len(self.planned.all)

    def is_new(self, order_id: UUID) -> bool:
        """Whether this commit creates the order."""
        return order_id in self._new

    def decided(self, order_id: UUID) -> tuple[Workflow, Order]:
        """An order after this commit, and its pack."""
        return self._new.get(order_id) or self._changed[order_id]

    def count(self) -> None:
        """Add this commit to the metrics; call it after the commit."""
        for labels, broken in Counter(self._broken).items():
            metrics.clock_breaches.labels(*labels).inc(broken)
        steps = ((c.step.escalation.team, c.step.escalation.reason, c.step.kind) for c in self._escalations)
        for called, count in Counter(steps).items():
            metrics.escalations.labels(*called).inc(count)

    async def write(self, tx: Transaction, origin: str) -> None:
        """Write everything and notify other processes (`origin`: this one), usually in one round trip."""
        writes = self.writes
        writes.insert(orders, await self._order_rows(self._new))
        writes.update(orders, await self._order_rows(self._changed))
        writes.insert_missing(order_people, [{"digest": d, "order_id": o} for d, o in self._people])
        await replace_digests(tx, writes, self._attributes, new=self._new.keys())
        # Unless a party leaves an order, nothing has to be deleted first.
        await replace_parties(tx, writes, self._parties, new=self._new.keys() | (self._parties.keys() - self._left))
        writes.insert(causes, self._causes)
        writes.insert(timeline, self._timeline)
        for row in self._notices:
            row["called_off"] = self.called_off.pop(row["id"], "")
        writes.insert(notices, self._notices)
        self.woken |= self.planned.topics()
        await self.planned.write(tx, writes)
        writes.insert(visits, self._visits)
        measured = list(self._observations.values())
        writes.upsert(measurements, measured, ("value", "at"), ("order_id", "measure"))
        writes.upsert(clocks, list(self._clocks.values()), _CLOCK_CHANGES)
        writes.update(clocks, list(self._changed_clocks.values()))
        writes.update(notices, [{"id": i, "called_off": why} for i, why in self.called_off.items()])
        conversation_rows.write(writes, self._incoming, list(self._talks.values()))
        if self._escalations:
            # These read what was just written of their orders, so they run after it.
            await writes.run(tx)
            for message in await escalation_rows.write(tx, self._escalations, self._targets, self._now):
                self.send(message)
            writes = Writes()
        leaving = [*self._outgoing, *outbox_rows.parcelled(self._outcomes)]
        await outbox_rows.add(tx, writes, leaving, self._now)
        await writes.run(tx, announcement(self.woken, origin))

    async def _order_rows(self, written: Mapping[UUID, tuple[Workflow, Order]]) -> Rows:
        rows = []
        for workflow, order in written.values():
            await breathe()
            rows.append(order_row(self._keyring, workflow, order))
        return rows


_CLOCK_CHANGES = ("warn_at", "due_at", "state", "stopped_at", "why", "noticed_late_s")


def _outcome_message(n: Message, workflow: str, order_id: str, now: datetime) -> OutboxMessage:
    event = of_message(n, workflow, order_id, now)
    return OutboxMessage("notifications", f"notification.{n.state}.{n.channel}", event.id, msgspec.json.encode(event))
