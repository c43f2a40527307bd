"""What an order keeps of the talk with its people, and what came in. Data; texts stand in the ledger alone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

# The notice by which an agent's own words go out; every pack has it, and none may call one of its own so.
ANSWER: Final = "answer"
# Where somebody taps who is on no channel at that moment: the order's tracking page.
PAGE: Final = "page"

# Whoever has an address to write to may write as often as they like: more than this an order does not keep.
MOST_SAID: Final = 500

ReplyOutcome = Literal["counted", "again", "too_late", "text"]


class Counted(Struct, frozen=True):
    """When a reply last counted, and since when the order had been in its status by then (UTC)."""

    at: datetime
    in_status_since: datetime


class Conversation(Struct, frozen=True, omit_defaults=True):
    """Who said something last, and where an answer reaches them.

    `unanswered_since`: since when they wait for a person (UTC); `counted`: by reply, those that counted;
    `said`: how many things were said. `asked`: the reply whose act is all that they wait for.
    """

    channel: str = ""
    address: str = ""
    audience: str = ""
    last: datetime | None = None
    unanswered_since: datetime | None = None
    counted: Mapping[str, Counted] = {}
    said: int = 0
    asked: str = ""


class ReceivedReply(Struct, frozen=True):
    """One thing that somebody said. `reply`: what it means in the pack's words; empty: what a person has to read.

    `publishes`: the order system is told.
    """

    id: UUID
    at: datetime
    channel: str
    address: str
    audience: str
    name: str
    text: str
    reply: str
    outcome: ReplyOutcome
    publishes: bool = False
