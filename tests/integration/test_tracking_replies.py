"""The customer's page: what it says, what may be tapped on it, and what an agent answered; a price confirmed four ways."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from service.broker.port import REPLIES, BrokerMessage
from service.domain.conversation import ANSWER
from tests.integration.conftest import Caller
from tests.integration.test_replies import said, say, told
from tests.support.events import VENDOR, event, minutes
from tests.support.world import World

pytestmark = pytest.mark.any_database

PRICE = {"amount": "12500.00", "currency": "INR"}


async def link(world: World, caller: Caller, order_id: str) -> str:
    agent = await caller("agent")
    _, body = await agent.get(f"/v1/orders/device_pickup/{order_id}/link")
    return str(body["url"]).removeprefix("https://track.example")


async def page(world: World, path: str, **options: Any) -> tuple[int, str]:
    async with ClientSession() as session, session.get(world.http + path, **options) as answer:
        return answer.status, await answer.text()


async def tap(world: World, path: str, text: str, reply: str) -> tuple[int, str]:
    """Press the button of this reply on a page that was shown."""
    action = f'action="{path}/replies/{reply}"><input type="hidden" name="form" value="'
    assert action in text, text
    form = text.partition(action)[2].partition('"')[0]
    async with (
        ClientSession() as session,
        session.post(f"{world.http}{path}/replies/{reply}", data={"form": form}) as a,
    ):
        return a.status, await a.text()


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, world: World) -> list[tuple[str, str, str]]:
    """What goes to the exchange `replies`: order, reply, channel."""
    found: list[tuple[str, str, str]] = []
    publish = world.app.broker.publish

    async def seen(messages: Sequence[BrokerMessage]) -> list[bool]:
        bodies = [msgspec.json.decode(m.body)["data"] for m in messages if m.exchange == REPLIES]
        found.extend((d["order_id"], d["reply"], d["channel"]) for d in bodies)
        return await publish(messages)

    monkeypatch.setattr(world.app.broker, "publish", seen)
    return found


async def test_a_price_is_confirmed_by_button_word_page_and_mail_once_each(
    world: World, caller: Caller, published: list[tuple[str, str, str]]
) -> None:
    for n, number in enumerate(("+919812345001", "+919812345002", "+919812345003")):
        await told(world, f"O-{n}", "inspection_completed", phone=number, whatsapp=number, locale="hi-IN")
    await asyncio.gather(
        *(
            say(world, "Yes", person="+919812345001", sid="WA1", channel="whatsapp", ButtonPayload="confirm_price")
            for _ in range(3)
        ),
        *(say(world, "  हां!! 👍 ", person="+919812345002", sid="SM2") for _ in range(3)),
    )
    path = await link(world, caller, "O-2")
    _, text = await page(world, path)
    for status, after in await asyncio.gather(*(tap(world, path, text, "confirm_price") for _ in range(3))):
        assert status == 200
        assert "धन्यवाद" in after or "पहले ही" in after
    await world.settled()
    assert sorted(published) == [
        ("O-0", "confirm_price", "whatsapp"), ("O-1", "confirm_price", "sms"), ("O-2", "confirm_price", "page"),
    ]  # fmt: skip
    _, text = await page(world, path)
    assert "/replies/confirm_price" not in text, "it counts once"


async def test_a_link_in_a_mail_shows_and_a_post_acts(
    world: World, caller: Caller, published: list[tuple[str, str, str]]
) -> None:
    await told(world, "O-1", "inspection_completed", email="asha@example.com")
    await world.accept(event("O-1", at=minutes(1), kind="order.updated", price=PRICE))
    (mail,) = [m for m in world.mailbox.mails if "final price" in str(m.message["Subject"]).lower()]
    body = mail.message.get_body(("html",))
    assert body is not None
    html = body.get_content()
    path = re.search(r'href="https://track\.example(/t/[\w-]+)/replies/confirm_price"', html)
    assert path is not None
    status, text = await page(world, f"{path[1]}/replies/confirm_price")
    assert status == 200
    assert published == [], "scanners open links"
    await tap(world, path[1], text, "confirm_price")
    await world.settled()
    assert published == [("O-1", "confirm_price", "page")]
    await told(world, "O-1", "payment_initiated", email="asha@example.com")
    _, late = await page(world, f"{path[1]}/replies/confirm_price")
    assert "not possible any more" in late


async def test_the_page_says_when_that_it_is_late_and_what_an_agent_answered(world: World, caller: Caller) -> None:
    eta = (world.clock.now() + minutes(26 * 60)).isoformat()
    people = {"customer": {"name": "Asha", "phone": "+919812345678", "locale": "en-IN", "timezone": "Asia/Kolkata"}}
    await world.accept(event("O-1", "vendor_en_route", assignee=VENDOR, recipients=people, eta=eta))
    path = await link(world, caller, "O-1")
    status, text = await page(world, path)
    assert status == 200
    assert len(text) < 20_000
    assert "Tue 3 Mar" in text, "with its day"
    status, after = await tap(world, path, text, "where_is_it")
    assert "We have your answer" in after
    world.clock.advance(hours=27)
    _, text = await page(world, path)
    assert "We are on it" in text
    await say(world, "hello there", sid="SM1")
    agent = await caller("agent")
    await agent.call("POST", "/v1/orders/device_pickup/O-1/conversation", {"text": "Nearly <there>."})
    _, text = await page(world, path)
    assert "Nearly &lt;there&gt;." in text
    assert "hello there" not in text, "what was said elsewhere is not for whoever has the link"
    assert ANSWER in {m["notice"] for m in (await world.view("O-1"))["messages"]}
    await world.accept(event("O-1", "unable_to_reach", minutes(27 * 60)))
    _, text = await page(world, path)
    assert "We could not reach you" in text


async def test_a_wrong_link_is_a_page_in_the_readers_language(world: World) -> None:
    status, text = await page(world, "/t/" + "x" * 30, headers={"Accept-Language": "de-AT,de;q=0.9"})
    assert status == 404
    assert "Diese Seite gibt es nicht mehr" in text
    status, text = await page(world, "/t/" + "x" * 30, headers={"Accept-Language": "ar"})
    assert 'dir="rtl"' in text


async def test_what_is_no_reply_of_the_page_is_refused(world: World, caller: Caller) -> None:
    await told(world, "O-1")
    path = await link(world, caller, "O-1")
    async with ClientSession() as session, session.post(f"{world.http}{path}/replies/nonsense") as answer:
        assert answer.status == 404
    async with ClientSession() as session, session.post(f"{world.http}{path}/replies/cancel") as answer:
        assert answer.status == 200
    assert [s.reply for s in await said(world, "O-1")] == ["cancel"]


async def test_a_tap_that_was_too_late_is_too_late_again_and_one_that_counted_is_there_already(
    world: World, caller: Caller
) -> None:
    await told(world, "O-1", "inspection_completed")
    path = await link(world, caller, "O-1")
    _, text = await page(world, path)
    assert "We have your answer." in (await tap(world, path, text, "confirm_price"))[1]
    await told(world, "O-1", "payment_initiated")
    for reply, says in (
        ("confirm_price", "already"),
        ("reject_price", "not possible any more"),
        ("reject_price", "not possible any more"),
    ):
        assert says in (await tap(world, path, text, reply))[1], reply
    for method in ("get", "head"):
        async with ClientSession() as session, session.request(method, f"{world.http}{path}/replies/no_code") as answer:
            assert answer.status == 200
    assert [(s.reply, s.state) for s in await said(world, "O-1")] == [
        ("confirm_price", "counted"), ("reject_price", "too_late"),
    ]  # fmt: skip


async def test_a_bare_cancel_is_an_opt_out_and_a_reply_and_a_longer_one_a_reply_alone(
    world: World, published: list[tuple[str, str, str]]
) -> None:
    await told(world, "O-1")
    await say(world, "Cancel my order.", sid="SM1")
    world.clock.advance(minutes=1)
    await told(world, "O-2", phone="+919812345001", whatsapp="+919812345001")
    await say(world, "CANCEL", sid="SM2", person="+919812345001")
    await world.settled()
    assert sorted(published) == [("O-1", "cancel", "sms"), ("O-2", "cancel", "sms")]
    kinds = {o: {t["kind"] for t in (await world.view(o))["timeline"]} for o in ("O-1", "O-2")}
    assert "opted_out" not in kinds["O-1"]
    assert "opted_out" in kinds["O-2"]
