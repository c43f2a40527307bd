"""FastStream with SQLAlchemy: the handler stores the event before it is acknowledged, two tasks send the messages.

Claims, sends and outcomes are processed in batches of a hundred.
"""

import asyncio
import json
from contextlib import suppress
from typing import Any

import aiohttp
import uvloop
from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from faststream.rabbit.annotations import RabbitMessage
from sqlalchemy import BigInteger, Column, DateTime, MetaData, Table, Text, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import create_async_engine

from bench import work
from bench.peers import store

AT_ONCE = 100
SENDERS = 2
metadata = MetaData()
inbox = Table("inbox", metadata, Column("source", Text, primary_key=True), Column("id", Text, primary_key=True))
orders = Table("orders", metadata, Column("id", Text, primary_key=True), Column("workflow", Text), Column("status", Text),
               Column("data", JSONB), Column("updated_at", DateTime(timezone=True)))  # fmt: skip
messages = Table("messages", metadata, Column("id", BigInteger, primary_key=True), Column("order_id", Text), Column("url", Text),
                 Column("form", JSONB), Column("state", Text), Column("lease_until", DateTime(timezone=True)),
                 Column("provider_id", Text), Column("sent_at", DateTime(timezone=True)))  # fmt: skip
receipts = Table("receipts", metadata, Column("message_id", BigInteger), Column("state", Text))

engine = create_async_engine(store.URL, pool_size=20, max_overflow=0)
broker = RabbitBroker(work.AMQP, logger=None, default_channel=Channel(prefetch_count=50))
app = FastStream(broker, logger=None)
waiting = asyncio.Event()
senders: list[asyncio.Task[None]] = []
WAITING = select(messages.c.id).where(messages.c.state == "pending").order_by(messages.c.id).limit(AT_ONCE)
CLAIM = (
    update(messages)
    .where(messages.c.id.in_(WAITING.with_for_update(skip_locked=True).scalar_subquery()))
    .values(state="sending", lease_until=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, store.LEASE_S))
    .returning(messages.c.id, messages.c.url, messages.c.form)
)
SENT = (
    update(messages)
    .where(messages.c.id == bindparam("k"))
    .values(state="sent", provider_id=bindparam("sid"), sent_at=func.now(), lease_until=None)
)


@broker.subscriber(RabbitQueue(work.QUEUE, durable=True), ack_policy=AckPolicy.NACK_ON_ERROR)
async def handle(body: bytes, message: RabbitMessage) -> None:
    event = json.loads(message.body)
    order, data = event["subject"], event["data"]
    kept = {"id": order, "workflow": data["workflow"], "status": data["status"], "data": data}
    rows = [{"order_id": order, "url": url, "form": form} for url, form in work.messages(message.body)]
    async with engine.begin() as tx:
        new = upsert(inbox).values(source=event["source"], id=event["id"]).on_conflict_do_nothing()
        if (await tx.execute(new.returning(inbox.c.id))).first() is None:
            return
        changes = {"status": data["status"], "data": data, "updated_at": func.now()}
        await tx.execute(upsert(orders).values(kept).on_conflict_do_update(index_elements=["id"], set_=changes))
        await tx.execute(insert(messages), rows)
    waiting.set()


async def post(session: aiohttp.ClientSession, row: Any) -> dict[str, Any]:
    async with session.post(row.url, data=row.form) as answer:
        body = await answer.json(content_type=None)
        return {"k": row.id, "sid": body["sid"]}


async def send() -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100)) as session:
        while True:
            async with engine.begin() as tx:
                rows = (await tx.execute(CLAIM)).all()
            if not rows:
                waiting.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(waiting.wait(), 1)
                continue
            sent = await asyncio.gather(*(post(session, row) for row in rows))
            async with engine.begin() as tx:
                await tx.execute(SENT, sent)
                await tx.execute(insert(receipts), [{"message_id": s["k"], "state": "sent"} for s in sent])


@app.after_startup
async def start() -> None:
    senders.extend(asyncio.create_task(send()) for _ in range(SENDERS))


uvloop.run(app.run())
