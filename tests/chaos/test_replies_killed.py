"""What customers say while the service is killed: nothing is lost, nothing counts twice, whoever brings it again."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import aio_pika
import aiohttp
import msgspec
import pytest
from twilio.request_validator import RequestValidator

from service.broker.rabbitmq_topology import Nodes
from tests.support.events import VENDOR, encoded, event, person
from tests.support.process import Process, command, environment
from tests.support.providers import TOKEN, Mailbox, Providers

TRY_AGAIN_S = 0.2
# So many are brought at a time, each until it was taken.
AT_ONCE = 20


async def brought(port: int, number: str, sid: str) -> bool:
    """One delivery, as Twilio makes it, of a tap or of a word by SMS in its turn; whether it was taken."""
    form = {"From": number, "To": "+15005550006", "Body": "Yes, please!", "MessageSid": sid}
    if int(sid.removeprefix("SM")) % 3:
        form |= {"From": f"whatsapp:{number}", "To": "whatsapp:+15005550007", "ButtonPayload": "confirm_price"}
    url = "/callbacks/twilio/inbound"
    signed = RequestValidator(TOKEN).compute_signature("https://track.example" + url, form)
    headers = {"X-Twilio-Signature": signed}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.post(f"http://127.0.0.1:{port}{url}", data=form, headers=headers) as answer,
        ):
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def until_taken(turn: asyncio.Semaphore, port: int, number: str, sid: str) -> None:
    async with turn:
        while not await brought(port, number, sid):
            await asyncio.sleep(TRY_AGAIN_S)
        await brought(port, number, sid)  # and once more, as whoever heard no answer does


async def told(queue: aio_pika.abc.AbstractQueue, orders: int) -> Counter[tuple[str, str]]:
    """What came to the order system, by order and reply: each message once, however often it was published."""
    seen: dict[str, tuple[str, str]] = {}
    async with asyncio.timeout(40 + orders), queue.iterator() as messages:
        async for message in messages:
            await message.ack()
            body = msgspec.json.decode(message.body)
            seen[body["id"]] = (body["subject"], body["data"]["reply"])
            if len({order for order, _ in seen.values()}) >= orders:
                break
    return Counter(seen.values())


@pytest.mark.parametrize(
    ("orders", "kills"), [(3, 2), pytest.param(300, 50, marks=pytest.mark.long)], ids=["short", "long"]
)
async def test_each_reply_reaches_the_order_system_once(
    tmp_path: Path, postgres_url: str, rabbit_url: str, providers: Providers, mailbox: Mailbox, orders: int, kills: int
) -> None:
    env = environment(tmp_path, postgres_url, rabbit_url, providers, mailbox)
    connection = await Nodes([rabbit_url]).open()
    channel = await connection.channel()
    exchange = await channel.declare_exchange("replies", aio_pika.ExchangeType.TOPIC, durable=True)
    queue = await channel.declare_queue("what-customers-say", durable=True)
    await queue.bind(exchange, "reply.device_pickup.#")
    service = Process(tmp_path, env)
    try:
        await service.ready(60)
        lines = [
            encoded(
                event(
                    f"K-{n}",
                    "inspection_completed",
                    datetime.now(UTC),
                    assignee=VENDOR,
                    recipients={"customer": person(n + 1)},
                )
            ).decode()
            for n in range(orders)
        ]
        assert command(tmp_path, env, "publish", "-", stdin="\n".join(lines)).returncode == 0
        async with asyncio.timeout(30 + orders):
            while len([s for s in providers.sent if s.channel == "whatsapp"]) < orders:
                await asyncio.sleep(0.1)
        turn = asyncio.Semaphore(AT_ONCE)
        taps = [
            asyncio.create_task(until_taken(turn, service.port, str(person(n + 1)["whatsapp"]), f"SM{n}"))
            for n in range(orders)
        ]
        died = 0
        for kill in range(kills):
            service.close()
            point = ("replies.before_commit", "replies.after_commit")[kill % 2]
            service = Process(tmp_path, env | {"STAGEBELL_FAILPOINT": f"{point}:{1 + kill // 2 % 12}"})
            async with asyncio.timeout(150):
                while service.process.poll() is None and not all(t.done() for t in taps):
                    await asyncio.sleep(0.1)
            died += service.process.poll() is not None
        if service.process.poll() is not None:
            service.close()
            service = Process(tmp_path, env)
        await asyncio.wait_for(asyncio.gather(*taps), 60 + orders)
        assert died >= kills - 1, "there was something to say in each life"
        assert await told(queue, orders) == Counter({(f"K-{n}", "confirm_price"): 1 for n in range(orders)})
    finally:
        service.close()
        await connection.close()
