"""One message to one reader, whatever leads to it: planned for its time, or not, and why."""

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from service.domain.calendars import QuietHours, quiet_until
from service.domain.draft import Draft
from service.domain.notice_rules import Notice
from service.domain.notices import Message
from service.domain.readers import Reader
from service.domain.rungs import SKIPPED


def message_to(
    draft: Draft,
    notice: Notice,
    notice_id: UUID,
    reader: Reader,
    valid_until: datetime,
    *,
    secret_missing: bool = False,
    rung: int = 0,
) -> Message:
    """The message; `suppressed`, with the reason, where the reader is not to be told.

    Wishes, muted notices and quiet hours are asked here, whatever leads to the message. `rung`: its place on the
    notice's ladder, from 1; 0 where it is on none.
    """
    may = _admission(draft, notice, reader, valid_until, secret_missing=secret_missing)
    return Message(
        id=draft.next_id(),
        notice_id=notice_id,
        order_id=draft.order.id,
        notice=notice.name,
        channel=reader.channel,
        audience=reader.audience,
        person=reader.index,
        address=reader.address,
        name=reader.name,
        locale=draft.workflow.locale_for(reader.locale),
        region=reader.region,
        timezone=reader.timezone,
        state="suppressed" if may.why else "pending",
        valid_until=valid_until,
        not_before=may.not_before,
        when_unknown=notice.when_unknown,
        secret=bool(notice.secret),
        error_code=SKIPPED if may.why and rung else "",
        error=may.why,
        behind=timedelta(0) if may.why else draft.next_turn(),
        rung=rung,
        quiet=may.quiet,
    )


class _Admission(Struct, frozen=True):
    """Whether a reader may be told, and when: `why` not, else empty; `not_before` (UTC), with their `quiet` hours."""

    why: str
    not_before: datetime
    quiet: QuietHours | None


def _admission(
    draft: Draft, notice: Notice, reader: Reader, valid_until: datetime, *, secret_missing: bool
) -> _Admission:
    quiet = _quiet_for(draft, notice, reader)
    why = _why_not(notice, reader, secret_missing=secret_missing)
    ends = quiet_until(quiet, draft.now, reader.timezone or draft.workflow.timezone) if quiet and not why else None
    if ends is None:
        return _Admission(why, draft.now, quiet)
    if notice.quiet == "drop" or ends >= valid_until:
        return _Admission("quiet hours", draft.now, quiet)
    return _Admission("", ends, quiet)


def _why_not(notice: Notice, reader: Reader, *, secret_missing: bool) -> str:
    """Why this reader is not told over this channel; empty when they are. What any of their roles said holds."""
    if not reader.people:
        return f"nobody is known as {reader.audience}"
    if not reader.address:
        return f"no {reader.channel} address is known"
    if secret_missing:
        return f"the event carried no {notice.secret}"
    if notice.mandatory:
        return ""
    for p in reader.people:
        if not p.wants(reader.channel):
            return f"does not want {reader.channel} messages"
    for p in reader.people:
        if not p.wants_told(notice.name):
            return "does not want this message"
    return ""


def _quiet_for(draft: Draft, notice: Notice, reader: Reader) -> QuietHours | None:
    """The hours in which the notice does not go to this reader; their own hold for all but codes."""
    own = None if notice.mandatory or notice.secret else reader.quiet
    return own or (None if notice.quiet == "send" else draft.workflow.quiet)
