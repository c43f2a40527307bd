"""A notice is told: its messages are planned, and the promise that it reaches its readers starts."""

from datetime import datetime
from uuid import UUID

from service.domain import planning
from service.domain.clocks import running
from service.domain.draft import Draft
from service.domain.planning import AS_DECLARED, NoticeOptions


def notify(draft: Draft, name: str, at: datetime, options: NoticeOptions = AS_DECLARED) -> UUID | None:
    """Plan the notice `name`, which is called for at the moment `at` (UTC), and start its promise.

    Its id; None where nobody is told.
    """
    notice_id = planning.plan(draft, name, at, options)
    if notice_id is not None:
        running.promise(draft, name, notice_id, at)
    return notice_id


def tick(draft: Draft, until: datetime, *, plans: bool = True) -> None:
    """Do everything that is due by `until` (UTC), and tell the notices that this calls for.

    `plans`: whether reminders and follow-ups count, too; they wait where an event is about to say whether they are
    still wanted.
    """
    running.tick(draft, notify, until, plans=plans)
