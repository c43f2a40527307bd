"""An outage in a real browser: said on every page, whom it touches, told again after a count, held and released."""

import re
from datetime import timedelta

import pytest
from aiohttp import web
from playwright.async_api import Browser, expect

from tests.e2e.test_desk import happen, order, signed_in
from tests.support.accessibility import violations
from tests.support.hands import Hand
from tests.support.providers import Sent
from tests.support.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def refuse_whatsapp(sent: Sent) -> web.StreamResponse | None:
    refused = {"code": 63007, "message": "no sender", "status": 400}
    return web.json_response(refused, status=400) if sent.channel == "whatsapp" else None


async def test_an_outage_is_said_listed_and_made_good(desk: World, browser: Browser) -> None:
    async def refuse(sent: Sent) -> web.StreamResponse | None:
        if sent.channel == "sms":
            return web.json_response({"code": 30006, "message": "landline", "status": 400}, status=400)
        if sent.channel == "push":
            gone = {"code": 404, "status": "NOT_FOUND", "details": [{"errorCode": "UNREGISTERED"}]}
            return web.json_response({"error": gone}, status=404)
        return await refuse_whatsapp(sent)

    desk.providers.behave = refuse
    for n in range(3):
        await happen(desk, order(desk, order_id=f"ORD-{n}"))
    page = await signed_in(browser, desk, "supervisor", name="Kim")
    for path in ("/desk", "/desk/orders", "/desk/performance", "/desk/messages"):
        await page.goto(desk.http + path)
        assert await violations(page) == [], path
    await expect(page.get_by_role("region", name="WhatsApp refuses us")).to_contain_text(re.compile("since .* wait"))
    # All of them told one thing, in words that were seen before.
    hand = Hand(page, "tell all affected one thing")
    await hand.click(page.get_by_role("link", name="Messages", exact=True).first)
    await hand.click(page.get_by_role("link", name="Not delivered"))
    await expect(page.get_by_role("row").filter(has_text="landline")).to_have_count(3)
    await hand.click(page.get_by_role("link", name="Tell all affected"))
    assert await violations(page) == []
    await hand.choose(page.locator("#reason"), "looking_into_it")
    await hand.click(page.get_by_role("button", name="Count them"))
    await expect(page.get_by_role("heading", name="Tell 1?")).to_be_visible()
    # The three are one person's.
    await expect(page.get_by_text("2 they are told by another of their orders")).to_be_visible()
    await expect(page.get_by_text("looking into", exact=False).first).to_be_visible()
    await hand.click(page.get_by_role("button", name="Tell 1 now"))
    await expect(page.get_by_role("heading", name="1 is being told")).to_be_visible()
    hand.done(clicks=7)
    hand = Hand(page, "whom an outage touched, and tell them again")
    await hand.click(page.get_by_role("link", name="Whom it touches"))
    await expect(page.get_by_role("row").filter(has_text="Partner on the way")).to_have_count(3)
    desk.providers.behave = refuse_whatsapp
    await hand.choose(page.get_by_label("Send again by"), "sms")
    await hand.click(page.get_by_role("button", name="Count all that match the filters"))
    await expect(page.get_by_role("heading", name=re.compile("again"))).to_be_visible()
    await hand.click(page.get_by_role("button", name=re.compile("^Send . again")))
    await expect(page.get_by_role("heading", name="4 are being sent again")).to_be_visible()
    hand.done(clicks=6)
    await desk.until(lambda: len(desk.providers.of("sms")) == 4, "they are told by the other channel")


async def test_who_is_late_most_is_two_clicks_away_with_their_orders(desk: World, browser: Browser) -> None:
    late = (desk.app.time.now() - timedelta(hours=3)).isoformat()
    await happen(desk, order(desk, eta=late))
    page = await signed_in(browser, desk, "supervisor", name="Kim")

    async def is_broken() -> bool:
        return any(c["state"] == "breached" for c in (await desk.view("ORD-1"))["clocks"])

    await desk.until(is_broken, "the promise is broken")
    hand = Hand(page, "who is late most, with their orders")
    await hand.click(page.get_by_role("link", name="Performance"))
    worst = page.get_by_role("region", name="Table of handlers").locator("tbody tr").first
    await expect(worst).to_contain_text("Ravi")
    await hand.click(worst.get_by_role("link", name="Ravi"))
    await expect(page.get_by_role("link", name="ORD-1")).to_be_visible()
    hand.done(clicks=2)


async def test_a_channel_is_held_and_released_at_the_desk(desk: World, browser: Browser) -> None:
    page = await signed_in(browser, desk, "supervisor", at="/desk/messages", name="Kim")
    hand = Hand(page, "hold a channel, and release it")
    await hand.click(page.get_by_text("Hold messages"))
    form = page.locator("#hold form")
    await hand.choose(form.get_by_label("Channel"), "sms")
    await hand.say(form.get_by_label("Why"), "wrong words went out")
    await hand.click(form.get_by_role("button", name="Hold"))
    await expect(page.get_by_role("region", name=re.compile("held by Kim"))).to_be_visible()
    await desk.until(lambda: not desk.app.holds.is_empty, "it is known to who sends")
    await happen(desk, order(desk))

    async def is_held() -> bool:
        return "held" in [state for _, state in await desk.messages("ORD-1", "sms")]

    await desk.until(is_held, "the text is held back")
    await page.goto(f"{desk.http}/desk/messages?state=held")
    await expect(page.get_by_role("row").filter(has_text="Somebody holds it back")).to_have_count(1)
    await hand.click(page.locator("#holds ~ *").get_by_role("button", name="Release"))
    await expect(page.get_by_role("region", name=re.compile("held by Kim"))).to_have_count(0)
    hand.done(clicks=6)
    await desk.until(lambda: len(desk.providers.of("sms")) == 1, "the text at the provider")
