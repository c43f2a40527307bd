"""How each contender is fed and started: as separate processes, with the same private broker and databases."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import aio_pika

from bench.peers import store
from bench.processes import ready
from bench.setting import ROOT, Setting
from service.broker.port import INTAKE, SUBJECT_HEADERS, intake_queue
from tests.support.nodes import connect

PEER_PYTHON = ROOT / ".venv-bench" / "bin" / "python"


def event(n: int, run: int) -> dict[str, Any]:
    """An order event that leads to three messages."""
    phone = f"+9198{n % 10**8:08d}"
    return {
        "specversion": "1.0", "id": f"b-{run}-{n}", "source": "/bench", "type": "order.status_changed",
        "subject": f"B-{run}-{n}", "time": datetime.now(UTC).isoformat(),
        "data": {"workflow": "device_pickup", "status": "at_location",
                 "recipients": {"customer": {"name": "Asha", "phone": phone, "whatsapp": phone,
                                             "push_tokens": [f"token-{n}"], "locale": "en"}},
                 "assignee": {"role": "vendor", "id": "v-1", "name": "Ravi"}},
    }  # fmt: skip


class Contender:
    """A peer: one queue, one or two processes."""

    def __init__(self, name: str, command: list[str], queue: str, wrap: str = "") -> None:
        self.name, self._command, self.queue, self._wrap = name, command, queue, wrap
        self.queues = [queue]

    async def feed(self, s: Setting, events: list[dict[str, Any]], delay: float = 0.0) -> dict[str, float]:
        """Publish the events; returns the time of publishing by order."""
        connection = await aio_pika.connect(s.amqp)
        times: dict[str, float] = {}
        async with connection:
            channel = await connection.channel()
            exchange, key = await self._target(channel)
            began = asyncio.get_running_loop().time()
            for n, e in enumerate(events):
                if delay:
                    await asyncio.sleep(max(0.0, began + n * delay - asyncio.get_running_loop().time()))
                import time

                times[e["subject"]] = time.time()
                await exchange.publish(self._message(e), routing_key=key)
        return times

    async def _target(self, channel: Any) -> tuple[Any, str]:
        arguments: dict[str, Any] = {}
        if self._wrap == "dramatiq":
            arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"{self.queue}.XQ"}
        await channel.declare_queue(self.queue, durable=True, arguments=arguments)
        return channel.default_exchange, self.queue

    def _message(self, e: dict[str, Any]) -> aio_pika.Message:
        if self._wrap == "celery":
            headers = {"lang": "py", "task": "bench.order", "id": e["id"], "root_id": e["id"]}
            body = json.dumps([[e], {}, {}]).encode()
            return aio_pika.Message(
                body,
                headers=headers,
                content_type="application/json",
                content_encoding="utf-8",
                delivery_mode=2,
                correlation_id=e["id"],
            )
        if self._wrap == "dramatiq":
            message = {
                "queue_name": self.queue,
                "actor_name": "order",
                "args": [e],
                "kwargs": {},
                "options": {},
                "message_id": e["id"],
                "message_timestamp": 0,
            }
            return aio_pika.Message(json.dumps(message).encode(), delivery_mode=2)
        return aio_pika.Message(
            json.dumps(e).encode(),
            headers={SUBJECT_HEADERS[0]: e["subject"]},
            content_type="application/cloudevents+json",
            delivery_mode=2,
        )

    async def prepare(self, s: Setting) -> None:
        """Nothing to prepare."""

    async def ready(self, s: Setting) -> None:
        """Wait until it consumes; there is no signal for that."""
        await asyncio.sleep(6)

    def environment(self, s: Setting) -> dict[str, str]:
        """The environment of its processes."""
        mine = {"BENCH_AMQP": s.amqp, "BENCH_PROVIDER": s.provider, "BENCH_QUEUE": self.queue}
        return {**os.environ, **mine, "PYTHONPATH": str(ROOT)}

    def start(self, s: Setting) -> list[subprocess.Popen[bytes]]:
        """Start its processes."""
        log = (s.folder / f"{self.name}.log").open("ab")
        return [
            subprocess.Popen(
                self._command, env=self.environment(s), cwd=s.folder, stdout=log, stderr=log, start_new_session=True
            )
        ]


class Durable(Contender):
    """A peer with a database. `driver`: the scheme of its URL."""

    def __init__(self, name: str, command: list[str], queue: str, wrap: str = "", driver: str = "") -> None:
        super().__init__(name, command, queue, wrap)
        self._driver = driver
        self._database = ""

    async def prepare(self, s: Setting) -> None:
        """Create the database and its tables, the first time."""
        if self._database:
            return
        url = await s.postgres.create(self.queue.replace(".", "_"))
        connection = await connect(url)
        await connection.execute(store.SCHEMA)
        await connection.close()
        self._database = url if self._driver else url.replace("+asyncpg", "")

    def environment(self, s: Setting) -> dict[str, str]:
        return {**super().environment(s), "BENCH_DATABASE": self._database}


class Stagebell(Contender):
    """Stagebell with full durability: PostgreSQL, inbox, timeline, clocks, receipts."""

    def __init__(
        self,
        name: str = "stagebell",
        processes: tuple[str, ...] = ("intake,dispatch,clock,relay,web",),
        partitions: int = 1,
    ) -> None:
        super().__init__(name, [], INTAKE)
        self._processes = processes
        self.queues = [intake_queue(n) for n in range(partitions)]

    async def _target(self, channel: Any) -> tuple[Any, str]:
        return await channel.get_exchange("orders"), "order.status_changed"

    def of_process(self, s: Setting, port: int) -> dict[str, str]:
        """The settings of the process on this port."""
        values = {
            "DATABASE_URL": s.database, "BROKER_URL": s.amqp, "WORKFLOWS": str(s.folder / "packs"), "HTTP_PORT": str(port),
            "SECRET_KEY": "a secret key for benches, as long as any", "PUBLIC_URL": "https://t.example", "LOG_FORMAT": "json",
            "TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "x", "TWILIO_SMS_FROM": "+15005550006",
            "TWILIO_WHATSAPP_FROM": "+15005550007", "TWILIO_BASE_URL": s.provider, "FCM_BASE_URL": s.provider,
            "FCM_CREDENTIALS": str(s.credentials), "CONCURRENT_SENDS": "60", "INTAKE_PARTITIONS": str(len(self.queues)),
        }  # fmt: skip
        return {**os.environ, "PYTHONPATH": str(ROOT), **{f"STAGEBELL_{k}": v for k, v in values.items()}}

    async def prepare(self, s: Setting) -> None:
        """Declare the topology and migrate the schema, so that a backlog can be published."""
        process = subprocess.Popen([sys.executable, "-m", "service", "run", "--roles", "relay"], env=self.of_process(s, s.port),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        await ready(s.port)
        process.terminate()
        process.wait(30)

    async def ready(self, s: Setting) -> None:
        for n, _ in enumerate(self._processes):
            await ready(s.port + n)

    def start(self, s: Setting) -> list[subprocess.Popen[bytes]]:
        log = (s.folder / f"{self.name}.log").open("ab")
        return [
            subprocess.Popen([sys.executable, "-m", "service", "run", "--roles", roles], env=self.of_process(s, s.port + i),
                             cwd=s.folder, stdout=log, stderr=log, start_new_session=True)
            for i, roles in enumerate(self._processes)
        ]  # fmt: skip


def acknowledger() -> Contender:
    """Consumes messages and only acknowledges them."""
    return Contender("ack only", [str(PEER_PYTHON), "-m", "bench.peers.ack"], "bench.ack")


def durable_peers() -> list[Contender]:
    """Peers that store the same and give the same guarantees."""
    python = str(PEER_PYTHON)
    celery = _celery("bench.peers.durable_celery")
    return [
        Durable("FastStream + SQLAlchemy", [python, "-m", "bench.peers.durable_faststream"], "bench.faststream.db",
                driver="asyncpg"),
        Durable("procrastinate", [python, "-m", "bench.peers.durable_procrastinate"], "bench.procrastinate.db"),
        Durable("Celery + psycopg", celery, "bench.celery.db", "celery"),
    ]  # fmt: skip


def _celery(app: str) -> list[str]:
    return [str(PEER_PYTHON), "-m", "celery", "-A", app, "worker", "-c", "2", "--without-gossip", "--without-mingle",
            "--without-heartbeat", "-l", "ERROR"]  # fmt: skip


def peers() -> list[Contender]:
    """Peers without durability."""
    python = str(PEER_PYTHON)
    dramatiq = [python, "-m", "dramatiq", "bench.peers.dramatiq_app", "-p", "2", "-t", "8"]
    return [
        Contender("bare loop", [python, "-m", "bench.peers.bare"], "bench.bare"),
        Contender("FastStream", [python, "-m", "bench.peers.faststream_app"], "bench.faststream"),
        Contender("Celery", _celery("bench.peers.celery_app"), "bench.celery", "celery"),
        Contender("Dramatiq", dramatiq, "bench.dramatiq", "dramatiq"),
    ]
