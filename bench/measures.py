"""Measurements of one figure each: throughput, latency, transactions, growth, time to start."""

import asyncio
import contextlib
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import aio_pika
import aiohttp

from bench.contenders import Contender, Stagebell, event
from bench.processes import cpu_of_tree, stop, usage
from bench.setting import Setting
from tests.support.nodes import Postgres, connect, running
from tests.support.past import fill

FILLED_AT_ONCE = 1_000_000
# Time limits for a backlog: for its rate, and for all of it.
LONG_ENOUGH_S = 10.0
WHOLE_S = 150.0
# Warm-up times: after the first message of a backlog, and at a steady rate.
WARM_BACKLOG_S = 2.0
WARM_S = 4


async def stats(s: Setting) -> dict[str, Any]:
    """The provider's counters."""
    async with aiohttp.ClientSession() as session, session.get(f"{s.provider}/stats") as answer:
        found: dict[str, Any] = await answer.json()
        return found


async def reset(s: Setting) -> None:
    """Reset the counters."""
    async with aiohttp.ClientSession() as session:
        await session.post(f"{s.provider}/reset")


async def emptied(c: Contender, s: Setting) -> None:
    """Delete the messages left in its queues."""
    for name in c.queues:
        async with await aio_pika.connect(s.amqp) as connection:
            channel = await connection.channel()
            with contextlib.suppress(aio_pika.exceptions.ChannelNotFoundEntity):
                await (await channel.get_queue(name)).purge()


async def throughput(c: Contender, s: Setting, count: int, at_most_s: float = LONG_ENOUGH_S) -> dict[str, float]:
    """Events a second over a backlog, and CPU of each, from a warm process until the last message at the provider.

    Start-up is measured separately: connections, statements and templates are prepared once. A backlog that takes
    longer than `at_most_s` is abandoned, and the rate is that of the events processed.
    """
    s.runs += 1
    await c.prepare(s)
    await emptied(c, s)
    await c.feed(s, [event(n, s.runs) for n in range(count)])
    await reset(s)
    processes = c.start(s)
    try:
        deadline = time.monotonic() + 150
        while not (await stats(s))["count"] and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        began, before = await stats(s), (usage(processes)[0], cpu_of_tree(s.postgres.process.pid))
        await asyncio.sleep(WARM_BACKLOG_S)
        if (warm := await stats(s))["count"] < 3 * count:  # a short backlog is done by then: it is taken whole
            began, before = warm, (usage(processes)[0], cpu_of_tree(s.postgres.process.pid))
        deadline = time.monotonic() + at_most_s
        while (seen := await stats(s))["count"] < 3 * count and time.monotonic() < deadline:
            await asyncio.sleep(0.3)
        cpu, memory = usage(processes)
        cpu, postgres = cpu - before[0], cpu_of_tree(s.postgres.process.pid) - before[1]
    finally:
        stop(processes)
    seconds = max(0.001, seen["last"] - began["last"])
    done = (seen["count"] - began["count"]) / 3
    if not done:
        print(f"  {c.name}: nothing was sent; see {s.folder}", file=sys.stderr)
    return {
        "events_per_s": done / seconds,
        "cpu_ms_per_event": 1000 * cpu / max(1, done),
        "postgres_ms_per_event": 1000 * postgres / max(1, done),
        "peak_mib": memory,
    }


async def taken_in(c: Stagebell, s: Setting, count: int) -> float:
    """Events a second that are committed, counted in the inbox, as the broker counts delivered messages as gone."""
    s.runs += 1
    await c.prepare(s)
    await emptied(c, s)
    await c.feed(s, [event(n, s.runs) for n in range(count)])
    connection = await connect(s.database)
    before = await connection.fetchval("SELECT count(*) FROM inbox")
    processes = c.start(s)
    first, began, done, deadline = 0, 0.0, 0, time.monotonic() + 150
    try:
        while done < count and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            done = await connection.fetchval("SELECT count(*) FROM inbox") - before
            if done and not began:
                first, began = done, time.monotonic()
                deadline = began + LONG_ENOUGH_S
        return (done - first) / max(0.001, time.monotonic() - began)
    finally:
        stop(processes)
        await connection.close()


async def drained(c: Contender, s: Setting, count: int) -> float:
    """Events a second taken from the queue, whatever their outcome."""
    s.runs += 1
    await c.prepare(s)
    await c.feed(s, [event(n, s.runs) for n in range(count)])
    async with await aio_pika.connect(s.amqp) as connection:
        channel = await connection.channel()

        async def depth() -> int:
            declared = [await channel.declare_queue(queue, passive=True) for queue in c.queues]
            return sum(d.declaration_result.message_count or 0 for d in declared)

        waiting = await depth()
        processes = c.start(s)
        began = 0.0
        try:
            while (left := await depth()) and waiting:
                if left < waiting and not began:
                    began, waiting = time.monotonic(), left
                await asyncio.sleep(0.02)
            return waiting / max(0.001, time.monotonic() - began)
        finally:
            stop(processes)


async def latency(c: Contender, s: Setting, seconds: int, rate: int = 50) -> dict[str, float]:
    """Milliseconds from publishing to the first message at the provider, at a steady rate, after `WARM_S` of it.

    Start-up is measured separately: connections, statements and templates are prepared once.
    """
    s.runs += 1
    await c.prepare(s)
    await emptied(c, s)
    processes = c.start(s)
    try:
        await c.ready(s)
        first, last = rate * WARM_S, rate * (WARM_S + seconds)
        await c.feed(s, [event(n, s.runs) for n in range(first)], delay=1 / rate)
        await asyncio.sleep(1)
        await reset(s)
        published = await c.feed(s, [event(n, s.runs) for n in range(first, last)], delay=1 / rate)
        await asyncio.sleep(2)
        seen = (await stats(s))["times"]
    finally:
        stop(processes)
    waits = sorted(1000 * (seen[o] - at) for o, at in published.items() if o in seen)
    if len(waits) < 10:
        return {"p50_ms": 0.0, "p99_ms": 0.0}
    return {"p50_ms": statistics.median(waits), "p99_ms": waits[int(len(waits) * 0.99)]}


async def round_trips(s: Setting, count: int) -> dict[str, float]:
    """Transactions and statements per event and message, counted by a separate PostgreSQL.

    A statement is a round trip, except for rows of one INSERT or UPDATE, which are sent together.
    """
    with running(Postgres, counting=True) as node:
        assert isinstance(node, Postgres)
        there = replace(s, postgres=node, database=await node.create("counting"))
        connection = await connect(there.database)
        await connection.execute("CREATE EXTENSION pg_stat_statements")
        await throughput(Stagebell(), there, count // 10, at_most_s=WHOLE_S)  # prepares what is prepared once
        await connection.execute("SELECT pg_stat_statements_reset()")
        await throughput(Stagebell(), there, count, at_most_s=WHOLE_S)
        counted = dict(
            await connection.fetchrow(
                "SELECT sum(calls) FILTER (WHERE query ~ '^COMMIT') AS transactions,"
                " sum(calls) FILTER (WHERE query !~ '^(INSERT|UPDATE)') AS other_statements, sum(calls) AS statements"
                " FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )
        await connection.close()
    return {
        f"{what}_{each}": int(n) / count / parts
        for what, n in counted.items()
        for each, parts in (("per_event", 1), ("per_message", 3))
    }


async def grown(s: Setting, count: int, past: int) -> dict[str, float]:
    """Events a second with this many past orders, and with none."""
    empty = await throughput(Stagebell(), s, count)
    # A tenth of them complete, the others minimal, to limit the time for writing them.
    await fill(s.database, past // 10)
    connection = await connect(s.database)
    bare = (
        "INSERT INTO orders (id, workflow, order_id, status, stage, stage_rank, final, created_at, updated_at, sealed_state)"
        " SELECT gen_random_uuid(), 'device_pickup', 'past-' || n, 'completed', 'order_completed', 7, true, now(), now(), '\\x00'"
        " FROM generate_series($1::int, $2::int) n"
    )
    for first in range(past // 10 + 1, past + 1, FILLED_AT_ONCE):
        await connection.execute(bare, first, min(first + FILLED_AT_ONCE - 1, past))
    await connection.execute("ANALYZE orders")
    await connection.close()
    full = await throughput(Stagebell(), s, count)
    return {
        "empty": empty["events_per_s"],
        "full": full["events_per_s"],
        "ratio": full["events_per_s"] / empty["events_per_s"],
    }


async def start_to_ready(s: Setting) -> float:
    """Seconds from starting the process to /readyz."""
    env = Stagebell().of_process(s, s.port)
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "service", "run"], env=env, cwd=s.folder, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
    try:
        async with aiohttp.ClientSession() as session:
            while time.monotonic() - began < 30:
                try:
                    async with session.get(f"http://127.0.0.1:{s.port}/readyz") as answer:
                        if answer.status == 200:
                            return time.monotonic() - began
                except aiohttp.ClientError:
                    await asyncio.sleep(0.02)
    finally:
        stop([process])
    return 30.0
