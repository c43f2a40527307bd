"""What goes in and out of conversations."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from service.domain.json_object import JsonObject
from service.ledger.conversations.reading import ConversationMessage, WaitingConversation


class PreparedAnswer(Struct, frozen=True):
    """What an agent may send as it is: an answer to a usual question, in the customer's language."""

    question: str
    text: str


class OfferedAct(Struct, frozen=True):
    """What the customer waits for, by one click: the reply's title, and the act with all that it takes."""

    reply: str
    title: str
    act: str
    status: str
    attributes: JsonObject


class AnswerWay(Struct, frozen=True):
    """A channel by which an answer can go. `takes_words`: whether words of ours reach them there now.

    `until`: how long they do, or did; null: the channel always takes them, or they never wrote to us there.
    """

    channel: str
    takes_words: bool = True
    until: datetime | None = None


class Conversation(Struct, frozen=True):
    """What an order's people said and were answered, oldest first. `unanswered_since`: since when somebody waits.

    `answering`: the agent who says that they answer, until `answering_until`; empty: nobody does. `channel`: where an
    answer goes unless another way is named; `locale`: the language of whoever wrote last. `act`: what the caller may do
    now of what is waited for. `ways`: by which channels an answer can go, the usual one first.
    """

    messages: Sequence[ConversationMessage]
    unanswered_since: datetime | None
    answering: str
    answering_until: datetime | None
    channel: str
    locale: str
    prepared: Sequence[PreparedAnswer]
    act: OfferedAct | None
    ways: Sequence[AnswerWay] = ()


class CustomerAnswer(Struct):
    """An agent's answer: `text`, or the prepared answer to the usual question `prepared`.

    `channel`: another way than the customer wrote by. `answering`: nothing is sent; others see for two minutes that
    the caller answers.
    """

    text: str = ""
    prepared: str = ""
    channel: str = ""
    answering: bool = False


class ReplyMove(Struct):
    """The order that a message belongs to."""

    workflow: str
    order_id: str


class Tray(Struct, frozen=True):
    """Conversations in which somebody waits, longest first, and messages for which no order is known."""

    conversations: Sequence[WaitingConversation]
    unmatched: Sequence[WaitingConversation]
