"""A notice is told: its messages are planned, and the promise that it reaches its readers starts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from service.domain import planning
from service.domain.causes import Wave
from service.domain.clocks import running
from service.domain.draft import Draft
from service.domain.events import Secret
from service.domain.readers import Reader


def notify(
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
    """Plan the notice `name`, called for `at` that moment, and start its promise.

    `by`: who sends it by hand; `to`: this reader alone is told; `wave`: it goes to many orders at once.

    Its id; None where it is not told.
    """
    notice_id = planning.plan(draft, name, at, secrets=secrets, channels=channels, by=by, asked=asked, to=to, wave=wave)
    if notice_id is not None:
        running.promise(draft, name, notice_id, at)
    return notice_id


def tick(draft: Draft, until: datetime, *, plans: bool = True) -> None:
    """Do everything that is due by `until`; what it tells is told.

    `plans`: reminders and follow-ups, too; they wait where an event is about to say whether they are still wanted.
    """
    running.tick(draft, notify, until, plans=plans)
