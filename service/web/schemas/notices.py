"""Manual notices: to one order, or to many."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from service.domain.json_object import JsonObject
from service.web.schemas.fields import Name
from service.web.schemas.messages import MessageFilter


class NoticeOrder(Struct, forbid_unknown_fields=True):
    """A manual notice: one of the workflow's manual reasons, over some of its channels (none: all).

    `inputs`: what the notice asks (`manual_notices` of the order says so), each by its name.
    """

    reason: Name
    channels: Annotated[list[Name], Meta(max_length=8)] = []
    inputs: Annotated[JsonObject, Meta(max_length=20)] = {}
    preview: bool = False


class NoticeMessage(Struct):
    """One message of a notice, with its exact text; `segments` for SMS, `remark`: what makes it dear.

    `rung`: of the notice's ladder, from 1; 0: it is on none. Of a later one, `due` is when it would go (UTC), `unless`
    how far one before it must have come that it does not (`sent`, `delivered`, `read`; empty: it goes anyway).
    """

    channel: str
    audience: str
    to: str
    state: str
    title: str
    text: str
    html: str
    segments: int
    why: str
    remark: str = ""
    rung: int = 0
    due: datetime | None = None
    unless: str = ""


class NoticeAnswer(Struct):
    """A preview, or what was planned."""

    preview: bool
    reason: str
    messages: list[NoticeMessage]


class OrderFilter(Struct, forbid_unknown_fields=True):
    """Which orders, as `GET /v1/orders` filters them; `told`: those of which such messages were planned."""

    status: str = ""
    stage: str = ""
    assignee: str = ""
    overdue: bool | None = None
    open: bool | None = None
    told: MessageFilter | None = None


class BroadcastOrder(Struct, forbid_unknown_fields=True):
    """Tell the people of all these orders of a workflow one of its manual notices, each address once.

    `dry_run` counts alone. At most 5,000 orders at once; `per_minute`: how many of them may be told in one.
    """

    workflow: Name
    notice: Name
    filter: OrderFilter
    channels: Annotated[list[Name], Meta(max_length=8)] = []
    inputs: Annotated[JsonObject, Meta(max_length=20)] = {}
    dry_run: bool = False
    per_minute: Annotated[int, Meta(ge=1, le=100_000)] = 600


class BroadcastAnswer(Struct):
    """What was, or would be, told: of so many `orders`, `planned` of them, in `messages`.

    `excluded`: how many orders are left out, by why. `until`: when the last may be told.
    """

    dry_run: bool
    orders: int
    planned: int
    messages: int
    excluded: dict[str, int]
    until: datetime | None
