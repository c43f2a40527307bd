"""From a notice to its messages, with the order as it is at that moment: one per channel and recipient, or a ladder."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from msgspec.structs import replace

from service.domain import ladders, link_acts
from service.domain.causes import Wave
from service.domain.conditions.judging import holds
from service.domain.draft import Draft
from service.domain.events import Secret
from service.domain.messages import message_to
from service.domain.notice_rules import Notice
from service.domain.notices import Message, PlannedNotice, Snapshot
from service.domain.order import ASSIGNEE, Order
from service.domain.persons import Person
from service.domain.readers import Reader, behind, readers_of
from service.domain.rungs import SKIPPED
from service.domain.triggers import remember
from service.domain.workflow import Workflow

DEFAULT_SECRET_LIFE: Final = timedelta(minutes=10)


def plan(
    draft: Draft,
    name: str,
    at: datetime,
    *,
    secrets: dict[str, Secret] | None = None,
    channels: tuple[str, ...] = (),
    by: str = "",
    asked: Mapping[str, Any] | None = None,
    to: Reader | None = None,
    wave: Wave | None = None,
) -> UUID | None:
    """Plan the notice `name`, called for `at` that moment; its id, or None where it is not told.

    `to`: this one reader is told, whoever else the notice is for. `wave`: those whom it told already are left out.
    """
    notice = draft.workflow.notices[name]
    order = draft.order
    if not by and (why := _left_to_whole(notice, draft) or _why_skipped(notice, order, at)):
        draft.log("notice_skipped", at, notice=name, why=why)
        return None
    climbs = bool(notice.rungs) and not channels and to is None
    told = ladders.readers(draft, notice, wave.told if wave else frozenset()) if climbs else []
    readers = [to] if to else [] if climbs else readers_of(draft, notice, channels)
    if wave:
        readers = [r for r in readers if r.address not in wave.told]
    if not readers and not told:
        return None
    secret, valid_until = _secret_of(notice, secrets or {}, at)
    planned = PlannedNotice(
        id=draft.next_id(),
        name=name,
        at=at,
        planned=draft.now,
        stage_rank=draft.workflow.stages[order.stage].rank,
        supersedable=not draft.workflow.is_final(order.status) and not by and not _ends_here(draft),
        valid_until=valid_until,
        context=snapshot(order, draft.workflow, asked, _withheld(draft, notice)),
        messages=(),
        secret=secret,
    )
    bundles = not by and to is None
    shape = partial(_shaped, draft, notice, bundles=bundles, not_before=wave.not_before if wave else draft.now)
    if climbs:
        messages = ladders.begin(draft, notice, planned, told, shape)
    else:
        messages = _messages(draft, notice, planned, readers, shape)
    if not messages:
        return None
    if name not in order.notified:
        draft.set(notified=(*order.notified, name))
    remember(draft, name, told=True)
    _keep_time(draft, notice, at)
    draft.notices.append(replace(planned, messages=tuple(messages)))
    _say(draft, draft.notices[-1], by, readers)
    return planned.id


def _messages(
    draft: Draft, notice: Notice, planned: PlannedNotice, readers: Sequence[Reader], shape: Callable[[Message], Message]
) -> list[Message]:
    """All at once."""
    missing = bool(notice.secret) and planned.secret is None
    found = [
        message_to(draft, notice, planned.id, reader, planned.valid_until, secret_missing=missing) for reader in readers
    ]
    return [shape(n) for n in found]


def _shaped(draft: Draft, notice: Notice, n: Message, *, bundles: bool, not_before: datetime) -> Message:
    """The message, waiting for what it may leave with, and for its order's turn among many."""
    n = _bundled(draft, notice, n) if bundles else n
    return n if not_before <= n.not_before else replace(n, not_before=not_before)


def _say(draft: Draft, planned: PlannedNotice, by: str, readers: Sequence[Reader]) -> None:
    """The lines of a notice that is told; a ladder says of its rungs itself."""
    name, at, messages = planned.name, planned.at, planned.messages
    to = [f"{n.channel} to {n.audience}" for n in messages]
    draft.log("notice_planned", at, notice=name, by=by, asked=planned.context.asked, messages=to)
    for n in messages:
        if n.state == "suppressed" and n.error_code != SKIPPED:
            draft.log("notice_suppressed", at, notice=name, channel=n.channel, audience=n.audience, why=n.error)
    for r, n in zip(readers, messages, strict=False):
        if r.instead_of and n.state != "suppressed":
            draft.log("fallback_planned", at, notice=name, failed=r.instead_of, channel=n.channel, why="no address")


def _bundled(draft: Draft, notice: Notice, n: Message) -> Message:
    """The message, waiting for others to the same person with which it can leave in one; its own time comes first."""
    if notice.bundle is None or n.state != "pending" or not draft.workflow.channel(n.channel).joins:
        return n
    leaves = max(n.not_before, draft.now + notice.bundle)
    if leaves >= n.valid_until:
        return n
    return replace(n, not_before=leaves, bundle=bundle_of(draft.workflow.name, draft.order.brand))


def bundle_of(workflow: str, brand: str) -> str:
    """Names those whose messages may leave in one: orders of one workflow and brand."""
    return f"bundle {workflow}/{brand}"


def _withheld(draft: Draft, notice: Notice) -> tuple[str, ...]:
    """Of the replies that the notice offers, those whose own condition does not hold now."""
    if not notice.replies:
        return ()
    known = draft.workflow.replies
    situation = draft.situation()
    return tuple(r for r in notice.replies if r in known and not holds(known[r].when, situation))


def _keep_time(draft: Draft, notice: Notice, at: datetime) -> None:
    if notice.throttle:
        times = (*draft.order.told_at.get(notice.name, ()), at)[-notice.throttle.most :]
        draft.set(told_at={**draft.order.told_at, notice.name: times})


def _left_to_whole(notice: Notice, draft: Draft) -> str:
    """Why the order leaves this to its whole; empty when it does not."""
    told = sorted(notice.unless_whole_tells & draft.whole_told)
    return f"the whole order tells {' and '.join(told)}" if told else ""


def _why_skipped(notice: Notice, order: Order, at: datetime) -> str:
    """Why an order is not told this of itself, by what it was told before; empty when it is."""
    if notice.after and notice.after.isdisjoint(order.notified):
        return f"{' or '.join(sorted(notice.after))} was not told before"
    if notice.throttle:
        recent = [t for t in order.told_at.get(notice.name, ()) if at - t < notice.throttle.within]
        if len(recent) >= notice.throttle.most:
            return "it was told as often as it may be within its time"
    return "it is told once, and was told before" if notice.once and notice.name in order.notified else ""


def _secret_of(notice: Notice, secrets: dict[str, Secret], at: datetime) -> tuple[str | None, datetime]:
    """The code that the notice carries, if it does and there is one, and until when it may be told."""
    valid_until = at + notice.valid_for
    if not notice.secret:
        return None, valid_until
    given = secrets.get(notice.secret)
    expires = (given and given.expires) or at + DEFAULT_SECRET_LIFE
    return given.value if given else None, min(valid_until, expires)


def _ends_here(draft: Draft) -> bool:
    """Whether the order's stage is one in which a life can end: such notices are never superseded."""
    return draft.order.stage in draft.workflow.last_stages


def snapshot(
    order: Order, workflow: Workflow, asked: Mapping[str, Any] | None = None, withheld: tuple[str, ...] = ()
) -> Snapshot:
    """The order as templates see it. `asked`: what an agent filled in; `withheld`: replies that mean nothing now."""
    assignee = order.assignee
    return Snapshot(
        order_id=order.reference,
        status=order.status,
        stage=order.stage,
        assignee={"name": assignee.name, "role": assignee.role, "phone": assignee.phone or ""} if assignee else None,
        previous_assignee=order.previous_assignee,
        eta=order.eta,
        appointment=order.appointment,
        price={"amount": order.price.amount, "currency": order.price.currency} if order.price else None,
        payment=order.payment,
        note=order.note.text if order.note and order.note.public else "",
        attributes=order.attributes,
        asked=asked or {},
        brand=order.brand,
        withheld=withheld,
        lists=order.lists,
        attachments=order.note.attachments if order.note and order.note.public else (),
        parent=order.parent.reference if order.parent else "",
        parts=order.parts,
        people={audience: people[0].name for audience, people in order.recipients.items() if people},
        contacts={
            audience: _contact(people[0]) for audience in workflow.contacts if (people := order.people(audience))
        },
        handlers=_handlers(order, workflow),
    )


def _handlers(order: Order, workflow: Workflow) -> dict[str, str]:
    """Under which audiences a notice reaches whoever handles the order, and their id, where they have a page."""
    if order.assignee is None or not link_acts.has_page(workflow, order.assignee.role):
        return {}
    return {a: order.assignee.id for a in (order.assignee.role, ASSIGNEE) if not order.recipients.get(a)}


def _contact(person: Person) -> dict[str, str]:
    return {"name": person.name, "phone": person.phone or "", "email": person.email or ""}


def fall_back(draft: Draft, failed: Message, siblings: tuple[Message, ...]) -> None:
    """Tell over the channel that stands in, if nothing of this notice went that way to the same reader.

    The same is asked as of a first message. `siblings` are the other messages of the notice.
    """
    notice = draft.workflow.notices.get(failed.notice)
    channel = draft.workflow.fallback.get(failed.channel)
    if channel is None:
        return
    readers = behind(draft, notice, failed) if notice else []
    if notice is None or not readers or failed.valid_until <= draft.now:
        draft.log("fallback_skipped", notice=failed.notice, channel=channel, why="no address or no time left")
        return
    others = [
        n for n in (*siblings, *draft.more_messages) if n.notice_id == failed.notice_id and n.state != "suppressed"
    ]
    places = {draft.workflow.channel(n.channel).place(n.address) for n in others}
    roles = {(n.channel, n.audience, n.person) for n in others}
    for r in readers:
        if draft.workflow.channel(r.channel).place(r.address) in places or (r.channel, r.audience, r.index) in roles:
            continue
        message = message_to(draft, notice, failed.notice_id, r, failed.valid_until)
        if message.state == "suppressed":
            why = message.error
            draft.log("fallback_skipped", notice=failed.notice, channel=r.channel, why=why)
            continue
        draft.more_messages.append(message)
        draft.log("fallback_planned", notice=failed.notice, failed=failed.channel, channel=r.channel)
