"""The dead letters: what was refused, why, and another try after the mend."""

from collections.abc import Set as AbstractSet
from typing import Any

import msgspec
from msgspec import Struct

from service.broker.port import (
    AT_HEADER,
    DEAD,
    ORDERS,
    REASON_HEADER,
    ROUTING_KEY_HEADER,
    Broker,
    BrokerLost,
    Delivery,
    Message,
)
from service.intake.reading import opened_body
from service.keyring import Keyring

_OURS = (REASON_HEADER, AT_HEADER, ROUTING_KEY_HEADER)


class DeadLetter(Struct, frozen=True):
    """One refused message; `number` is its place in the queue, from 1, `key` stays the same when others go."""

    number: int
    key: str
    reason: str
    at: str
    type: str
    order_id: str
    routing_key: str
    opened: bytes


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
        attributes = _attributes(delivery)
        return DeadLetter(
            number=number,
            key=self._key(delivery),
            reason=str(headers.get(REASON_HEADER) or _broker_reason(headers)),
            at=str(headers.get(AT_HEADER, "")),
            type=str(attributes.get("type", "")),
            order_id=str(attributes.get("subject", "")),
            routing_key=_routing_key(delivery),
            opened=opened_body(delivery.body, self._keyring),
        )

    def _key(self, delivery: Delivery) -> str:
        at = str(delivery.headers.get(AT_HEADER, ""))
        return self._keyring.digest("letter", delivery.message_id, at, delivery.body.decode("latin-1"))[:8].hex()

    def _is_meant(self, number: int, delivery: Delivery, numbers: AbstractSet[int] | None, key: str) -> bool:
        return (numbers is None or number in numbers) and key in ("", self._key(delivery))

    async def replay(self, numbers: AbstractSet[int] | None, limit: int, key: str = "") -> int:
        """Publish these (None: all) to the orders exchange, each removed once that is confirmed.

        With a `key` only the letter that has it, as places in the queue change when others are dealt with.
        """
        taken = await self._broker.take(DEAD, limit)
        count = 0
        try:
            for number, delivery in enumerate(taken.deliveries, 1):
                if not self._is_meant(number, delivery, numbers, key):
                    continue
                headers = {k: v for k, v in delivery.headers.items() if k not in _OURS and not k.startswith("x-death")}
                headers = {k: v for k, v in headers.items() if not k.startswith("x-first-death")}
                key = _routing_key(delivery) or "order.replayed"
                message = Message(ORDERS, key, delivery.body, delivery.message_id, delivery.content_type, headers)
                if not (await self._broker.publish([message]))[0]:
                    raise BrokerLost("the broker did not confirm; the letter stays")
                await taken.remove(delivery)
                count += 1
        finally:
            await taken.close()
        return count

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


def _routing_key(delivery: Delivery) -> str:
    return str(delivery.headers.get(ROUTING_KEY_HEADER) or delivery.routing_key)


def _broker_reason(headers: Any) -> str:
    deaths = headers.get("x-death")
    if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict):
        return f"given up by the broker: {deaths[0].get('reason', 'unknown')}"
    return "unknown"


def _attributes(delivery: Delivery) -> dict[str, Any]:
    found = {
        k.lower().replace("cloudevents:", "").replace("cloudevents_", "").replace("ce-", ""): v
        for k, v in delivery.headers.items()
    }
    try:
        body = msgspec.json.decode(delivery.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return found
    return {**found, **body} if isinstance(body, dict) and "type" in body else found
