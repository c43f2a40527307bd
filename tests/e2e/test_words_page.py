"""A word changed in a real browser: written by one, approved by another, live, in eight steps; nothing lost on the way."""

import re

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.test_desk import happen, order, signed_in
from tests.support.accessibility import violations
from tests.support.events import event, person
from tests.support.hands import Hand
from tests.support.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOTICE = "/desk/words/device_pickup/order_created"


async def test_a_word_is_changed_approved_and_live_in_eight_steps(desk: World, browser: Browser) -> None:
    await happen(desk, order(desk))
    kim = await signed_in(browser, desk, "supervisor", name="Kim")
    lee = await signed_in(browser, desk, "supervisor", name="Lee")
    # 1 to 4: the page, the notice, the word, kept.
    hand = Hand(kim, "change a word, have it approved, live")
    await hand.click(kim.get_by_role("link", name="Words"))
    await hand.click(kim.locator("tr", has_text="order_created").get_by_role("link"))
    await hand.say(
        kim.get_by_label("English, SMS"), "{{ brand }}: your order {{ order.id }} is safe with us. {{ link }}"
    )
    await hand.click(kim.get_by_role("button", name="Save the draft"))
    await expect(kim.get_by_text("Somebody else has to approve it.")).to_be_visible()
    # 5 to 7: the other one's page, the draft, its approval.
    await hand.click(lee.get_by_role("link", name="Words"))
    waiting = lee.get_by_role("region", name="Table of drafts").get_by_role("row").filter(has_text="Kim")
    await expect(waiting).to_contain_text("needs approval by you")
    await hand.click(waiting.get_by_role("link"))
    await hand.click(lee.get_by_role("button", name="Approve and make live"))
    await expect(lee.get_by_text("published by Lee")).to_be_visible()
    hand.done(clicks=8)
    await happen(desk, event("ORD-2", "created", desk.app.time.now(), recipients={"customer": person(2)}))
    await desk.until(lambda: any("safe with us" in s.text for s in desk.providers.of("sms")), "the new words are sent")
    # Taken back by one.
    await lee.get_by_text("published by Lee").click()
    await lee.get_by_role("button", name="Take it back").click()
    await expect(lee.get_by_text("taken back by Lee")).to_be_visible()


async def test_mistakes_stand_at_their_field_and_nothing_is_lost(desk: World, browser: Browser) -> None:
    await happen(desk, order(desk))
    page = await signed_in(browser, desk, "supervisor", at=NOTICE, name="Kim")
    lee = await signed_in(browser, desk, "supervisor", at=NOTICE, name="Lee", viewport={"width": 390, "height": 800})
    assert await violations(page) == []
    english = page.get_by_label("English, SMS")
    looks = page.locator(f"#{await english.get_attribute('aria-describedby')}")
    await expect(looks).to_contain_text("1 segment")
    # While it is written it is shown as it looks, and what is wrong with it.
    await english.fill("{{ brand }}: hello {{ nme }}")
    await expect(looks).to_contain_text("undefined variable 'nme'")
    await page.reload()
    await expect(english).to_have_value("{{ brand }}: hello {{ nme }}")
    await page.get_by_role("button", name="Check").click()
    await expect(page.get_by_role("status").filter(has_text="1 mistake, shown at each text")).to_be_visible()
    await expect(english).to_have_attribute("aria-invalid", "true")
    assert await violations(page) == []
    await english.fill("{{ brand }}: hello " + "{{ order.id }} " * 20)
    await expect(looks).to_contain_text("2 segments")
    # By keys alone.
    await english.focus()
    await page.keyboard.press("Control+End")
    await page.keyboard.type("bye")
    await page.get_by_role("button", name="Save the draft").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name=re.compile("Draft by Kim"))).to_be_visible()
    # Somebody else who began before: both stand there, and the second save is meant.
    theirs = lee.get_by_label("English, SMS")
    await theirs.fill("{{ brand }}: Lee's words")
    await lee.get_by_role("button", name="Save the draft").click()
    await expect(lee.get_by_role("alert")).to_contain_text("somebody else changed this text")
    await expect(theirs).to_have_value("{{ brand }}: Lee's words")
    await expect(lee.locator(".theirs")).to_contain_text("bye")
    assert await lee.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert await violations(lee) == []
    await lee.get_by_role("button", name="Save the draft").click()
    await expect(lee.get_by_role("heading", name=re.compile("Draft by Kim, Lee"))).to_be_visible()
    # As for a real order, and tried on those that came.
    await lee.get_by_label("Preview for order").fill("ORD-1")
    await lee.get_by_role("button", name="Show", exact=True).click()
    await expect(lee.locator("#words")).to_contain_text("ORD-1")
    await theirs.fill("{{ brand }}: {{ order.id }} is Lee's")
    await lee.get_by_role("button", name="Save the draft").click()
    await expect(lee.get_by_label("Preview for order")).to_have_value("ORD-1")
    await lee.get_by_role("link", name="Try on recorded orders").click()
    await expect(lee.get_by_text("Orders played")).to_be_visible()
    version = lee.get_by_label("Version").locator("option:checked")
    await expect(version).to_contain_text("Device pickup")
