"""The dead letters: what was refused, why, and another try after the mend."""

import re
import zlib
from base64 import b64decode
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Struct

from service.broker.port import (
    AT_HEADER,
    DEAD,
    ORDERS,
    REASON_HEADER,
    ROUTING_KEY_HEADER,
    SUBJECT_HEADERS,
    Broker,
    BrokerLost,
    Delivery,
    Message,
)
from service.domain.erasure import Traces
from service.domain.events import MAX_BODY_BYTES
from service.domain.json_object import JsonObject
from service.intake.cloudevents import attributes_of
from service.intake.decoding import Incoming
from service.intake.loop import incoming
from service.intake.replays import REPLAY, REPLAY_TYPE, opened_dead_letter, sealed_dead_letter
from service.keyring import Keyring
from service.ledger.messages.outbox import OutboxMessage

_OURS: Final = (REASON_HEADER, AT_HEADER, ROUTING_KEY_HEADER)
# What the broker adds when it gives a message up (RabbitMQ, "Dead Letter Exchanges").
_BROKERS: Final = ("x-death", "x-first-death", "x-last-death", "x-delivery-count", "x-acquired-count")

# How deep a person is looked for in what was packed: compressed, then written as text, then put into an event.
_LAYERS: Final = 3
_HEX: Final = re.compile(rb"[0-9a-fA-F\s]{8,}")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_=\-\s]{8,}")
_PLAIN_BASE64: Final = bytes.maketrans(b"-_", b"+/")


class DeadLetter(Struct, frozen=True):
    """One refused message; `number` is its place in the queue, from 1, `key` stays the same when others go."""

    number: int
    key: str
    reason: str
    at: str
    type: str
    order_id: str
    routing_key: str
    opened: Incoming


class DeadLetters:
    """The queue of dead letters."""

    def __init__(self, broker: Broker, keyring: Keyring) -> None:
        self._broker = broker
        self._keyring = keyring

    async def look(self, limit: int) -> list[DeadLetter]:
        """The first letters; they stay where they are. Raises BrokerLost."""
        taken = await self._broker.take(DEAD, limit)
        try:
            return [self._letter(i, d) for i, d in enumerate(taken.deliveries, 1)]
        finally:
            await taken.close()

    def _letter(self, number: int, delivery: Delivery) -> DeadLetter:
        headers = delivery.headers
        opened = self._opened(delivery)
        attributes = _attributes(opened)
        return DeadLetter(
            number=number,
            key=self._key(delivery),
            reason=str(headers.get(REASON_HEADER) or _broker_reason(headers)),
            at=str(headers.get(AT_HEADER, "")),
            type=str(attributes.get("type", "")),
            order_id=str(attributes.get("subject", "")),
            routing_key=_routing_key(delivery),
            opened=opened,
        )

    def _opened(self, delivery: Delivery) -> Incoming:
        """The message as it came to us."""
        message = incoming(delivery)
        kept = {k: v for k, v in message.headers.items() if k not in _OURS and not k.startswith(_BROKERS)}
        message = msgspec.structs.replace(message, headers=kept, routing_key=_routing_key(delivery))
        # What the broker itself gave up is as its publisher wrote it, whatever it says of being sealed.
        return message if "x-death" in delivery.headers else opened_dead_letter(message, self._keyring)

    def _key(self, delivery: Delivery) -> str:
        at = str(delivery.headers.get(AT_HEADER, ""))
        return self._keyring.digest("letter", delivery.message_id, at, delivery.body.decode("latin-1"))[:8].hex()

    def _is_meant(self, number: int, delivery: Delivery, numbers: AbstractSet[int] | None, key: str) -> bool:
        return (numbers is None or number in numbers) and key in ("", self._key(delivery))

    async def replay(self, numbers: AbstractSet[int] | None, limit: int, key: str = "") -> int:
        """Hand these (None: all) to intake again as they came, each removed once that is confirmed; how many.

        With a `key` only the letter that has it, as places in the queue change when others are dealt with. What is
        handed in is sealed as a whole, for nobody but us.
        """
        taken = await self._broker.take(DEAD, limit)
        count = 0
        try:
            for number, delivery in enumerate(taken.deliveries, 1):
                if not self._is_meant(number, delivery, numbers, key):
                    continue
                if not (await self._broker.publish([self._replay_of(delivery)]))[0]:
                    raise BrokerLost("the broker did not confirm; the letter stays")
                await taken.remove(delivery)
                count += 1
        finally:
            await taken.close()
        return count

    def _replay_of(self, delivery: Delivery) -> Message:
        opened = self._opened(delivery)
        body = sealed_dead_letter(opened, self._keyring, REPLAY)
        routing_key = _routing_key(delivery) or "order.replayed"
        # So that it comes by the partition by which it came, and the other events of its order come.
        partition = {name: opened.headers[name] for name in SUBJECT_HEADERS if name in opened.headers}
        return Message(ORDERS, routing_key, body, delivery.message_id, REPLAY_TYPE, partition)

    async def drop(self, numbers: AbstractSet[int] | None, limit: int, key: str = "") -> int:
        """Remove these (None: all); with a `key` only the letter that has it."""
        taken = await self._broker.take(DEAD, limit)
        try:
            chosen = [d for i, d in enumerate(taken.deliveries, 1) if self._is_meant(i, d, numbers, key)]
            for delivery in chosen:
                await taken.remove(delivery)
        finally:
            await taken.close()
        return len(chosen)

    async def forget(self, traces: Traces) -> int:
        """Drop the letters that name this person; how many. Raises BrokerLost."""
        taken = await self._broker.take(DEAD, await self._broker.depth(DEAD))
        try:
            theirs = [d for d in taken.deliveries if names(self._opened(d), traces)]
            for delivery in theirs:
                await taken.remove(delivery)
        finally:
            await taken.close()
        return len(theirs)

    def waiting_names(self, message: OutboxMessage, traces: Traces) -> bool:
        """Whether a letter that still waits in the outbox names this person."""
        letter = Incoming(message.body, message.content_type, None, message.headers, message_id=message.message_id)
        return names(opened_dead_letter(letter, self._keyring), traces)


def names(message: Incoming, traces: Traces) -> bool:
    """Whether what was refused names the person, in whichever coding it came."""
    if traces.named_in(dict(message.headers), exactly=True):
        return True
    return any(traces.named_in(said, exactly=True) for said in _readings(message.body))


def _readings(body: bytes, layers: int = _LAYERS) -> Iterator[Any]:
    """What the bytes may say: as text of the usual codings, and what is packed in them."""
    for coding in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        text = body.decode(coding, "replace")
        try:
            yield msgspec.json.decode(text.lstrip("\ufeff"))
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            yield text
    if layers:
        for inner in _packed_in(body):
            yield from _readings(inner, layers - 1)


def _packed_in(body: bytes) -> Iterator[bytes]:
    """What the bytes are when inflated, or read as base64 or hexadecimal, alone or as an event's `data_base64`."""
    with suppress(zlib.error):
        # As much as an event may have; whatever is longer was never taken.
        yield zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, MAX_BODY_BYTES)
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = msgspec.json.decode(body)
        inner = document.get("data_base64") if isinstance(document, dict) else document
        if isinstance(inner, str):
            body = inner.encode()
    with suppress(ValueError):
        if _HEX.fullmatch(body):
            yield bytes.fromhex(body.decode())
        elif _BASE64.fullmatch(body):
            bare = b"".join(body.translate(_PLAIN_BASE64, b"=").split())
            yield b64decode(bare + b"=" * (-len(bare) % 4))


def _routing_key(delivery: Delivery) -> str:
    return str(delivery.headers.get(ROUTING_KEY_HEADER) or delivery.routing_key)


def _broker_reason(headers: Any) -> str:
    deaths = headers.get("x-death")
    if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict):
        return f"given up by the broker: {deaths[0].get('reason', 'unknown')}"
    return "unknown"


def _attributes(message: Incoming) -> JsonObject:
    found = attributes_of(message.headers)
    try:
        body = msgspec.json.decode(message.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return found
    return {**found, **body} if isinstance(body, dict) and "type" in body else found
