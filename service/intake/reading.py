"""Messages as intake works on them: each read once, with the digests by which the inbox tells a repeat."""

from collections.abc import Iterable

from msgspec import Struct

from service.domain.errors import Rejection
from service.domain.events import Event
from service.intake.decoding import Incoming, read
from service.intake.replays import replay_opened
from service.keyring import Keyring
from service.ledger.orders import inbox
from service.pacing import breathe


class ReadMessage(Struct, frozen=True):
    """A message and the event in it; without one, `rejection` says why it could not be read.

    `key`: under which the inbox knows it; `content`: a digest of what the event says.
    """

    incoming: Incoming
    key: bytes
    event: Event | None
    rejection: str
    content: bytes | None = None


def read_message(message: Incoming, keyring: Keyring) -> ReadMessage:
    """Read one; what cannot be read is known by its bytes. Raises nothing for bad input."""
    try:
        message = replay_opened(message, keyring)
        event = read(message)
        key = inbox.key_of(keyring, event.source, event.id)
        return ReadMessage(message, key, event, "", inbox.content_of(keyring, event))
    except Rejection as rejection:
        key = keyring.digest("unread", message.body.decode("latin-1"), message.message_id)
        return ReadMessage(message, key, None, rejection.reason)


async def read_messages(messages: Iterable[Incoming], keyring: Keyring) -> list[ReadMessage]:
    """Read all of them, in order; whatever is more urgent may run in between."""
    reads = []
    for message in messages:
        await breathe()
        reads.append(read_message(message, keyring))
    return reads
