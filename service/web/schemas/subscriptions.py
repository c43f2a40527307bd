"""Reports that are mailed."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from service.web.schemas.fields import Name


class SubscriptionOrder(Struct, forbid_unknown_fields=True):
    """A report for an address: now, or every day, week or month at a local time.

    `day`: for `week` the weekday, where 0 is Monday and 6 Sunday; for `month` the day from 1, of which 31 is the last.
    """

    workflow: Name
    report: Name
    email: Annotated[str, Meta(min_length=3, max_length=320)]
    every: Literal["now", "day", "week", "month"] = "day"
    at: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] | None = None
    timezone: Annotated[str, Meta(max_length=64)] = ""
    day: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=31,
                description="every week: the weekday, 0 is Monday, 6 Sunday; every month: the day, 31 the last",
            ),
        ]
        | None
    ) = None


class SubscriptionLine(Struct):
    """A report that somebody gets."""

    id: str
    workflow: str
    report: str
    email: str
    every: str
    at: str
    timezone: str
    day: int
    next_at: datetime


class Subscriptions(Struct):
    """All of them."""

    subscriptions: list[SubscriptionLine]
