"""Forms in a real browser: what stands half written outlives a restart of the service, a reload, and the session."""

import re

import pytest
from playwright.async_api import Browser, Route, expect

from service.timekeeping import SteadyTime
from tests.e2e.test_desk import happen, order, signed_in, unsafe
from tests.support.client import key_for
from tests.support.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORDER = "/desk/orders/device_pickup/ORD-1"
# Each form's page, and the fields that are half written.
FORMS = {
    ORDER: ("#note", "#answer", "#detail"),
    "/desk/new/repair": ("[name$=name]", "[name$=email]"),
    "/desk/handover": ("[name=to]", "[name=comment]"),
    "/desk/words/device_pickup/order_created": ("textarea >> nth=0", "[name=why]"),
    "/desk/messages": ("#hold [name=why]",),
    "/desk/performance": ("[name=email]",),
    "/desk/admin": ("[name=name]", "[name=scope]"),
    "/desk": ("#many-comment",),
}
HALF = "half@a.word"
UNFOLD = "n => { n.closest('details')?.setAttribute('open', ''); n.closest('[hidden]')?.removeAttribute('hidden'); }"


async def restart(world: World) -> None:
    """The same service, on the same port, as after a deployment."""
    settings = world.settings.model_copy(update={"http_port": world.app.port})
    await world.app.close()
    world.app = type(world.app)(settings, time=SteadyTime())
    await world.app.start()


async def test_a_restart_amid_each_form_loses_nothing(desk: World, browser: Browser) -> None:
    await happen(desk, order(desk), unsafe(desk))
    page = await signed_in(browser, desk, "admin", name="Kim")
    await page.keyboard.press("1")
    await page.keyboard.press("x")
    await page.keyboard.press("a")
    await expect(page.locator("[data-owner=Kim]")).to_have_count(1)
    for path, fields in FORMS.items():
        await page.goto(desk.http + path)
        for field in fields:
            # Some are folded away until somebody wants them.
            await page.locator(field).first.evaluate(UNFOLD)
            await page.locator(field).first.fill(HALF)
    await page.goto(desk.http + ORDER)
    await page.get_by_label("Public").check()
    await restart(desk)
    for path, fields in FORMS.items():
        await page.goto(desk.http + path)
        for field in fields:
            await expect(page.locator(field).first).to_have_value(HALF)
    # It is sent as if nothing had been, and over the end of the session, too.
    await page.goto(desk.http + ORDER)
    await expect(page.get_by_label("Public")).to_be_checked()
    again = await key_for(desk, "admin", "Kim again")
    await page.context.clear_cookies()
    await page.locator("#add-note ~ form").get_by_role("button", name="Add", exact=True).click()
    frame = page.frame_locator("iframe[title='Sign in']")
    await frame.get_by_label("API key").fill(again)
    await frame.get_by_role("button", name="Sign in").click()
    await expect(page.locator(".notes li").first).to_contain_text(HALF)
    await expect(page.locator("#note")).to_have_value("")
    await expect(page.locator("#answer")).to_have_value(HALF)
    # Whoever signs out leaves nothing to the next one at this machine.
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url(re.compile("sign-in"))
    assert await page.evaluate("Object.keys(sessionStorage).filter(key => key.startsWith('draft'))") == []


async def test_what_a_proxy_answers_for_us_takes_no_words_along(desk: World, browser: Browser) -> None:
    await happen(desk, order(desk), unsafe(desk))
    page = await signed_in(browser, desk, "supervisor", name="Kim")
    add = page.locator("#add-note ~ form").get_by_role("button", name="Add", exact=True)

    async def away(route: Route) -> None:
        if route.request.method == "POST":
            await route.fulfill(status=502, body="<h1>Bad Gateway</h1>", content_type="text/html")
        else:
            await route.continue_()

    await page.goto(desk.http + ORDER)
    await page.locator("#note").fill(HALF)
    await page.route("**/notes", away)
    await add.click()
    await expect(page.get_by_text("Bad Gateway")).to_be_visible()
    await page.unroute("**/notes")
    await page.goto(desk.http + ORDER)
    await expect(page.locator("#note")).to_have_value(HALF)
    await add.click()
    await expect(page.locator(".notes li").first).to_contain_text(HALF)
    await expect(page.locator("#note")).to_have_value("")


async def test_who_signs_in_over_anothers_page_gets_a_page_of_their_own(desk: World, browser: Browser) -> None:
    await happen(desk, order(desk), unsafe(desk))
    page = await signed_in(browser, desk, "supervisor", name="Kim")
    await expect(page.locator("#live")).to_have_text("live")
    other = await key_for(desk, "supervisor", "Lee")
    await page.context.clear_cookies()
    await page.locator("[data-escalation]").first.focus()
    await page.keyboard.press("a")
    frame = page.frame_locator("iframe[title='Sign in']")
    await frame.get_by_label("API key").fill(other)
    await frame.get_by_role("button", name="Sign in").click()
    await expect(page.locator("header .who")).to_contain_text("Lee")
    # What Kim began is not done in Lee's name.
    await expect(page.locator("[data-owner='']")).to_have_count(1)
