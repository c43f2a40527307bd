"""What counts once: POSTs under an `Idempotency-Key`, and doubled clicks, with real HTTP and several processes' ledger."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

from service.ledger.access import idempotency
from service.ledger.access.idempotency import LEASE, Claim, Earlier
from tests.integration.conftest import Caller
from tests.support.client import Client
from tests.support.events import CUSTOMER, VENDOR, event
from tests.support.world import World

ORDER = "/v1/orders/device_pickup/K-1"
LOOKING: dict[str, Any] = {"reason": "looking_into_it", "channels": ["sms"]}


async def begun(world: World) -> None:
    await world.accept(event("K-1", "vendor_en_route", recipients={"customer": CUSTOMER}, assignee=VENDOR))
    await world.settled()


async def told(world: World, client: Client) -> int:
    await world.settled()
    _, order = await client.get(ORDER)
    return sum(m["notice"] == "looking_into_it" for m in order["messages"])


async def keyed(client: Client, path: str, body: Any, key: str) -> tuple[int, str, bool]:
    headers = {**client._headers, "Idempotency-Key": key}
    async with client.session.post(client._base + path, json=body, headers=headers) as response:
        return response.status, await response.text(), response.headers.get("Idempotent-Replayed") == "true"


async def test_the_same_key_replays_the_answer(world: World, caller: Caller) -> None:
    await begun(world)
    agent, other = await caller("agent"), await caller("agent")
    first = await keyed(agent, f"{ORDER}/notices", LOOKING, "k-1")
    assert (first[0], first[2]) == (201, False)
    world.clock.advance(hours=23)
    assert await keyed(agent, f"{ORDER}/notices", LOOKING, "k-1") == (*first[:2], True)
    assert await told(world, agent) == 1
    # Another body, another address: not the same request.
    for path, body in ((f"{ORDER}/notices", {**LOOKING, "channels": ["push"]}), (f"{ORDER}/issues", LOOKING)):
        status, problem, _ = await keyed(agent, path, body, "k-1")
        assert status == 422
        assert "used before for another request" in problem
    # The key is the caller's own, and a day old at most.
    assert (await keyed(other, f"{ORDER}/notices", LOOKING, "k-1"))[::2] == (201, False)
    world.clock.advance(hours=2)
    assert (await keyed(agent, f"{ORDER}/notices", LOOKING, "k-1"))[::2] == (201, False)
    assert await told(world, agent) == 3


async def test_a_refusal_frees_the_key(world: World, caller: Caller) -> None:
    agent = await caller("agent")
    assert (await keyed(agent, f"{ORDER}/notices", LOOKING, "k-2"))[0] == 404
    await begun(world)
    assert (await keyed(agent, f"{ORDER}/notices", {"reason": "nothing"}, "k-2"))[0] == 422
    assert (await keyed(agent, f"{ORDER}/notices", LOOKING, "k-2"))[0] == 201
    for key in ("", "x" * 256):
        assert (await keyed(agent, f"{ORDER}/notices", LOOKING, key))[0] == 400


async def test_every_act_takes_a_key(world: World, caller: Caller) -> None:
    await begun(world)
    admin = await caller("admin")
    issue = {"reason": "app_error", "detail": "the page is white"}
    first = await keyed(admin, f"{ORDER}/issues", issue, "i-1")
    assert (await keyed(admin, f"{ORDER}/issues", issue, "i-1")) == (*first[:2], True)
    _, board = await admin.get("/v1/escalations")
    escalation = board["escalations"][0]["id"]
    for act in ("acknowledge", "comment", "resolve"):
        body = {"comment": "seen"}
        first = await keyed(admin, f"/v1/escalations/{escalation}/{act}", body, f"e-{act}")
        assert first[0] == 200, first
        assert await keyed(admin, f"/v1/escalations/{escalation}/{act}", body, f"e-{act}") == (*first[:2], True)
    _, order = await admin.get(ORDER)
    kinds = Counter(t["kind"] for t in order["timeline"])
    assert kinds["escalation_acknowledged"] == kinds["escalation_resolved"] == 1
    assert kinds["escalation_comment"] == 2, "the words of whoever took it, and those said alone"
    _, document = await admin.get("/openapi.json")
    for path, operations in document["paths"].items():
        if "x-role" in operations.get("post", {}):
            assert any(p["name"] == "Idempotency-Key" for p in operations["post"]["parameters"]), path


async def test_ten_at_once_are_one_message(world: World, caller: Caller) -> None:
    await begun(world)
    agent, other = await caller("agent"), await caller("agent")
    answers = await asyncio.gather(*(agent.post(f"{ORDER}/notices", LOOKING) for _ in range(10)))
    assert {status for status, _ in answers} == {201}
    assert all(answer == answers[0][1] for _, answer in answers)
    assert await told(world, agent) == 1
    # With a key each they are ten wishes; with one key, one.
    keys = await asyncio.gather(*(keyed(agent, f"{ORDER}/notices", LOOKING, "same") for _ in range(10)))
    assert {status for status, _, _ in keys} <= {201, 409}
    assert await told(world, agent) == 2
    # Somebody else's, other channels, or later: another wish.
    await other.post(f"{ORDER}/notices", LOOKING)
    await agent.post(f"{ORDER}/notices", {**LOOKING, "channels": ["push"]})
    world.clock.advance(seconds=11)
    await agent.post(f"{ORDER}/notices", LOOKING)
    assert await told(world, agent) == 5


async def test_an_answer_tells_nothing_of_somebody_erased(world: World, caller: Caller) -> None:
    await begun(world)
    admin = await caller("admin")
    await keyed(admin, f"{ORDER}/notices", LOOKING, "k-3")
    await admin.call("DELETE", f"/v1/people/{CUSTOMER['email']}")
    status, problem, _ = await keyed(admin, f"{ORDER}/notices", LOOKING, "k-3")
    assert status == 409
    assert "erased" in problem
    assert await told(world, admin) == 1


async def test_a_process_that_died_holds_its_key_for_a_lease(world: World) -> None:
    ledger, now = world.ledger, world.clock.now()
    act = idempotency.act_id(ledger.keyring, "caller", "key")
    dead, heir, late = (Claim(act, act.__class__(int=n)) for n in (1, 2, 3))

    async def claim(wanted: Claim, body: bytes, after: timedelta) -> Claim | Earlier:
        async with ledger.transaction() as tx:
            return await idempotency.claim(tx, wanted, body, now + after, timedelta(hours=24))

    asked, other = b"a" * 16, b"b" * 16
    assert await claim(dead, asked, timedelta(0)) == dead
    assert await claim(heir, asked, timedelta(seconds=1)) == Earlier(same_request=True, done=False)
    assert await claim(heir, other, LEASE) == Earlier(same_request=False, done=False)
    assert await claim(heir, asked, LEASE) == heir
    answer = idempotency.KeptResponse(201, b"{}")
    async with ledger.transaction() as tx:
        await idempotency.finish(tx, dead, idempotency.KeptResponse(500, b""))
        await idempotency.finish(tx, heir, answer)
    assert await claim(late, asked, LEASE) == Earlier(same_request=True, done=True, answer=answer)
    async with ledger.transaction() as tx:
        await idempotency.delete_expired(tx, now + timedelta(hours=23))
    assert await claim(late, asked, timedelta(hours=23)) == Earlier(same_request=True, done=True, answer=answer)
    async with ledger.transaction() as tx:
        await idempotency.delete_expired(tx, now + timedelta(hours=26))
    assert await claim(late, other, timedelta(hours=26)) == late
