"""One order's life in memory: causes go to `decide`, due clocks fire and messages are sent, on a manual clock.

The counterpart of `World` for rules that need no database: the same events and views, in milliseconds. All tests of
the pure core use it, so that `decide` is called in one place.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from service.canonical import canonical_event, canonical_order
from service.domain.causes import (
    Cause,
    ClockDue,
    ErasePerson,
    EscalationAct,
    EventReceived,
    HandleEscalation,
    MessageSettled,
    OptOutChanged,
    ReportIssue,
    RevokeLinks,
    SendNotice,
)
from service.domain.clocks import running
from service.domain.decide import decide
from service.domain.draft import Decision, Entry, EscalationChange
from service.domain.errors import Rejection
from service.domain.event_decoding import decode
from service.domain.notices import (
    ACTIVE_STATES,
    FINAL_STATES,
    SENT_STATES,
    Accepted,
    Message,
    PlannedNotice,
    ProviderResult,
    Receipt,
    before_sending,
)
from service.domain.order import Clock, Order, order_uuid
from service.domain.settling import ended_unsent, settle
from service.domain.turns import turn_of
from service.workflows.packs import Pack
from service.workflows.values import Links, TextReader, template_values
from tests.support.events import CUSTOMER, NOON, encoded, event

WAITING = ("pending", "retrying")
# A time-ordered id, as in the service; the last bits are for its children.
FIRST_ID = order_uuid(UUID("0195f1c0-0000-7000-8000-000000000000"))


class Life:
    """An order of `pack`, from its first event. `provider` answers for all channels, by default accepting everything.

    `receipts`: the channels on which what was taken is delivered at once. `messages`, `clocks` and `escalations` hold the last state of each; `entries` is the timeline.
    """

    def __init__(self, pack: Pack, start: datetime = NOON) -> None:
        self.pack = pack
        self.now = start
        self.order: Order | None = None
        self.provider: Callable[[Message, datetime], ProviderResult] = lambda n, _now: Accepted("in memory", str(n.id))
        self.receipts: frozenset[str] = frozenset()
        self.notices: dict[UUID, PlannedNotice] = {}
        self.messages: dict[UUID, Message] = {}
        self.clocks: dict[UUID, Clock] = {}
        self.escalations: dict[UUID, EscalationChange] = {}
        self.entries: list[Entry] = []
        self._mailed: list[Message] = []

    def take(self, said: Mapping[str, Any]) -> Decision:
        """Apply an event now, with what it makes due; raises Rejection."""
        event = canonical_event(decode(encoded(dict(said))), self.pack.workflow.region, self.order)
        decision = self.cause(EventReceived(self.now, event))
        self.settle()
        return decision

    def refusal(self, said: Mapping[str, Any]) -> str:
        """Why an event is rejected; empty if it is accepted."""
        try:
            self.take(said)
        except Rejection as rejection:
            return rejection.reason
        return ""

    def cause(self, cause: Cause) -> Decision:
        """Decide one cause and apply the decision, like a commit; nothing is sent yet. Raises Rejection."""
        before = canonical_order(self.order, self.pack.workflow.region) if self.order else None
        return self.keep(decide(before, cause, self.pack.workflow, FIRST_ID))

    def keep(self, decision: Decision) -> Decision:
        """Apply a decision, like a commit."""
        # Through JSON, as through the ledger.
        self.order = msgspec.json.decode(msgspec.json.encode(decision.order), type=Order)
        self.entries += decision.entries
        self.notices |= {p.id: p for p in decision.notices}
        for notice_id, why in decision.called_off.items():
            self.notices[notice_id] = replace(self.notices[notice_id], called_off=why)
        self.messages |= {n.id: n for p in decision.notices for n in p.messages}
        self.messages |= {n.id: n for n in decision.more_messages}
        self.clocks |= {c.id: c for c in decision.clocks}
        self.escalations |= {c.escalation.id: c for c in decision.escalations}
        return decision

    def look(self) -> Decision:
        """Process what is due now."""
        return self.cause(ClockDue(self.now))

    def message(self, n: Message, *siblings: Message, drop_address: bool = False) -> Decision:
        """Inform the order of a message's state; `siblings` are those of its notice."""
        return self.cause(MessageSettled(self.now, n, siblings, drop_address=drop_address))

    def send(self, notice: str, by: str = "Kim", *, channels: tuple[str, ...] = (), **inputs: Any) -> Decision:
        """An agent sends a manual notice."""
        return self.cause(SendNotice(self.now, notice, by, channels, inputs))

    def report(self, reason: str, by: str = "Kim", detail: str = "") -> Decision:
        """An agent reports an issue."""
        return self.cause(ReportIssue(self.now, reason, by, detail))

    def handle(
        self, escalation: UUID, act: EscalationAct, *, by: str = "Lee", comment: str = "", **more: Any
    ) -> Decision:
        """A supervisor acts on an escalation; `more`: its further arguments."""
        return self.cause(HandleEscalation(self.now, escalation, act, by, comment, **more))

    def opt(self, channel: str, address: str, why: str, *, lifted: bool = False) -> Decision:
        """A person opts out of a channel, or in again."""
        return self.cause(OptOutChanged(self.now, channel, address, why, lifted))

    def erase(self, *addresses: str, names: tuple[str, ...] = (), everybody: bool = False) -> Decision:
        """Erase a person."""
        return self.cause(ErasePerson(self.now, frozenset(addresses), frozenset(names), everybody))

    def revoke_links(self, by: str = "Kim") -> Decision:
        """Revoke the tracking links."""
        return self.cause(RevokeLinks(self.now, by))

    @property
    def due(self) -> datetime | None:
        """When the order is due next."""
        return running.wake_at(self.order) if self.order else None

    def settle(self) -> None:
        """Process everything that is due now: clocks fire, messages are sent and answered."""
        while True:
            if (due := self.due) is not None and due <= self.now:
                self.look()
                assert self.due != due, "a clock that was due stays due"
            elif (n := self._next_message()) is not None:
                self._send(n)
            else:
                return

    def travel_to(self, moment: datetime) -> None:
        """Advance the time, stopping at everything that is due in between."""
        self.settle()
        while self.now < moment:
            ahead = [n.not_before for n in self.messages.values() if n.state in WAITING and n.not_before > self.now]
            if (due := self.due) is not None:
                ahead.append(due)
            self.now = min([moment, *ahead])
            self.settle()

    def _wakes(self) -> datetime | None:
        return running.wake_at(self.order) if self.order else None

    def _next_message(self) -> Message | None:
        """The next message to send: messages to one address on one channel are sent in the order of their planning."""
        due = [n for n in self.messages.values() if n.state in WAITING and n.not_before <= self.now]
        return min((n for n in due if not any(self._in_front(n))), key=turn_of, default=None)

    def _in_front(self, n: Message) -> Iterator[bool]:
        for other in self.messages.values():
            if (
                (other.channel, other.address) == (n.channel, n.address)
                and other.id < n.id
                and other.state in ACTIVE_STATES
            ):
                waits_itself = other.state == "pending" and other.not_before > self.now
                yield not waits_itself and not (n.secret and not other.secret and other.attempts)

    def _send(self, n: Message) -> None:
        """Send a message, unless it has become pointless."""
        assert self.order is not None
        notice, workflow = self.notices[n.notice_id], self.pack.workflow
        stale = before_sending(
            n,
            self.now,
            planned=notice.planned,
            supersedable=notice.supersedable,
            passed_by=workflow.stages[self.order.stage].rank > notice.stage_rank,
            grace=workflow.grace,
            opted_out=False,
            called_off=notice.called_off,
        )
        if stale:
            self.answered(n, ended_unsent(n, *stale))
            return
        begun = replace(n, state="sending", attempts=n.attempts + 1)
        after = settle(begun, self.provider(begun, self.now), self.now, jitter=0.5)
        if after.state == "sent" and n.channel == "email":
            self._mailed.append(after)
        self.answered(n, after)
        if after.state == "sent" and n.channel in self.receipts:
            self.answered(after, settle(after, Receipt("delivered", ""), self.now, jitter=0.5))

    def answered(self, before: Message, after: Message) -> None:
        """Inform the order of a message's outcome if it is final, or the message reached somebody."""
        self.messages[before.id] = after
        if after.state in FINAL_STATES | SENT_STATES:
            siblings = tuple(m for m in self.messages.values() if m.notice_id == after.notice_id)
            self.message(after, *siblings)

    @property
    def mails(self) -> list[tuple[str, str]]:
        """(address, text) of every mail that was sent."""
        return [(n.address, self.text_of(n)) for n in self._mailed]

    def text_of(self, n: Message) -> str:
        """The text of a message, as its reader sees it."""
        notice = self.notices[n.notice_id]
        secret = self.pack.workflow.notices[n.notice].secret
        values = template_values(
            self.pack.workflow,
            n.notice,
            notice.context,
            TextReader.of(n),
            brand="Stagebell",
            links=Links("https://track.example/t/1"),
            secrets={secret: notice.secret} if secret and notice.secret else {},
        )
        return self.pack.templates.render(n.locale, n.notice, n.channel, values).text

    def view(self) -> dict[str, Any]:
        """The parts of `World.view` that scenario files refer to."""
        return {
            "messages": [
                {"sent": m.sent_at, "notice": m.notice, "audience": m.audience, "channel": m.channel, "state": m.state}
                for m in sorted(self.messages.values(), key=lambda m: m.id)
            ],
            "escalations": [
                {"opened": e.opened, "team": e.team, "reason": e.reason, "state": e.state, "severity": e.severity}
                for e in (change.escalation for change in self.escalations.values())
            ],
            "clocks": [{"name": c.spec, "state": c.state} for c in sorted(self.clocks.values(), key=lambda c: c.id)],
            "timeline": [{**e.detail, "at": e.at, "kind": e.kind} for e in self.entries],
        }

    @property
    def told(self) -> list[str]:
        """The planned notices, in sequence."""
        return [p.name for p in self.notices.values()]

    def kinds(self) -> list[str]:
        """The kinds of the timeline's lines."""
        return [e.kind for e in self.entries]

    def clock_states(self) -> dict[str, str]:
        """The last state of each clock by name."""
        return {c["name"]: c["state"] for c in self.view()["clocks"]}


def after(minutes: float = 0, *, hours: float = 0) -> datetime:
    """The time this long after the start of a life."""
    return NOON + timedelta(hours=hours, minutes=minutes)


def happened(status: str | None = None, at: float = 0, **said: Any) -> dict[str, Any]:
    """An event about the errand E-1, `at` minutes after the start; without a status, of the type that fits."""
    kinds = {"issue": "order.issue_reported", "note": "order.note_added"}
    kind = "order.status_changed" if status else next((k for key, k in kinds.items() if key in said), "order.updated")
    return event("E-1", status, timedelta(minutes=at), kind=kind, **{"workflow": "errand", **said})


def begun(pack: Pack, status: str = "asked", **said: Any) -> Life:
    """The life of an errand with a first event at the start, and a customer with all addresses."""
    life = Life(pack)
    life.take(happened(status, **{"recipients": {"customer": CUSTOMER}, **said}))
    return life
