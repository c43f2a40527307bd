"""A provider refuses us: no message ends by it, people are told once, and all goes out when it works again."""

import json
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import func, select

from service.ledger.escalations.tables import escalation_stream, incidents
from tests.integration.conftest import Caller
from tests.support.client import Client
from tests.support.events import VENDOR, event
from tests.support.providers import ACCOUNT, Sent
from tests.support.world import World

pytestmark = pytest.mark.any_database
SMS_ONLY = {"phone": "+919812345678", "locale": "en"}
SECRET = {"otp": {"value": "481920", "expires": "2026-03-02T08:00:00Z"}}


class Door:
    """A provider that refuses us while it is shut."""

    def __init__(self, world: World, status: int = 401, code: int = 20003, words: str = "Authenticate") -> None:
        self.shut = True
        self._answer = {"code": code, "message": words, "status": status}
        self._status = status
        world.providers.behave = self.behave

    async def behave(self, _sent: Sent) -> web.StreamResponse | None:
        return web.json_response(self._answer, status=self._status) if self.shut else None


async def told(world: World, order: str = "D-1", **more: Any) -> None:
    await world.accept(event(order, "vendor_en_route", recipients={"customer": SMS_ONLY}, assignee=VENDOR, **more))


async def announced(world: World) -> list[tuple[str, str]]:
    """(kind, incident) of what the stream told of incidents of providers, in order."""
    async with world.ledger.reading() as tx:
        query = (
            select(escalation_stream.c.kind, escalation_stream.c.body)
            .where(escalation_stream.c.reason == "provider_refused")
            .order_by(escalation_stream.c.seq)
        )
        rows = await tx.execute(query)
        return [(row.kind, json.loads(row.body)["data"]["escalation_id"]) for row in rows]


async def test_a_message_waits_until_the_account_works_again(world: World, caller: Caller) -> None:
    door = Door(world, words="Authenticate +919812345678")
    await world.accept(event("D-1", "payment_initiated", recipients={"customer": SMS_ONLY}, secrets=SECRET))
    await told(world, "D-2")

    async def is_announced() -> bool:
        return len(await announced(world)) == 1

    await world.until(is_announced, "the incident")
    await world.settled()
    for order in ("D-1", "D-2"):
        states = {m["state"] for m in (await world.view(order))["messages"] if m["channel"] == "sms"}
        assert states <= {"retrying", "pending"}
    client = Client(world, "")
    status, ready = await client.get("/readyz")
    assert (status, ready["status"]) == (200, "degraded")
    assert "20003: Authenticate" in ready["parts"]["provider.sms.twilio:000000"]
    assert "9198" not in json.dumps(ready)
    supervisor = await caller("supervisor")
    status, page = await supervisor.get("/v1/escalations?team=tech")
    (incident,) = [i for i in page["incidents"] if i["reason"] == "provider_refused"]
    assert incident["provider"] == "twilio:000000"
    assert (await supervisor.post(f"/v1/escalations/{incident['id']}/acknowledge", {}))[0] == 200
    assert [k for k, _ in await announced(world)] == ["opened", "acknowledged"]
    asked = len(world.providers.seen)
    await world.move(seconds=31)
    assert len(world.providers.seen) == asked + 1, "one probe"
    door.shut = False
    await world.move(seconds=61)

    async def is_sent() -> bool:
        return {s for o in ("D-1", "D-2") for _, s in await world.messages(o, "sms")} == {"sent"}

    await world.until(is_sent, "all of it goes out as soon as a probe works")
    await world.until(lambda: _ready(client, "ok"), "well again")
    world.clock.advance(seconds=20)

    async def is_over() -> bool:
        return [k for k, _ in await announced(world)] == ["opened", "acknowledged", "resolved"]

    await world.until(is_over)
    assert len({i for _, i in await announced(world)}) == 1
    attempts = [
        h["state"] for m in (await world.view("D-2"))["messages"] for h in m["history"] if m["channel"] == "sms"
    ]
    assert attempts[-1] == "sent"
    await client.close()


async def _ready(client: Client, status: str) -> bool:
    return bool((await client.get("/readyz"))[1]["status"] == status)


async def test_a_country_that_is_not_enabled_holds_back_no_other(world: World) -> None:
    async def only_india(sent: Sent) -> web.StreamResponse | None:
        if sent.to.startswith("+91"):
            return None
        return web.json_response({"code": 21408, "message": "not enabled", "status": 400}, status=400)

    world.providers.behave = only_india
    await world.accept(
        event("D-9", "vendor_en_route", recipients={"customer": {"phone": "+447400123456"}}, assignee=VENDOR)
    )
    await world.settled()
    await told(world)
    await world.settled()
    assert {s for _, s in await world.messages("D-1", "sms")} == {"sent"}
    assert {s for _, s in await world.messages("D-9", "sms")} == {"retrying"}
    assert not world.app.routes["sms"].is_open(world.app.routes["sms"].providers[0])


async def test_one_that_refuses_us_again_soon_is_the_same_incident(world: World) -> None:
    door = Door(world)
    await told(world)

    async def kinds(wanted: list[str]) -> bool:
        return [k for k, _ in await announced(world)] == wanted

    await world.until(lambda: kinds(["opened"]))
    door.shut = False
    await world.move(seconds=31)
    world.clock.advance(seconds=20)
    await world.until(lambda: kinds(["opened", "resolved"]))
    door.shut = True
    await told(world, "D-2")
    await world.until(lambda: kinds(["opened", "resolved", "reminded"]))
    assert len({i for _, i in await announced(world)}) == 1


async def test_a_push_token_outlives_every_answer_but_unregistered(world: World) -> None:
    answers = [(404, {}), (403, {"errorCode": "SENDER_ID_MISMATCH"}), (401, {"errorCode": "THIRD_PARTY_AUTH_ERROR"}),
               (403, {})]  # fmt: skip

    async def refuse(_sent: Sent) -> web.StreamResponse:
        status, detail = answers[len(world.providers.seen) % len(answers)]
        return web.json_response({"error": {"status": "X", "message": "no", "details": [detail]}}, status=status)

    world.providers.behave = refuse
    for n in range(len(answers)):
        person = {"push_tokens": [f"token-{n}"]}
        await world.accept(event(f"P-{n}", "vendor_en_route", recipients={"customer": person}, assignee=VENDOR))
        await world.settled()
        await world.move(seconds=400)
    for n in range(len(answers)):
        view = await world.view(f"P-{n}")
        assert view["recipients"]["customer"][0]["push_tokens"] == (f"token-{n}",)
        assert {m["state"] for m in view["messages"] if m["channel"] == "push"} <= {"retrying", "pending"}
    tokens = world.providers.tokens_given
    assert tokens == 1, "the token of Google is not thrown away"
    world.providers.behave = None
    await world.move(seconds=301)

    async def all_sent() -> bool:
        found = [s for n in range(len(answers)) for _, s in await world.messages(f"P-{n}", "push")]
        return set(found) == {"sent"}

    for _ in range(3):
        await world.move(seconds=301)
    await world.until(all_sent)


async def test_the_second_account_takes_over_and_people_hear_of_the_first(
    parts: dict[str, Any], providers: Any, mailbox: Any
) -> None:
    from tests.support.world import settings_for

    backup = {
        "twilio_backup_account_sid": "AC" + "1" * 32, "twilio_backup_auth_token": "other",
        "twilio_backup_sms_from": "+15005550008", "twilio_backup_base_url": providers.url,
    }  # fmt: skip
    world = World(settings_for(providers, mailbox, **backup, **parts), providers, mailbox)

    async def main_refuses(sent: Sent) -> web.StreamResponse | None:
        if ACCOUNT in str(providers.requests[-1].path):
            return web.json_response({"code": 20003, "message": "Authenticate", "status": 401}, status=401)
        return None

    providers.behave = main_refuses
    await world.start()
    try:
        for n in range(11):
            await told(world, f"B-{n}")
        await world.settled()
        for n in range(11):
            assert {s for _, s in await world.messages(f"B-{n}", "sms")} == {"sent"}
        async with world.ledger.reading() as tx:
            opened = (await tx.execute(select(incidents.c.provider))).scalars().all()
        assert opened == ["twilio:000000"]
    finally:
        await world.close()


async def steps(world: World) -> list[tuple[str, int, int]]:
    """(kind, level, open orders) of what was told of the provider's incident, in order."""
    async with world.ledger.reading() as tx:
        query = (
            select(escalation_stream.c.kind, escalation_stream.c.body)
            .where(escalation_stream.c.reason == "provider_refused")
            .order_by(escalation_stream.c.seq)
        )
        told_of = [(row.kind, json.loads(row.body)["data"]) for row in await tx.execute(query)]
    return [(kind, data["level"], data["open_orders"]) for kind, data in told_of]


async def until_steps(world: World, wanted: list[tuple[str, int]]) -> None:
    found: list[tuple[str, int]] = []

    async def are_told() -> bool:
        found[:] = [(kind, level) for kind, level, _ in await steps(world)]
        return found == wanted

    try:
        await world.until(are_told)
    except AssertionError:
        assert found == wanted
        raise


async def test_nobody_takes_it_and_it_goes_up_the_teams_levels(world: World, caller: Caller) -> None:
    Door(world)
    await told(world)
    await until_steps(world, [("opened", 0)])
    # Tech: levels after 10 and 30 min, a reminder every 30 min.
    await world.move(minutes=9)
    await until_steps(world, [("opened", 0)])
    await world.move(minutes=1, seconds=6)
    await until_steps(world, [("opened", 0), ("reminded", 1)])
    await world.move(minutes=20)
    raised = [("opened", 0), ("reminded", 1), ("reminded", 2)]
    await until_steps(world, raised)
    await world.move(minutes=30)
    raised.append(("reminded", 2))
    await until_steps(world, raised)
    supervisor = await caller("supervisor")
    (incident,) = [
        i
        for i in (await supervisor.get("/v1/escalations?team=tech"))[1]["incidents"]
        if i["reason"] == "provider_refused"
    ]
    assert incident["level"] == 2
    assert (await supervisor.post(f"/v1/escalations/{incident['id']}/snooze", {"minutes": 20}))[0] == 200
    raised.append(("reminded", 2))
    await world.move(minutes=19)
    await until_steps(world, raised)
    await world.move(minutes=1, seconds=6)
    raised.append(("reminded", 2))
    await until_steps(world, raised)
    assert (await supervisor.post(f"/v1/escalations/{incident['id']}/acknowledge", {}))[0] == 200
    raised.append(("acknowledged", 2))
    await world.move(hours=3)
    await until_steps(world, raised)


async def test_promises_that_an_outage_breaks_are_its_incident_and_ring_not_by_themselves(
    world: World, caller: Caller
) -> None:
    door = Door(world)
    orders = [f"D-{n}" for n in range(15)]
    for order in orders:
        secrets = {"otp": {"value": "481920", "expires": "2026-03-02T08:00:00Z"}}
        await world.accept(event(order, "payment_initiated", recipients={"customer": SMS_ONLY}, secrets=secrets))
    await until_steps(world, [("opened", 0)])
    await world.move(minutes=2)

    async def alarms() -> dict[str, int]:
        async with world.ledger.reading() as tx:
            query = (
                select(escalation_stream.c.reason, func.count())
                .where(escalation_stream.c.kind == "opened")
                .group_by(escalation_stream.c.reason)
            )
            return dict((await tx.execute(query)).tuples().all())

    assert await alarms() == {"provider_refused": 1}
    assert {r for o in orders for _, r, s in await world.escalations(o) if s == "open"} == {"customer_not_notified"}
    supervisor = await caller("supervisor")
    page = (await supervisor.get("/v1/escalations?team=tech"))[1]
    assert page["escalations"] == []
    assert [(i["reason"], i["open_orders"]) for i in page["incidents"]] == [("provider_refused", len(orders))]
    # Well again: all is told, and the incident ends with its orders.
    door.shut = False
    await world.move(seconds=61)

    async def are_sent() -> bool:
        return {s for o in orders for _, s in await world.messages(o, "sms")} == {"sent"}

    await world.until(are_sent)
    world.clock.advance(seconds=20)
    await until_steps(world, [("opened", 0), ("resolved", 0)])
    assert await alarms() == {"provider_refused": 1}
    assert {s for o in orders for _, _, s in await world.escalations(o)} == {"resolved"}


async def test_what_an_outage_did_not_break_rings_as_ever(world: World) -> None:
    """A message that is late for another reason, beside an outage: its reader cannot be told, and Tech hears so."""
    Door(world)
    await told(world)
    await until_steps(world, [("opened", 0)])
    expires = "2026-03-02T08:00:00Z"
    nobody = {"customer": {"name": "Asha"}}
    secrets = {"otp": {"value": "481920", "expires": expires}}
    await world.accept(event("N-1", "payment_initiated", recipients=nobody, secrets=secrets))
    await world.move(minutes=2)
    async with world.ledger.reading() as tx:
        query = select(escalation_stream.c.reason).where(
            escalation_stream.c.kind == "opened", escalation_stream.c.body.contains("N-1")
        )
        assert (await tx.execute(query)).scalars().all() == ["customer_not_notified"]
