"""The queue of dead letters: listing, replaying and dropping them."""

import asyncio
import re
import zlib
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from service.broker.port import (
    AT_HEADER,
    DEAD,
    ORDERS,
    PLACE_HEADER,
    REASON_HEADER,
    ROUTING_KEY_HEADER,
    SUBJECT_HEADERS,
    Broker,
    BrokerLost,
    BrokerMessage,
    Delivery,
    HeldMessages,
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

_OURS: Final = (REASON_HEADER, AT_HEADER, PLACE_HEADER, ROUTING_KEY_HEADER)
# What the broker adds when it gives a message up (RabbitMQ, "Dead Letter Exchanges").
_BROKERS: Final = ("x-death", "x-first-death", "x-last-death", "x-delivery-count", "x-acquired-count")

# How many letters are taken to find their order; no page and no answer shows more.
WINDOW: Final = 500
COUNT_LAGS_S: Final = 0.1
COUNTS: Final = 10

# How deep a person is looked for in what was packed: compressed, then written as text, then put into an event.
_LAYERS: Final = 3
_HEX: Final = re.compile(rb"[0-9a-fA-F\s]{8,}")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_=\-\s]{8,}")
_PLAIN_BASE64: Final = bytes.maketrans(b"-_", b"+/")


class DeadLetter(Struct, frozen=True):
    """One refused message; `number` is its place, from 1, the oldest first; `key` stays the same when others go."""

    number: int
    key: str
    reason: str
    at: str
    type: str
    order_id: str
    routing_key: str
    opened: Incoming


class DeadLetters:
    """The queue of dead letters, in the order in which they were refused.

    RabbitMQ keeps what was looked at before everything else, but mixes up neighbours when many are put back, and all of
    them where whoever looked was cut off (rabbitmq-server, issues 6804 and 10499). So the first `WINDOW` are taken and
    put in order, whoever wants fewer: else a number would name another letter with each look, and a replay would have
    the events of an order overtake each other. No look holds more letters than that in memory, or than its limit where
    that is more, however many wait: 500 letters of the size that publishers send are 2 MB, and 128 MB when each is as
    large as an event may be.
    """

    def __init__(self, broker: Broker, keyring: Keyring) -> None:
        self._broker = broker
        self._keyring = keyring

    async def inspect(self, limit: int) -> list[DeadLetter]:
        """The first letters; they stay where they are. Raises BrokerLost."""
        async with self._first(limit) as taken:
            return [self._letter(i, d) for i, d in enumerate(taken.deliveries[:limit], 1)]

    async def count(self) -> int:
        """How many wait. Raises BrokerLost."""
        return await self._broker.depth(DEAD)

    @asynccontextmanager
    async def _first(self, limit: int) -> AsyncIterator[HeldMessages]:
        """So many at least, in order; what is not removed goes back in that order."""
        taken = await self._oldest(max(limit, WINDOW))
        try:
            yield taken
        finally:
            await taken.close()

    async def _oldest(self, most: int) -> HeldMessages:
        taken = await self._broker.take(DEAD, most)
        taken.deliveries.sort(key=_since)
        return taken

    def _letter(self, number: int, delivery: Delivery) -> DeadLetter:
        headers = delivery.headers
        opened = self._opened(delivery)
        attributes = _attributes(opened)
        return DeadLetter(
            number=number,
            key=self._key(delivery),
            reason=str(headers.get(REASON_HEADER) or _broker_reason(headers)),
            at=_at(delivery),
            type=str(attributes.get("type", "")),
            order_id=str(attributes.get("subject", "")),
            routing_key=_routing_key(delivery),
            opened=opened,
        )

    def _opened(self, delivery: Delivery) -> Incoming:
        """The message as it came to us."""
        message = incoming(delivery)
        kept = {k: v for k, v in message.headers.items() if k not in _OURS and not k.startswith(_BROKERS)}
        message = structs.replace(message, headers=kept, routing_key=_routing_key(delivery))
        # What the broker itself gave up is as its publisher wrote it, whatever it says of being sealed.
        return message if "x-death" in delivery.headers else opened_dead_letter(message, self._keyring)

    def _key(self, delivery: Delivery) -> str:
        at = str(delivery.headers.get(AT_HEADER, ""))
        return self._keyring.digest("letter", delivery.message_id, at, delivery.body.decode("latin-1"))[:8].hex()

    async def replay(self, numbers: AbstractSet[int], limit: int, key: str = "") -> int:
        """Hand these to intake again as they came, each removed once that is confirmed; how many. Raises BrokerLost.

        With a `key` only the letter that has it, as places in the queue change when others are dealt with. What is
        handed in is sealed as a whole, for nobody but us.
        """
        async with self._first(limit) as taken:
            return await self._replay(taken, self._meant(taken, numbers, key))

    async def drop(self, numbers: AbstractSet[int], limit: int, key: str = "") -> int:
        """Remove these; with a `key` only the letter that has it. Raises BrokerLost."""
        async with self._first(limit) as taken:
            return await _remove(taken, self._meant(taken, numbers, key))

    async def replay_all(self, most: int) -> int:
        """Hand so many to intake again, the oldest first; how many. Raises BrokerLost."""
        return await self._in_windows(self._replay, most)

    async def drop_all(self, most: int) -> int:
        """Remove so many, the oldest first; how many. Raises BrokerLost."""
        return await self._in_windows(_remove, most)

    async def _in_windows(self, act: Callable[[HeldMessages, Sequence[Delivery]], Awaitable[int]], most: int) -> int:
        # Those that wait now: what is refused again comes behind them.
        left, done = min(most, await self._settled_count()), 0
        while done < left:
            async with self._first(WINDOW) as taken:
                count = await act(taken, taken.deliveries[: left - done])
            if not count:
                break
            done += count
        return done

    async def _settled_count(self) -> int:
        """How many wait, once that stays so: RabbitMQ's count lags behind what was put back a moment ago."""
        now = await self.count()
        for _ in range(COUNTS):
            await asyncio.sleep(COUNT_LAGS_S)
            before, now = now, await self.count()
            if now == before:
                break
        return now

    async def _replay(self, taken: HeldMessages, chosen: Sequence[Delivery]) -> int:
        for delivery in chosen:
            if not (await self._broker.publish([self._replay_of(delivery)]))[0]:
                raise BrokerLost("the broker did not confirm; the letter stays")
            await taken.remove(delivery)
        return len(chosen)

    def _meant(self, taken: HeldMessages, numbers: AbstractSet[int], key: str) -> list[Delivery]:
        named = (d for i, d in enumerate(taken.deliveries, 1) if i in numbers)
        return [d for d in named if key in ("", self._key(d))]

    def _replay_of(self, delivery: Delivery) -> BrokerMessage:
        opened = self._opened(delivery)
        body = sealed_dead_letter(opened, self._keyring, REPLAY)
        routing_key = _routing_key(delivery) or "order.replayed"
        # So that it comes by the partition by which it came, and the other events of its order come.
        partition = {name: opened.headers[name] for name in SUBJECT_HEADERS if name in opened.headers}
        return BrokerMessage(ORDERS, routing_key, body, delivery.message_id, REPLAY_TYPE, partition)

    async def forget(self, traces: Traces) -> int:
        """Drop the letters that name this person, however far back; how many. Raises BrokerLost."""
        count = 0
        read: list[HeldMessages] = []
        try:
            while True:
                read.append(taken := await self._oldest(WINDOW))
                if not taken.deliveries:
                    break
                count += await _remove(taken, [d for d in taken.deliveries if names(self._opened(d), traces)])
                # All are held until the last was read, but not what they say.
                taken.deliveries = [structs.replace(d, body=b"", headers={}) for d in taken.deliveries]
        finally:
            for taken in read:
                await taken.close()
        return count

    def waiting_names(self, message: OutboxMessage, traces: Traces) -> bool:
        """Whether a letter that still waits in the outbox names this person."""
        letter = Incoming(message.body, message.content_type, None, message.headers, message_id=message.message_id)
        return names(opened_dead_letter(letter, self._keyring), traces)


async def _remove(taken: HeldMessages, chosen: Sequence[Delivery]) -> int:
    for delivery in chosen:
        await taken.remove(delivery)
    return len(chosen)


def names(message: Incoming, traces: Traces) -> bool:
    """Whether what was refused names the person, in whichever coding it came."""
    if traces.named_in(dict(message.headers), exactly=True):
        return True
    return any(traces.named_in(reading, exactly=True) for reading in _readings(message.body))


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


def _at(delivery: Delivery) -> str:
    """When it was refused, or given up by the broker, which says so itself; UTC."""
    since = _death(delivery.headers).get("time")
    return str(delivery.headers.get(AT_HEADER) or (since.isoformat() if isinstance(since, datetime) else ""))


def _since(delivery: Delivery) -> tuple[str, int]:
    """What the letters are ordered by: the moment, and their places where that is the same."""
    place = str(delivery.headers.get(PLACE_HEADER, ""))
    return _at(delivery), int(place) if place.isdecimal() else 0


def _broker_reason(headers: Mapping[str, Any]) -> str:
    death = _death(headers)
    return f"given up by the broker: {death.get('reason', 'unknown')}" if death else "unknown"


def _death(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The latest of what the broker wrote when it gave the message up; empty when it did not."""
    deaths = headers.get("x-death")
    return deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}


def _attributes(message: Incoming) -> JsonObject:
    found = attributes_of(message.headers)
    try:
        body = msgspec.json.decode(message.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return found
    return {**found, **body} if isinstance(body, dict) and "type" in body else found
