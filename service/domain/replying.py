"""Conversations with an order's people: replies, agents' answers, and messages that belong to another order.

A reply never changes an order's status, which is the order system's decision. It is recorded, published, escalated,
answered with facts, or it waits for a person.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from service.domain import escalation as escalations
from service.domain import notifying, readers, triggers
from service.domain.causes import AnswerCustomer, MoveReply, ReplyReceived
from service.domain.clocks import running
from service.domain.conditions.judging import Situation, holds
from service.domain.conversation import (
    ANSWER,
    MOST_RECEIVED,
    PAGE,
    ConversationState,
    CountedReply,
    ReceivedReply,
    ReplyOutcome,
)
from service.domain.draft import Draft
from service.domain.errors import Rejection
from service.domain.notices import FINAL_STATES, SENT_STATES, Message
from service.domain.order import ASSIGNEE, Order
from service.domain.persons import Person
from service.domain.planning import NoticeOptions
from service.domain.readers import Reader
from service.domain.replies import SAME_TAP, Reply, matching
from service.domain.workflow import Workflow

# The longest SMS in several segments (Twilio, Messages resource, `Body`).
LONGEST_ANSWER: Final = 1600


def receive_reply(draft: Draft, cause: ReplyReceived) -> None:
    """A person wrote or tapped: record it, and do what the reply does."""
    reader = _writer(draft, cause.channel, cause.address, cause.audience)
    talk = draft.order.conversation or ConversationState()
    found = meant(draft.workflow, draft.order, cause, reader.audience)
    if found is None and cause.only_known and not _may_mean(draft, cause, reader.audience):
        return
    outcome = _outcome(draft, found, talk)
    if talk.received >= MOST_RECEIVED and outcome != "counted":
        return
    _keep(draft, cause, reader, found, outcome)
    if outcome == "counted" and found is not None:
        counted = CountedReply(draft.now, draft.order.status_since)
        talk = replace(talk, counted={**talk.counted, found.counts_as: counted})
    waits = _waits(draft, found, outcome, reader, can_tell=not cause.opted_out)
    draft.set(
        conversation=replace(
            talk,
            channel=cause.channel,
            address=cause.address,
            audience=reader.audience,
            last=cause.at,
            received=talk.received + 1,
            unanswered_since=(talk.unanswered_since or cause.at) if waits else talk.unanswered_since,
            unanswered_reply=_unanswered_reply(talk, found, waits=waits),
        )
    )
    running.sync(draft, by_event=False)


def _keep(draft: Draft, cause: ReplyReceived, reader: Reader, found: Reply | None, outcome: ReplyOutcome) -> None:
    """Record the message, and a timeline line without its text."""
    name = found.name if found else ""
    kept = ReceivedReply(
        id=draft.next_id(),
        at=cause.at,
        channel=cause.channel,
        address=cause.address,
        audience=reader.audience,
        name=reader.name,
        text=cause.text,
        reply=name,
        outcome=outcome,
        publishes=outcome == "text" or (outcome == "counted" and found is not None and found.publish),
    )
    draft.replies.append(kept)
    kind = {"too_late": "reply_too_late", "again": "reply_repeated"}.get(outcome, "reply_received")
    draft.log(kind, channel=cause.channel, audience=reader.audience, reply=name, by=cause.moved_by)


def _unanswered_reply(talk: ConversationState, found: Reply | None, *, waits: bool) -> str:
    """The only reply that is unanswered; none where something else is, too, so that a person has to answer."""
    if not waits:
        return talk.unanswered_reply
    name = found.name if found and found.act else ""
    return name if talk.unanswered_since is None or talk.unanswered_reply == name else ""


def matching_act(workflow: Workflow, order: Order) -> Reply | None:
    """The unanswered reply that an act would answer; None where there is none."""
    talk = order.conversation
    reply = workflow.replies.get(talk.unanswered_reply) if talk and talk.unanswered_since else None
    return reply if reply and reply.act else None


def note_done(draft: Draft) -> None:
    """End the waiting for an answer where the act that the reply asked for was done, here or elsewhere."""
    reply, talk, before = matching_act(draft.workflow, draft.order), draft.order.conversation, draft.before
    if reply is None or reply.act is None or talk is None or not isinstance(before, Order):
        return
    wanted = reply.act
    entered = wanted.status and draft.order.status == wanted.status != before.status
    given = not wanted.status and all(draft.order.attributes.get(k) == v for k, v in wanted.attributes.items())
    if entered or given:
        draft.log("reply_done", reply=reply.name)
        draft.set(conversation=replace(talk, unanswered_since=None, unanswered_reply=""))


def meant(workflow: Workflow, order: Order, cause: ReplyReceived, audience: str) -> Reply | None:
    """The reply that was tapped or written; None where a person has to read it."""
    now_is = Situation(order, cause.at, workflow.timezone)
    theirs = {n: r for n, r in workflow.replies.items() if audience in r.audiences and holds(r.when, now_is)}
    if cause.payload in theirs:
        return theirs[cause.payload]
    found = matching(cause.text, theirs.values()) if cause.is_sure else []
    # A word may mean different replies in different statuses: the one that counts now goes first.
    now = [r for r in found if order.status in r.statuses]
    if now or not found:
        return now[0] if len(now) == 1 else None
    late = [r for r in found if _is_past(workflow, order, r)]
    # A reply before its statuses is no answer to a question of ours.
    return late[0] if len(late) == 1 else None


def _may_mean(draft: Draft, cause: ReplyReceived, audience: str) -> bool:
    """Whether it is a reply's word, but the order that it is about is uncertain, so that a person has to ask."""
    theirs = (r for r in draft.workflow.replies.values() if audience in r.audiences)
    return not cause.is_sure and bool(matching(cause.text, theirs))


def _is_past(workflow: Workflow, order: Order, reply: Reply) -> bool:
    """Whether the order has passed the statuses in which the reply counts."""
    places = {name: (workflow.stages[s.stage].rank, n) for n, (name, s) in enumerate(workflow.statuses.items())}
    last = max((places[s] for s in reply.statuses), default=(-1, -1))
    return workflow.is_final(order.status) or places[order.status] > last


def _outcome(draft: Draft, found: Reply | None, talk: ConversationState) -> ReplyOutcome:
    if found is None:
        return "text"
    if draft.order.status not in found.statuses:
        return "too_late"
    before = talk.counted.get(found.counts_as)
    if before is None:
        return "counted"
    is_same_tap = draft.now - before.at < SAME_TAP
    is_answered = not found.repeats and before.in_status_since == draft.order.status_since
    return "again" if is_same_tap or is_answered else "counted"


def _waits(draft: Draft, found: Reply | None, outcome: ReplyOutcome, reader: Reader, *, can_tell: bool) -> bool:
    """Do what the reply does; whether a person has to answer all the same."""
    if found is None:
        return True
    if outcome == "again":
        return False
    if outcome == "too_late":
        return not _answer(draft, found.too_late, reader, can_tell=can_tell)
    if found.escalate:
        escalations.open_or_join(draft, found.escalate, draft.at, by=reader.name or reader.audience)
    if found.notify and triggers.is_meant(draft, found.notify):
        notifying.notify(draft, found.notify, draft.at)
    answered = found.answer is None or _answer(draft, found.answer, reader, can_tell=can_tell)
    return found.waits or found.act is not None or not answered


def _answer(draft: Draft, notice: str | None, reader: Reader, *, can_tell: bool) -> bool:
    """Tell this notice to the person who replied, on the same channel; whether it reaches them (a page shows it)."""
    if reader.channel == PAGE:
        return True
    if notice is None or not can_tell or reader.channel not in draft.workflow.notices[notice].channels:
        return False
    if not notifying.notify(draft, notice, draft.now, NoticeOptions(to=reader)):
        return False
    return any(n.state != "suppressed" for n in draft.notices[-1].messages)


def answer_customer(draft: Draft, cause: AnswerCustomer) -> None:
    """Send an agent's own text to the person who wrote last, on the channel that they used. Raises Rejection."""
    text = cause.text.strip()
    if not text:
        raise Rejection("text: is empty")
    if len(text) > LONGEST_ANSWER:
        raise Rejection(f"text: at most {LONGEST_ANSWER} characters are taken")
    talk = draft.order.conversation or ConversationState()
    reader = _reached(draft, talk, cause.channel)
    asked = {"text": text, "by": cause.by}
    notifying.notify(draft, ANSWER, draft.now, NoticeOptions(by=cause.by or "an agent", asked=asked, to=reader))
    (message,) = draft.notices[-1].messages
    if message.state == "suppressed":
        raise Rejection(f"channel: {message.error}")
    draft.log("customer_answered", by=cause.by, channel=reader.channel, audience=reader.audience)
    draft.set(conversation=replace(talk, unanswered_since=None, unanswered_reply=""))
    running.sync(draft, by_event=False)


def _reached(draft: Draft, talk: ConversationState, wanted: str) -> Reader:
    """The reader of the answer: where they wrote, else on the first channel with an address. Raises Rejection."""
    channels = draft.workflow.notices[ANSWER].channels
    if wanted and wanted not in channels:
        raise Rejection(f"channel: {wanted!r} is unknown; known: {', '.join(channels)}")
    if wanted in ("", talk.channel) and talk.channel in channels:
        return _writer(draft, talk.channel, talk.address, talk.audience)
    audience = talk.audience or next(iter(draft.order.recipients), "")
    people = draft.order.people(audience)
    for channel in [wanted] if wanted else channels:
        for address in draft.workflow.channel(channel).addresses(people[0]) if people else ():
            return Reader(channel, address, audience, 0, people[:1])
    raise Rejection(f"channel: no {wanted or 'address'} is known of anybody on the order")


def ways_to_answer(workflow: Workflow, order: Order) -> list[tuple[str, str]]:
    """The channels and addresses by which an agent's answer can go, the default one first."""
    channels, talk = workflow.notices[ANSWER].channels, order.conversation or ConversationState()
    wrote = [(talk.channel, talk.address)] if talk.channel in channels else []
    people = order.people(talk.audience or next(iter(order.recipients), ""))
    known = [(c, a) for c in channels for a in workflow.channel(c).addresses(people[0])] if people else []
    first = dict(reversed([*wrote, *known]))
    return [(c, first[c]) for c in dict.fromkeys(c for c, _ in [*wrote, *known])]


def answer_did_not_arrive(draft: Draft, n: Message, siblings: Sequence[Message]) -> None:
    """An agent's answer was not delivered, and there is no fallback: the customer is unanswered again."""
    of_notice = [m for m in (*siblings, *draft.more_messages) if m.notice_id == n.notice_id and m.id != n.id]
    if n.notice != ANSWER or any(m.state not in FINAL_STATES - SENT_STATES for m in of_notice):
        return
    talk = draft.order.conversation or ConversationState()
    draft.log("answer_failed", channel=n.channel, audience=n.audience, why=n.error)
    draft.set(conversation=replace(talk, unanswered_since=talk.unanswered_since or draft.now, unanswered_reply=""))
    running.sync(draft, by_event=False)


def move_reply(draft: Draft, cause: MoveReply) -> None:
    """A message belongs to another order: here it needs no answer."""
    talk = draft.order.conversation or ConversationState()
    unanswered_reply = talk.unanswered_reply if cause.waits_since else ""
    draft.set(conversation=replace(talk, unanswered_since=cause.waits_since, unanswered_reply=unanswered_reply))
    draft.log("reply_moved", by=cause.by, to=cause.to)
    running.sync(draft, by_event=False)


def _writer(draft: Draft, channel: str, address: str, audience: str) -> Reader:
    """The writer: the person of the order with this address, else one of this audience, else an unknown person."""
    found = _roles(draft, channel, address)
    if found:
        return found[0]
    people = draft.order.people(audience)
    return Reader(channel, address, audience, 0, people[:1] or (Person(),))


def _roles(draft: Draft, channel: str, address: str) -> list[Reader]:
    if channel == PAGE or not address:
        return []
    spec = draft.workflow.channel(channel)
    wanted = spec.place(address)
    order = draft.order
    audiences = [*order.recipients, *([order.assignee.role] if order.assignee else [])]
    return [
        Reader(channel, address, audience, index, (person,))
        for audience in dict.fromkeys(audiences)
        if audience != ASSIGNEE
        for index, person in enumerate(readers.people_of(draft, audience))
        if wanted in {spec.place(a) for a in spec.addresses(person)}
    ]
