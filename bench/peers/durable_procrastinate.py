"""aio-pika in, procrastinate out: event, order, messages and a job for them are written in one transaction."""

import asyncio
import json

import aio_pika
import aiohttp
import uvloop
from procrastinate import App, PsycopgConnector
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from bench import work
from bench.peers import store

app = App(connector=PsycopgConnector(conninfo=store.URL, min_size=4, max_size=20))
sessions: list[aiohttp.ClientSession] = []
pools: list[AsyncConnectionPool] = []


async def post(url: str, form: dict[str, str]) -> str:
    async with sessions[0].post(url, data=form) as answer:
        body = await answer.json(content_type=None)
        return str(body["sid"])


@app.task(name="send", retry=5)
async def send(order: str) -> None:
    async with pools[0].connection() as tx:
        rows = await (await tx.execute(store.BEGIN_ORDERS, (order,))).fetchall()
    sids = await asyncio.gather(*(post(url, form) for _, url, form in rows))
    async with pools[0].connection() as tx, tx.cursor() as cursor:
        await cursor.executemany(store.SENT, [(sid, row[0]) for sid, row in zip(sids, rows, strict=True)])
        await cursor.executemany(store.RECEIPT, [(row[0],) for row in rows])


async def handle(message: aio_pika.abc.AbstractIncomingMessage) -> None:
    event = json.loads(message.body)
    order, data = event["subject"], event["data"]
    async with pools[0].connection() as tx, tx.cursor() as cursor:
        await cursor.execute(store.TAKE_IN, (event["source"], event["id"]))
        if await cursor.fetchone():
            await cursor.execute(store.KEEP_ORDER, (order, data["workflow"], data["status"], Jsonb(data)))
            rows = [(order, url, Jsonb(form)) for url, form in work.messages(message.body)]
            await cursor.executemany(store.KEEP_MESSAGE, rows)
            await send.configure(connection=tx).defer_async(order=order)
    await message.ack()


async def main() -> None:
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100)) as session,
        AsyncConnectionPool(store.URL, min_size=4, max_size=20) as pool,
        app.open_async(),
    ):
        sessions.append(session)
        pools.append(pool)
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        connection = await aio_pika.connect(work.AMQP)
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=50)
        await (await channel.get_queue(work.QUEUE)).consume(handle)
        await app.run_worker_async(concurrency=50, delete_jobs="successful")


uvloop.run(main())
