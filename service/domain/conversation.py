"""What an order keeps of the conversation with its people. Frozen data; the texts are in the ledger only."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

# The notice by which an agent's own text goes out; every pack has it, and the name is reserved.
ANSWER: Final = "answer"
# The "channel" of replies given on the order's tracking page.
PAGE: Final = "page"

# The most messages that an order keeps, as anybody with an address may write as often as they like.
MOST_RECEIVED: Final = 500

ReplyOutcome = Literal["counted", "again", "too_late", "text"]


class CountedReply(Struct, frozen=True):
    """When a reply last counted, and when the order had entered its status of that time (UTC)."""

    at: datetime
    in_status_since: datetime


class ConversationState(
    Struct, frozen=True, omit_defaults=True, rename={"received": "said", "unanswered_reply": "asked"}
):
    """The state of a conversation: who wrote last, and where an answer reaches them.

    `unanswered_since`: since when they wait for a person (UTC); `counted`: the replies that counted, by name;
    `received`: how many messages came in. `unanswered_reply`: the only reply that is unanswered, where its act would
    answer it.
    """

    channel: str = ""
    address: str = ""
    audience: str = ""
    last: datetime | None = None
    unanswered_since: datetime | None = None
    counted: Mapping[str, CountedReply] = {}
    received: int = 0
    unanswered_reply: str = ""


class ReceivedReply(Struct, frozen=True):
    """One message from a person. `reply`: the pack's reply that it is; empty: a person has to read it.

    `publishes`: it is published to the order system.
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
