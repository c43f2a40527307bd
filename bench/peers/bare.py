"""Without a framework: aio-pika and aiohttp, prefetch 50, three concurrent POSTs, then an acknowledgement."""

import asyncio

import aio_pika
import aiohttp
import uvloop

from bench import work


async def main() -> None:
    connection = await aio_pika.connect(work.AMQP)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=50)
    queue = await channel.get_queue(work.QUEUE)
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100))

    async def post(url: str, form: dict[str, str]) -> None:
        async with session.post(url, data=form) as answer:
            await answer.read()

    async def handle(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        await asyncio.gather(*(post(url, form) for url, form in work.messages(message.body)))
        await message.ack()

    await queue.consume(handle)
    await asyncio.Event().wait()


uvloop.run(main())
