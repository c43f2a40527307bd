"""An order's page in a real browser: what was told and why not, notes, the story, live, and nothing lost."""

import re

from aiohttp import web
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from tests.e2e.test_desk import RULES, browser, desk, happen, order, signed_in
from tests.support.client import key_for
from tests.support.events import event
from tests.support.providers import Sent
from tests.support.world import World

__all__ = ["browser", "desk"]

expect.set_options(timeout=15_000)


async def test_an_agent_sees_who_was_told_why_not_and_what_to_do(desk: World, browser: Browser) -> None:
    async def refuse(sent: Sent) -> web.StreamResponse | None:
        if sent.channel == "sms" and len(desk.providers.of("email")) == 0:
            return web.json_response({"code": 21211, "message": "invalid To", "status": 400}, status=400)
        if sent.channel == "whatsapp":
            return web.json_response({"code": 63003, "message": "not there", "status": 400}, status=400)
        return None

    desk.providers.behave = refuse
    await happen(desk, order(desk))
    note = {"text": "Ring twice", "public": True}
    await happen(desk, event("ORD-1", at=desk.app.time.now(), kind="order.note_added", note=note))
    page = await signed_in(browser, desk, "agent")
    await page.goto(f"{desk.http}/desk/orders/device_pickup/ORD-1")
    told = page.locator("details.message").filter(has_text="Partner on the way")
    await expect(told).to_contain_text("sms failed")
    await told.locator("summary").click()
    await expect(told).to_contain_text("There is no such phone number. Ask for the right number.")
    await expect(told).to_contain_text("They are not on WhatsApp.")
    await expect(page.locator("#now")).to_contain_text("Ring twice")
    # What is written outlives a reload, and is sent once; what comes anew leaves open what was opened.
    await page.get_by_label("Note", exact=True).fill("Customer waits at the back door")
    await page.reload()
    await expect(page.get_by_label("Note", exact=True)).to_have_value("Customer waits at the back door")
    await told.locator("summary").click()
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.locator(".notes li").first).to_contain_text("Internal")
    await expect(page.locator(".notes li").first).to_contain_text("Customer waits at the back door")
    await expect(page.get_by_label("Note", exact=True)).to_have_value("")
    await happen(desk, order(desk, "at_location"))
    await expect(page.locator(".summary")).to_contain_text("Partner has arrived")
    assert (await Axe().run(page, options=RULES)).response["violations"] == []


async def test_whose_session_ends_signs_in_over_the_page_and_loses_nothing(desk: World, browser: Browser) -> None:
    await happen(desk, order(desk))
    page = await signed_in(browser, desk, "agent", name="Kim")
    await page.goto(f"{desk.http}/desk/orders/device_pickup/ORD-1")
    again = await key_for(desk, "agent", "Kim again")
    await page.get_by_label("Note", exact=True).fill("Half a sentence")
    await page.context.clear_cookies()
    await page.get_by_role("button", name="Add", exact=True).click()
    frame = page.frame_locator("iframe[title='Sign in']")
    await frame.get_by_label("API key").fill(again)
    await frame.get_by_role("button", name="Sign in").click()
    await expect(page.locator(".notes li").first).to_contain_text("Half a sentence")
    assert re.search(r"/ORD-1(#.*)?$", page.url)
