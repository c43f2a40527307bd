"""From a notice to its notifications: one per channel and recipient, with the order as it is at that moment."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from service.domain import sla
from service.domain.calendars import quiet_until
from service.domain.draft import Draft
from service.domain.events import Person, Secret
from service.domain.notices import Notification, PlannedNotice, Snapshot, State
from service.domain.order import Order
from service.domain.workflow import Notice, Workflow

DEFAULT_SECRET_LIFE: Final = timedelta(minutes=10)
CHANNEL_ADDRESSES: Final = {"sms": "phone", "whatsapp": "whatsapp", "email": "email", "webhook": "webhook"}


def tell(
    draft: Draft,
    name: str,
    at: datetime,
    *,
    secrets: dict[str, Secret] | None = None,
    channels: tuple[str, ...] = (),
    by: str = "",
) -> None:
    """Plan the notice `name`, told since `at`, and start its promise."""
    notice = draft.workflow.notices[name]
    order = draft.order
    if notice.after and not by and notice.after.isdisjoint(order.told):
        draft.log("notice_skipped", at, notice=name, why=f"{' or '.join(sorted(notice.after))} was not told before")
        return
    if notice.once and not by and name in order.told:
        draft.log("notice_skipped", at, notice=name, why="it is told once, and was told before")
        return
    if name not in order.told:
        draft.set(told=(*order.told, name))
    stage = draft.workflow.stages[order.stage]
    secret, valid_until = _secret_of(notice, secrets or {}, at)
    missing = bool(notice.secret) and secret is None
    notice_id = draft.next_id()
    notifications = tuple(_notification(draft, notice, notice_id, channels or notice.channels, valid_until, missing))
    draft.notices.append(
        PlannedNotice(
            id=notice_id,
            name=name,
            at=at,
            planned=draft.now,
            stage=stage.name,
            stage_rank=stage.rank,
            supersedable=not draft.workflow.is_final(order.status) and not by and not _ends_here(draft),
            valid_until=valid_until,
            context=snapshot(order, draft.workflow),
            notifications=notifications,
            secret=secret,
        )
    )
    messages = [f"{n.channel} to {n.audience}" for n in notifications]
    draft.log("notice_planned", at, notice=name, by=by, messages=messages)
    for n in notifications:
        if n.state == "suppressed":
            draft.log("notice_suppressed", at, notice=name, channel=n.channel, audience=n.audience, why=n.error)
    sla.arm_notify(draft, name, notice_id, at)


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
    stage = draft.order.stage
    return any(s.final and s.stage == stage for s in draft.workflow.statuses.values())


def people_of(draft: Draft, audience: str) -> tuple[Person, ...]:
    """Everybody in `audience`; where nobody is known, the audience that stands in for it."""
    people = draft.order.people(audience)
    stand_in = draft.workflow.stand_ins.get(audience)
    return people or (draft.order.people(stand_in) if stand_in else ())


def _notification(
    draft: Draft,
    notice: Notice,
    notice_id: UUID,
    channels: tuple[str, ...],
    valid_until: datetime,
    secret_missing: bool,
) -> Iterator[Notification]:
    for audience in notice.audiences:
        for index, person in enumerate(people_of(draft, audience) or (None,)):
            for channel in channels:
                for address in addresses(person, channel) or ("",):
                    timezone = (person and person.timezone) or draft.workflow.timezone
                    why = _why_not(notice, audience, person, channel, address, secret_missing)
                    not_before = draft.now
                    if not why:
                        not_before, why = _after_quiet(draft, notice, timezone, valid_until)
                    state: State = "suppressed" if why else "pending"
                    yield Notification(
                        id=draft.next_id(),
                        notice_id=notice_id,
                        order_id=draft.order.id,
                        notice=notice.name,
                        channel=channel,
                        audience=audience,
                        person=index,
                        address=address,
                        name=person.name if person else "",
                        locale=pick_locale(draft.workflow.locales, person.locale if person else None),
                        timezone=(person and person.timezone) or "",
                        state=state,
                        valid_until=valid_until,
                        not_before=not_before,
                        when_unknown=notice.when_unknown,
                        secret=bool(notice.secret),
                        error=why,
                    )


def _why_not(
    notice: Notice, audience: str, person: Person | None, channel: str, address: str, secret_missing: bool
) -> str:
    """Why this person is not told over this channel; empty when they are."""
    if person is None:
        return f"nobody is known as {audience}"
    if not address:
        return f"no {channel} address is known"
    if secret_missing:
        return f"the event carried no {notice.secret}"
    if notice.mandatory:
        return ""
    if person.channels is not None and channel not in person.channels:
        return f"does not want {channel} messages"
    return "does not want this message" if notice.name in person.muted else ""


def _after_quiet(draft: Draft, notice: Notice, timezone: str, valid_until: datetime) -> tuple[datetime, str]:
    """When the reader may be disturbed, or why not at all."""
    quiet = draft.workflow.quiet
    if quiet is None or notice.quiet == "send":
        return draft.now, ""
    ends = quiet_until(quiet, draft.now, timezone)
    if ends is None:
        return draft.now, ""
    if notice.quiet == "drop" or ends >= valid_until:
        return draft.now, "quiet hours"
    return ends, ""


def addresses(person: Person | None, channel: str) -> tuple[str, ...]:
    """Where `person` can be reached over `channel`."""
    if person is None:
        return ()
    if channel == "push":
        return person.push_tokens
    value = getattr(person, CHANNEL_ADDRESSES[channel], None)
    return (value,) if value else ()


def pick_locale(available: tuple[str, ...], wanted: str | None) -> str:
    """The nearest locale that has templates: `en-IN` → `en`; the pack's first when none is near."""
    if wanted:
        tag = wanted.replace("_", "-")
        while tag:
            for locale in available:
                if locale.lower() == tag.lower():
                    return locale
            tag = tag.rpartition("-")[0]
    return available[0]


def snapshot(order: Order, workflow: Workflow) -> Snapshot:
    """The order as templates see it."""
    assignee = order.assignee
    return Snapshot(
        order_id=order.order_id,
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
        people={audience: people[0].name for audience, people in order.recipients.items() if people},
        contacts={
            audience: _contact(people[0]) for audience in workflow.contacts if (people := order.people(audience))
        },
    )


def _contact(person: Person) -> dict[str, str]:
    return {"name": person.name, "phone": person.phone or "", "email": person.email or ""}


def fall_back(draft: Draft, failed: Notification, siblings: tuple[Notification, ...]) -> None:
    """Tell over the channel that stands in, if nothing of this notice went that way to the same person."""
    channel = draft.workflow.fallback.get(failed.channel)
    if channel is None:
        return
    for sibling in siblings:
        same = sibling.channel == channel and (sibling.audience, sibling.person) == (
            failed.audience,
            failed.person,
        )
        if same and sibling.state != "suppressed":
            return
    people = people_of(draft, failed.audience)
    person = people[failed.person] if failed.person < len(people) else None
    if failed.valid_until <= draft.now or not addresses(person, channel):
        draft.log("fallback_skipped", notice=failed.notice, channel=channel, why="no address or no time left")
        return
    notification = Notification(
        id=draft.next_id(),
        notice_id=failed.notice_id,
        order_id=failed.order_id,
        notice=failed.notice,
        channel=channel,
        audience=failed.audience,
        person=failed.person,
        address=addresses(person, channel)[0],
        name=failed.name,
        locale=failed.locale,
        timezone=failed.timezone,
        state="pending",
        valid_until=failed.valid_until,
        not_before=draft.now,
        when_unknown=failed.when_unknown,
        secret=failed.secret,
    )
    draft.extra.append(notification)
    draft.log("fallback_planned", notice=failed.notice, failed=failed.channel, channel=channel)
