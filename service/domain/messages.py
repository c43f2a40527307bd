"""One message to one reader, whatever leads to it: planned for its time, or not, and why."""

from datetime import datetime, timedelta
from uuid import UUID

from service.domain.draft import Draft
from service.domain.notice_rules import Notice
from service.domain.notices import Message
from service.domain.readers import Reader, after_quiet, quiet_for, why_not
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
    """One message, or why it is none: wishes, mutes and quiet hours are asked here, whatever leads to it.

    `rung`: the one of the notice's ladder that it is on.
    """
    why = why_not(notice, reader, secret_missing=secret_missing)
    not_before, quiet = draft.now, quiet_for(draft, notice, reader)
    if not why:
        not_before, why = after_quiet(draft, notice, reader, quiet, valid_until)
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
        state="suppressed" if why else "pending",
        valid_until=valid_until,
        not_before=not_before,
        when_unknown=notice.when_unknown,
        secret=bool(notice.secret),
        error_code=SKIPPED if why and rung else "",
        error=why,
        behind=timedelta(0) if why else draft.next_turn(),
        rung=rung,
        quiet=quiet,
    )
