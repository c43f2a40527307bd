"""Plans the messages of a notice, with the order as it is at that moment: one per channel and reader, or a ladder."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from service.domain import ladders
from service.domain.causes import Wave
from service.domain.conditions.judging import holds
from service.domain.draft import Draft
from service.domain.events import Secret
from service.domain.messages import message_to
from service.domain.notice_rules import Notice
from service.domain.notices import Message, PlannedNotice
from service.domain.order import Order
from service.domain.readers import Reader, behind, readers_of
from service.domain.rungs import SKIPPED, Role
from service.domain.snapshots import snapshot
from service.domain.triggers import remember

DEFAULT_SECRET_LIFE: Final = timedelta(minutes=10)


class NoticeOptions(Struct, frozen=True):
    """What is particular about telling a notice once, beside what its pack says of it.

    `secrets`: one-time codes that came with the event, by name. `by`: who sends it by hand, over these `channels`
    (none: the notice's own), with what they filled in (`asked`). `to`: this reader alone is told. `wave`: it goes to
    many orders at once; whoever it told already is left out.
    """

    secrets: Mapping[str, Secret] = {}
    channels: tuple[str, ...] = ()
    by: str = ""
    asked: Mapping[str, Any] = {}
    to: Reader | None = None
    wave: Wave | None = None


AS_DECLARED: Final = NoticeOptions()


class _Recipients(Struct, frozen=True):
    """Whom a notice tells: `readers` all at once, or, by the rungs of its ladder, those who are `climbing` it."""

    readers: Sequence[Reader] = ()
    climbing: Sequence[tuple[Role, ...]] = ()


def plan(draft: Draft, name: str, at: datetime, options: NoticeOptions = AS_DECLARED) -> UUID | None:
    """Plan the messages of the notice `name`, which is called for at the moment `at` (UTC).

    Its id, or None where nobody is told; the timeline says why.
    """
    notice = draft.workflow.notices[name]
    if not options.by and (why := _left_to_whole(notice, draft) or _why_skipped(notice, draft.order, at)):
        draft.log("notice_skipped", at, notice=name, why=why)
        return None
    recipients = _recipients(draft, notice, options)
    if not (recipients.readers or recipients.climbing):
        return None
    planned = _planned(draft, notice, at, options)
    messages = _messages(draft, notice, planned, recipients, options)
    if not messages:
        return None
    planned = replace(planned, messages=tuple(messages))
    draft.notices.append(planned)
    _remember(draft, notice, at)
    _log(draft, planned, options.by, recipients.readers)
    return planned.id


def _recipients(draft: Draft, notice: Notice, options: NoticeOptions) -> _Recipients:
    already_told = options.wave.told if options.wave else frozenset[str]()
    if notice.rungs and not options.channels and options.to is None:
        return _Recipients(climbing=ladders.readers(draft, notice, already_told))
    found = [options.to] if options.to else readers_of(draft, notice, options.channels)
    return _Recipients([r for r in found if r.address not in already_told])


def _planned(draft: Draft, notice: Notice, at: datetime, options: NoticeOptions) -> PlannedNotice:
    """The notice with the order as it is now, and as yet without messages."""
    order, workflow = draft.order, draft.workflow
    secret, valid_until = _secret_of(notice, options.secrets, at)
    return PlannedNotice(
        id=draft.next_id(),
        name=notice.name,
        at=at,
        planned=draft.now,
        stage_rank=workflow.stages[order.stage].rank,
        supersedable=not workflow.is_final(order.status) and not options.by and not _ends_here(draft),
        valid_until=valid_until,
        context=snapshot(order, workflow, options.asked, _withheld(draft, notice)),
        messages=(),
        secret=secret,
    )


def _messages(
    draft: Draft, notice: Notice, planned: PlannedNotice, recipients: _Recipients, options: NoticeOptions
) -> list[Message]:
    """One message per reader at once, or those of the first rung of the ladder."""
    bundles = not options.by and options.to is None
    not_before = options.wave.not_before if options.wave else draft.now
    postponed = partial(_postponed, draft, notice, bundles=bundles, not_before=not_before)
    if recipients.climbing:
        return ladders.begin(draft, notice, planned, recipients.climbing, postponed)
    missing = bool(notice.secret) and planned.secret is None
    found = [
        message_to(draft, notice, planned.id, reader, planned.valid_until, secret_missing=missing)
        for reader in recipients.readers
    ]
    return [postponed(n) for n in found]


def _postponed(draft: Draft, notice: Notice, n: Message, *, bundles: bool, not_before: datetime) -> Message:
    """The message, waiting for those with which it may leave in one, and for its order's turn among many."""
    n = _bundled(draft, notice, n) if bundles else n
    return n if not_before <= n.not_before else replace(n, not_before=not_before)


def _remember(draft: Draft, notice: Notice, at: datetime) -> None:
    """Keep that the order was told: by name, with the watched values, and when, where it may not be told too often."""
    order = draft.order
    if notice.name not in order.notified:
        draft.set(notified=(*order.notified, notice.name))
    remember(draft, notice.name, told=True)
    if notice.throttle:
        times = (*order.told_at.get(notice.name, ()), at)[-notice.throttle.most :]
        draft.set(told_at={**order.told_at, notice.name: times})


def _log(draft: Draft, planned: PlannedNotice, by: str, readers: Sequence[Reader]) -> None:
    """Write the timeline of a notice that is told; a ladder has lines of its own for its rungs."""
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
    """The message, delayed so that it can be bundled with others to the same person; never beyond its own time."""
    if notice.bundle is None or n.state != "pending" or not draft.workflow.channel(n.channel).joins:
        return n
    leaves = max(n.not_before, draft.now + notice.bundle)
    if leaves >= n.valid_until:
        return n
    return replace(n, not_before=leaves, bundle=bundle_of(draft.workflow.name, draft.order.brand))


def bundle_of(workflow: str, brand: str) -> str:
    """The name of the group of orders whose messages may be bundled: those of one workflow and brand."""
    return f"bundle {workflow}/{brand}"


def _withheld(draft: Draft, notice: Notice) -> tuple[str, ...]:
    """The replies that the notice offers and whose own condition does not hold now."""
    if not notice.replies:
        return ()
    known = draft.workflow.replies
    situation = draft.situation()
    return tuple(r for r in notice.replies if r in known and not holds(known[r].when, situation))


def _left_to_whole(notice: Notice, draft: Draft) -> str:
    """Why the notice is left to the order's whole; empty when it is not."""
    notices = sorted(notice.unless_whole_tells & draft.whole_told)
    return f"the whole order tells {' and '.join(notices)}" if notices else ""


def _why_skipped(notice: Notice, order: Order, at: datetime) -> str:
    """Why the notice is skipped because of earlier ones; empty when it is not."""
    if notice.after and notice.after.isdisjoint(order.notified):
        return f"{' or '.join(sorted(notice.after))} was not told before"
    if notice.throttle:
        recent = [t for t in order.told_at.get(notice.name, ()) if at - t < notice.throttle.within]
        if len(recent) >= notice.throttle.most:
            return "it was told as often as it may be within its time"
    return "it is told once, and was told before" if notice.once and notice.name in order.notified else ""


def _secret_of(notice: Notice, secrets: Mapping[str, Secret], at: datetime) -> tuple[str | None, datetime]:
    """The one-time code for the notice, if it carries one that was given; and until when it may be told (UTC)."""
    valid_until = at + notice.valid_for
    if not notice.secret:
        return None, valid_until
    given = secrets.get(notice.secret)
    expires = (given and given.expires) or at + DEFAULT_SECRET_LIFE
    return given.value if given else None, min(valid_until, expires)


def _ends_here(draft: Draft) -> bool:
    """Whether the order is in one of its last stages, whose notices are never superseded."""
    return draft.order.stage in draft.workflow.last_stages


def fall_back(draft: Draft, failed: Message, siblings: tuple[Message, ...]) -> None:
    """Tell over the fallback channel, unless a message of this notice went that way to the same reader.

    The checks are those of a first message. `siblings`: the other messages of the notice.
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
