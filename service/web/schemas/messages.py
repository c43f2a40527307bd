"""Messages, what is sent again, and what is held."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct, field

from service.ledger.orders.read_models import MessageOfOrder
from service.web.schemas.fields import Moment, Words


class MessagePage(Struct):
    """A page of messages, the newest first; `cursor` leads to the next one and is empty at the end."""

    messages: list[MessageOfOrder]
    cursor: str


class MessageFilter(Struct, forbid_unknown_fields=True):
    """Which messages, as `GET /v1/messages` filters them; one or several of each."""

    channel: str | list[str] = ""
    state: str | list[str] = ""
    notice: str | list[str] = ""
    cause: str | list[str] = ""
    workflow: str = ""
    recipient: str = ""
    country: str = ""
    since: Moment | None = field(default=None, name="from")
    until: Moment | None = field(default=None, name="to")


class ResendOrder(Struct, forbid_unknown_fields=True):
    """Tell these messages again, by `channel` or each by its own; `dry_run` counts alone. At most 5,000 at once.

    `per_minute`: how many may leave in one, so that readers' calls do not come all at once either.
    """

    filter: MessageFilter
    channel: str = ""
    dry_run: bool = False
    per_minute: Annotated[int, Meta(ge=1, le=100_000)] = 600


class ResendAnswer(Struct):
    """What was, or would be, told again. `excluded`: how many were left out, by why.

    `already_told`, `already_sent`, `may_have_arrived`, `still_waits`, `waits_elsewhere`, `stale`, `code`, `money`,
    `opted_out`, `not_wanted`, `no_words`, `no_address`, `not_in_pack`, `gone`. `until`: when the last may leave.
    """

    dry_run: bool
    matched: int
    planned: int
    excluded: dict[str, int]
    orders: int
    until: datetime | None


class ResendOne(Struct, forbid_unknown_fields=True):
    """By which channel a message is told again; empty: its own."""

    channel: str = ""


class HoldRequest(Struct, forbid_unknown_fields=True):
    """What to hold back: whatever is of this channel, this workflow and this notice; left out: of any."""

    channel: str = ""
    workflow: str = ""
    notice: str = ""
    why: Words = ""


class HoldShown(Struct):
    """Something that is held since `at`. `waiting`: how many messages wait because of it."""

    id: str
    channel: str
    workflow: str
    notice: str
    at: datetime
    by: str
    why: str
    waiting: int


class Holds(Struct):
    """All that is held, the oldest first."""

    holds: list[HoldShown]
