"""Publishes many messages to RabbitMQ in one write to the socket, with a confirm for each.

The client's `basic_publish` sends one at a time, with a task, a lock and a system call each, which takes two thirds
of the time that a message costs (docs/benchmarks.md).
"""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import uuid4

import aio_pika
import aiormq
from aiormq.abc import ChannelFrame, DeliveredMessage
from aiormq.channel import Channel
from msgspec import Struct
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from service.broker.port import BrokerMessage
from service.broker.rabbitmq_queues import LOST

# AMQP 0-9-1, §4.2.5.3: the maximum length of a short string in bytes.
LONGEST_KEY: Final = 255


class Published(Struct, frozen=True):
    """The result of publishing one message. `error`: why it is not confirmed; empty if it is.

    `is_returned`: it was mandatory, and was routed to no queue.
    """

    error: str = ""
    is_returned: bool = False


async def publish_together(
    channel: Channel, messages: Sequence[BrokerMessage], mandatory: Sequence[bool], timeout_s: float
) -> list[Published]:
    """Publish all of these on a channel with confirms, and wait up to `timeout_s` for the confirms.

    Raises ValueError, before anything is sent, for a routing key that AMQP cannot carry.
    """
    if channel.is_closed:
        # RabbitMQ answers a write to a closed channel by closing the whole connection (AMQP 0-9-1, §2.2.6).
        return [Published("ChannelClosed") for _ in messages]
    confirms: list[asyncio.Future[object]] = []
    ids = [message.message_id or uuid4().hex for message in messages]
    try:
        async with asyncio.timeout(timeout_s):
            async with channel.lock:
                # Confirms count a channel's messages: numbers are assigned in the order in which frames are written.
                written = _written(channel, messages, ids, mandatory)
                for message_id in ids:
                    channel.delivery_tag += 1
                    confirms.append(channel.create_future())
                    channel.confirmations[channel.delivery_tag] = confirms[-1]
                    channel.message_id_delivery_tag[message_id] = channel.delivery_tag
                await channel.write_queue.put(written)
            await asyncio.wait(confirms)
    except LOST as error:
        for confirm in confirms:
            confirm.cancel()
        why = type(error).__name__
        return [_published(confirm, why) for confirm in confirms] or [Published(why) for _ in messages]
    finally:
        for message_id in ids:
            channel.message_id_delivery_tag.pop(message_id, None)
    return [_published(confirm, "") for confirm in confirms]


def _written(
    channel: Channel, messages: Sequence[BrokerMessage], ids: Sequence[str], mandatory: Sequence[bool]
) -> ChannelFrame:
    """The encoded frames of all of these."""
    frames: list[Frame | ContentHeader | ContentBody] = []
    for message, message_id, asks in zip(messages, ids, mandatory, strict=True):
        if len(message.routing_key.encode()) > LONGEST_KEY:
            raise ValueError(f"routing key: {len(message.routing_key)} characters, more than {LONGEST_KEY} bytes")
        properties = aiormq.spec.Basic.Properties(
            headers=dict(message.headers),
            content_type=message.content_type,
            message_id=message_id,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        frames.append(
            aiormq.spec.Basic.Publish(exchange=message.exchange, routing_key=message.routing_key, mandatory=asks)
        )
        frames.append(ContentHeader(properties=properties, body_size=len(message.body)))
        most = channel.max_content_size
        frames += [ContentBody(message.body[n : n + most]) for n in range(0, len(message.body), most)]
    return ChannelFrame.marshall(channel.number, frames)


def _published(confirm: asyncio.Future[object], why: str) -> Published:
    if confirm.cancelled() or not confirm.done():
        return Published(why or "CancelledError")
    if error := confirm.exception():
        return Published(type(error).__name__)
    return Published(is_returned=isinstance(confirm.result(), DeliveredMessage))
