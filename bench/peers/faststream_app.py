"""FastStream 0.7: a subscriber with a prefetch of 50, as in its documentation."""

import asyncio

import aiohttp
import uvloop
from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from faststream.rabbit.annotations import RabbitMessage

from bench import work

broker = RabbitBroker(work.AMQP, logger=None, default_channel=Channel(prefetch_count=50))
app = FastStream(broker, logger=None)
sessions: list[aiohttp.ClientSession] = []


@app.on_startup
async def open_session() -> None:
    sessions.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100)))


async def post(url: str, form: dict[str, str]) -> None:
    async with sessions[0].post(url, data=form) as answer:
        await answer.read()


@broker.subscriber(RabbitQueue(work.QUEUE, durable=True), ack_policy=AckPolicy.NACK_ON_ERROR)
async def handle(body: bytes, message: RabbitMessage) -> None:
    await asyncio.gather(*(post(url, form) for url, form in work.messages(message.body)))


uvloop.run(app.run())
