"""What customers choose on their page: for the person, in orders under way and new ones, stronger than what events say."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.integration.conftest import Caller
from tests.integration.test_replies import ASHA, say, stored, told
from tests.integration.test_tracking_replies import link, page
from tests.support.events import event, minutes
from tests.support.world import World

pytestmark = pytest.mark.any_database


async def choose(world: World, path: str, **form: Any) -> str:
    fields = [(name, v) for name, value in form.items() for v in (value if isinstance(value, list) else [value])]
    async with ClientSession() as session, session.post(f"{world.http}{path}/preferences", data=fields) as answer:
        assert answer.status == 200
        return await answer.text()


async def is_now(state: Callable[[], Awaitable[str]], wanted: str) -> bool:
    return await state() == wanted


async def sent(world: World, order_id: str) -> list[tuple[str, str, str]]:
    messages = (await world.view(order_id))["messages"]
    return [(m["notice"], m["channel"], m["locale"]) for m in messages if m["state"] == "sent"]


async def test_channels_language_and_kinds_hold_for_the_person_everywhere(world: World, caller: Caller) -> None:
    await told(world, "O-1", "created", locale="en", channels=["sms", "whatsapp"])
    path = await link(world, caller, "O-1")
    status, text = await page(world, f"{path}/preferences")
    assert status == 200
    assert 'value="whatsapp" checked' in text
    every = ["order_created", "vendor_assigned", "vendor_en_route", "final_price_ready", "payment_completed"]
    after = await choose(world, path, channels="whatsapp", locale="hi", kinds=every)
    assert "सहेजा गया" in after or "Saved" in after
    await told(world, "O-1", "vendor_en_route", channels=["sms"])
    assert ("vendor_en_route", "whatsapp", "hi") in await sent(world, "O-1")
    assert ("vendor_en_route", "sms", "hi") not in await sent(world, "O-1")
    await told(world, "O-1", "at_location")
    assert "vendor_arrived" not in {n for n, *_ in await sent(world, "O-1")}, "muted"
    world.clock.advance(seconds=3)
    await told(world, "N-1", "created", phone="098123 45678")
    assert await sent(world, "N-1") == [("order_created", "whatsapp", "hi")], "in a new order, too"
    code = {"otp": {"value": "481920", "expires": "2099-01-01T00:00:00Z"}}
    await world.accept(event("N-1", "payment_initiated", world.clock.now(), secrets=code))


async def test_quiet_hours_of_their_own_let_codes_through(world: World, caller: Caller) -> None:
    await told(world, "O-1", "created", timezone="UTC", channels=["sms"])
    path = await link(world, caller, "O-1")
    now = world.clock.now()
    begins, ends = f"{now:%H}:00", f"{(now + minutes(120)):%H}:00"
    await choose(world, path, channels=["sms", "whatsapp"], quiet_from=begins, quiet_to=ends, kinds="vendor_en_route")
    person = (await stored(world, "O-1")).recipients["customer"][0]
    assert person.wishes is not None
    assert person.wishes.quiet == (begins, ends)
    await world.accept(event("O-1", "vendor_en_route", now))
    waiting = [m for m in (await world.view("O-1"))["messages"] if m["notice"] == "vendor_en_route"]
    assert {m["state"] for m in waiting if m["channel"] == "sms"} == {"pending"}
    code = {"otp": {"value": "481920", "expires": (now + minutes(9)).isoformat()}}
    await world.accept(event("O-1", "payment_initiated", now + minutes(0.1), secrets=code))
    await world.until(lambda: any("481920" in s.text for s in world.providers.of("sms")), "the code")


async def test_what_waited_until_quiet_hours_began_goes_out_after_them(world: World, caller: Caller) -> None:
    """However it waited: it is claimed as ever, held back by somebody or turned away by its provider before."""
    await told(world, "O-1", "created", timezone="UTC", channels=["sms"])
    path = await link(world, caller, "O-1")
    now, supervisor = world.clock.now(), await caller("supervisor")
    begins, ends = (f"{now + minutes(n):%H}:00" for n in (60, 180))
    await choose(world, path, channels=["sms"], quiet_from=begins, quiet_to=ends, kinds="vendor_en_route")
    hold = (await supervisor.post("/v1/holds", {"channel": "sms"}))[1]["id"]
    await world.until(lambda: not world.app.holds.is_empty, "held")
    await told(world, "O-1", "vendor_en_route")

    async def state() -> str:
        messages = (await world.view("O-1"))["messages"]
        return str(next(m["state"] for m in messages if (m["notice"], m["channel"]) == ("vendor_en_route", "sms")))

    await world.until(lambda: is_now(state, "held"), "held")
    world.clock.advance(minutes=90)
    assert (await supervisor.call("DELETE", f"/v1/holds/{hold}"))[0] == 204
    await world.until(lambda: is_now(state, "pending"), "released, and at rest")
    await world.settled()
    assert await state() == "pending"
    world.clock.advance(minutes=120)
    await world.until(lambda: is_now(state, "sent"), "they are over")


async def test_who_is_erased_chose_nothing(world: World, caller: Caller) -> None:
    await told(world, "O-1", "created")
    await choose(world, await link(world, caller, "O-1"), channels="whatsapp")
    admin = await caller("admin")
    status, done = await admin.call("DELETE", "/v1/people/%2B919812345678")
    assert status == 200
    assert done["erased"]["preferences"] == 1
    await told(world, "O-2", "created")
    assert ("order_created", "sms", "en") in await sent(world, "O-2")
    assert ASHA


async def test_quiet_hours_that_are_none_are_asked_for_again_and_nothing_is_kept(world: World, caller: Caller) -> None:
    await told(world, "O-1", "created", locale="en", channels=["sms"])
    path = await link(world, caller, "O-1")
    every = {"channels": "sms", "locale": "en"}
    for quiet in ({"quiet_from": "22:00"}, {"quiet_from": "22:00", "quiet_to": "22:00"}, {"quiet_to": "25:00"}):
        async with ClientSession() as session, session.post(f"{world.http}{path}/preferences", data=every | quiet) as a:
            text = await a.text()
        assert (a.status, 'role="alert"' in text, 'value="22:00"' in text) == (422, True, "quiet_from" in quiet)
        assert (await stored(world, "O-1")).recipients["customer"][0].wishes is None
    after = await choose(world, path, **every, quiet_from="22:00:00", quiet_to="06:30:00")
    assert "Saved" in after
    person = (await stored(world, "O-1")).recipients["customer"][0]
    assert person.wishes is not None
    assert person.wishes.quiet == ("22:00", "06:30")


async def test_what_was_ended_is_shown_as_ended_and_mail_begins_again_when_it_is_ticked(
    world: World, caller: Caller
) -> None:
    people = {"customer": {"name": "Asha", "phone": ASHA, "email": "asha@example.com", "locale": "en"}}
    await world.accept(event("O-1", "created", recipients=people))
    await world.settled()
    path = await link(world, caller, "O-1")
    unsubscribe = (
        str(world.mailbox.mails[-1].message["List-Unsubscribe"]).strip("<>").removeprefix("https://track.example")
    )
    async with ClientSession() as session:
        for method in ("HEAD", "GET"):
            async with session.request(method, world.http + unsubscribe) as looked:
                assert looked.status == 200
        assert 'value="email" checked' in (await page(world, f"{path}/preferences"))[1], "a look ends nothing"
        async with session.post(world.http + unsubscribe, data={"List-Unsubscribe": "One-Click"}) as ended:
            assert ended.status == 200
    await say(world, "STOP", sid="SM1")
    _, text = await page(world, f"{path}/preferences")
    assert 'value="email">' in text
    assert 'value="sms" disabled' in text, "only START begins it again"
    await choose(world, path, channels="email", locale="en")
    _, text = await page(world, f"{path}/preferences")
    assert 'value="email" checked' in text
    await say(world, "START", sid="SM2")
    assert 'value="sms" checked' in (await page(world, f"{path}/preferences"))[1], "saving did not unwish it"
