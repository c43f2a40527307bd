"""A consumer that only acknowledges, for comparison with intake."""

import asyncio

import aio_pika
import uvloop

from bench import work


async def main() -> None:
    connection = await aio_pika.connect(work.AMQP)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=200)
    queue = await channel.get_queue(work.QUEUE)
    await queue.consume(lambda message: message.ack())
    await asyncio.Event().wait()


uvloop.run(main())
