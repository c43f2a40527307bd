"""An order's page in a real browser: what was told and why not, notes, the story, live, and nothing lost."""

import re

import pytest
from aiohttp import web
from playwright.async_api import Browser, Locator, Page, expect

from tests.e2e.test_desk import happen, order, signed_in
from tests.support.accessibility import violations
from tests.support.client import key_for
from tests.support.events import event
from tests.support.hands import Hand
from tests.support.providers import Sent
from tests.support.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


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
    page = await signed_in(browser, desk, "agent", at="/desk/orders/device_pickup/ORD-1")
    told = page.locator("details.message").filter(has_text="Partner on the way")
    await expect(told).to_contain_text("SMS failed")
    hand = Hand(page, "learn why nobody was told, and what to do")
    await hand.click(told.locator("summary"))
    await expect(told).to_contain_text("There is no such phone number. Ask for the right number.")
    hand.done(clicks=1)
    await expect(told).to_contain_text("They are not on WhatsApp.")
    await expect(page.locator("#now")).to_contain_text("Ring twice")
    # What is written outlives a reload, and is sent once; what comes anew leaves open what was opened.
    hand = Hand(page, "add a note for the next person")
    await hand.say(page.get_by_label("Note", exact=True), "Customer waits at the back door")
    await page.reload()
    await expect(page.get_by_label("Note", exact=True)).to_have_value("Customer waits at the back door")
    await told.locator("summary").click()
    await hand.click(page.get_by_role("button", name="Add", exact=True))
    await expect(page.locator(".notes li").first).to_contain_text("Internal")
    await expect(page.locator(".notes li").first).to_contain_text("Customer waits at the back door")
    hand.done(clicks=2)
    await expect(page.get_by_label("Note", exact=True)).to_have_value("")
    await page.get_by_text("All technical steps").click()
    await told.locator("summary").focus()
    await happen(desk, order(desk, "at_location"))
    await expect(page.locator(".summary")).to_contain_text("Partner has arrived")
    # So does the story, which stands below what one can do.
    await expect(page.locator("#story")).to_contain_text("Partner has arrived")
    await expect(page.locator("#steps")).to_have_attribute("open", "")
    await expect(told.locator("summary")).to_be_focused()
    assert await violations(page) == []


# The page has asked for what is new, and was not heard.
UNHEARD = "new Promise(done => document.addEventListener('htmx:sendError', () => setTimeout(done), {once: true}))"


async def test_whose_session_ends_signs_in_over_the_page_and_loses_nothing(desk: World, browser: Browser) -> None:
    await happen(desk, order(desk))
    page = await signed_in(browser, desk, "agent", at="/desk/orders/device_pickup/ORD-1", name="Kim")
    again = await key_for(desk, "agent", "Kim again")
    await page.get_by_label("Note", exact=True).fill("Half a sentence")
    # What the page finds out by itself talks over nothing that somebody did.
    await page.context.set_offline(True)
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.locator("#toast")).to_contain_text("nothing was sent, your words are kept")
    await page.evaluate(UNHEARD)
    await expect(page.locator("#toast")).to_contain_text("nothing was sent, your words are kept")
    await page.context.set_offline(False)
    await page.context.clear_cookies()
    await page.get_by_role("button", name="Try again").click()
    frame = page.frame_locator("iframe[title='Sign in']")
    await frame.get_by_label("API key").fill(again)
    await frame.get_by_role("button", name="Sign in").click()
    await expect(page.locator(".notes li").first).to_contain_text("Half a sentence")
    assert re.search(r"/ORD-1(#.*)?$", page.url)


# How many stops of the Tab key it is from the focus to this node at least: what Chromium stops at beyond these, and where a
# focus is that stands nowhere, only pressing tells.
STOPS_AHEAD = """(node) => {
  const any = "a[href], button, input:not([type=radio]:not(:checked)), select, textarea, summary, [tabindex]";
  const stops = [...document.querySelectorAll(any)].filter((n) => n === node || (n.tabIndex >= 0 && !n.disabled && n.checkVisibility()));
  const from = stops.indexOf(document.activeElement), to = stops.indexOf(node);
  return node === document.activeElement ? 0 : from < 0 || to < from ? 1 : to - from;
}"""


async def tabbed(page: Page, to: Locator) -> None:
    """Go there by the Tab key alone."""
    pressed = 0
    while ahead := await to.evaluate(STOPS_AHEAD):
        pressed += ahead
        assert pressed <= 150, f"the keyboard does not get to {to}"
        for _ in range(ahead):
            await page.keyboard.press("Tab")


async def by_keys(page: Page, title: str, *typed: tuple[str, str]) -> None:
    """Open the form of this act, fill it in and send it, without a mouse."""
    form = page.locator("details.act", has=page.locator("summary", has_text=re.compile(f"^{title}$")))
    await tabbed(page, form.locator("summary"))
    await page.keyboard.press("Enter")
    for label, text in typed:
        await tabbed(page, form.get_by_label(label))
        await page.keyboard.type(text)
    await tabbed(page, form.get_by_role("button", name=title, exact=True))
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


async def test_orders_are_worked_from_their_beginning_to_their_end(desk: World, browser: Browser) -> None:
    """A repair from intake to return by the keyboard, an order from its quote to the archive, a pickup by the link."""
    page = await signed_in(browser, desk, "supervisor", at="/desk/new/repair", name="Kim")
    assert await violations(page) == []
    await tabbed(page, page.get_by_label("Name", exact=True))
    await page.keyboard.type("Ana")
    await tabbed(page, page.get_by_label("Mail address", exact=True))
    await page.keyboard.type("ana@example.com")
    await tabbed(page, page.get_by_label("Item", exact=True))
    await page.keyboard.type("Bicycle")
    await tabbed(page, page.get_by_role("button", name="Make it"))
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await expect(page.locator(".summary")).to_contain_text("Being prepared")
    for title, typed in (
        ("Schedule", ()), ("Item received", ()), ("Start the repair", ()), ("Wait for parts", (("Note, if you like", "A new chain"),)),
        ("Start the repair", ()), ("Ready for return", ()), ("Hand it back", ()),
    ):  # fmt: skip
        await by_keys(page, title, *typed)
    await expect(page.locator(".summary")).to_contain_text("Completed")
    await expect(page.locator("details.act")).to_have_count(0)
    repair = page.url.partition("#")[0].rpartition("/")[2]
    assert re.fullmatch(r"REP-[A-Z2-7]{8}", repair)
    people = {"partner": {"email": "p@example.com"}, "provider": {"id": "v-9", "email": "q@example.com"}}
    await happen(
        desk, event("M-1", "pending_quotes", desk.app.time.now(), workflow="marketing_services", recipients=people)
    )
    await page.goto(f"{desk.http}/desk/orders/marketing_services/M-1")
    quote = page.locator("#w-quote")
    await quote.locator("summary").click()
    await quote.get_by_label("Line 1").fill("Photos")
    await quote.get_by_label("Cost 1").fill("900")
    for width in (1440, 390):
        await page.set_viewport_size({"width": width, "height": 900})
        assert await violations(page) == []
    # Somebody else is quicker: what happened is told, and what was typed is kept.
    await happen(desk, event("M-1", at=desk.app.time.now(), kind="order.updated", workflow="marketing_services",
                             attributes={"campaign": "Spring"}, actor={"id": "u-2", "name": "Lee"}))  # fmt: skip
    await quote.get_by_role("button", name="Quote").click()
    await expect(page.get_by_role("alert").first).to_contain_text("Lee")
    await expect(quote.get_by_label("Line 1")).to_have_value("Photos")
    assert await violations(page) == []
    await quote.get_by_role("button", name="Quote").click()
    await expect(page.locator(".summary")).to_contain_text("900.00 EUR")
    await page.get_by_label("Comment to the partner").check()
    await page.get_by_label("Note", exact=True).first.fill("Blue it is")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.locator(".notes li").first).to_contain_text("Blue it is")
    await _list(page)
    await _provider(desk, browser)
    await page.goto(f"{desk.http}/desk/orders/marketing_services/M-1")
    for title in ("Approve", "Hand over to the provider", "Start", "Schedule", "It runs", "Complete", "Archive"):
        form = page.locator("details.act", has=page.locator("summary", has_text=re.compile(f"^{title}$")))
        await form.locator("summary").click()
        async with page.expect_navigation():
            await form.get_by_role("button", name=title, exact=True).click()
    await expect(page.locator(".summary")).to_contain_text("Archived")
    await _pickup(desk, browser, page)


async def _list(page: Page) -> None:
    """A file of leads with a column that nobody knows and a cell that is none, by the keyboard but for choosing it."""
    await tabbed(page, page.locator("dl a[href$='/lists/leads']"))
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    wrong, right = b"Adresse,Budget\nzoe@example.com,lots\n", b"Adresse,Budget\nzoe@example.com,12.50 EUR\n"
    for content, said in (
        (wrong, "'Adresse' is not a column"),
        (wrong, "is not an amount"),
        (right, "1 row can be added"),
    ):
        file = {"name": "leads.csv", "mimeType": "text/csv", "buffer": content}
        await page.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
        await tabbed(page, page.get_by_role("button", name="Check the file"))
        await page.keyboard.press("Enter")
        await expect(page.locator("#checked")).to_contain_text(said)
        if content is wrong:
            assert await violations(page) == []
            await page.locator("select[name='map.Adresse']").select_option("email")
    await tabbed(page, page.get_by_role("button", name="Add its rows"))
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await expect(page.get_by_role("cell", name="zoe@example.com")).to_be_visible()


async def _provider(desk: World, browser: Browser) -> None:
    """Whose order it is sees it first, on a telephone too, writes for their own side, and goes on to its lists."""
    page = await signed_in(browser, desk, "provider", name="Studio", scopes=("provider:v-9",))
    await page.set_viewport_size({"width": 390, "height": 900})
    for path in ("", "/marketing_services/M-1"):
        await page.goto(f"{desk.http}/desk/orders{path}")
        assert await violations(page) == []
    await expect(page.get_by_text("Blue it is")).to_have_count(0)
    await tabbed(page, page.get_by_label("Note", exact=True).first)
    await page.keyboard.type("Bring the frames")
    await tabbed(page, page.get_by_role("button", name="Add", exact=True))
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await expect(page.locator(".notes li").first).to_contain_text("Bring the frames")
    await tabbed(page, page.locator("dl a[href$='/lists/leads']"))
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await expect(page.get_by_role("cell", name="zoe@example.com")).to_be_visible()
    assert await violations(page) == []
    await page.context.close()


async def _pickup(desk: World, browser: Browser, page: Page) -> None:
    await happen(desk, order(desk, "assigned"))
    await page.goto(f"{desk.http}/desk/orders/device_pickup/ORD-1")
    link = str(await page.get_by_role("link", name="Page of the vendor").get_attribute("href"))
    context = await browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800})
    phone = await context.new_page()
    await phone.goto(link.replace("https://track.example", desk.http))
    for title in ("I accept", "Start trip", "I have arrived"):
        await phone.get_by_role("button", name=title).click()
        await expect(phone.get_by_role("status")).to_contain_text("Thank you")
    await phone.get_by_role("button", name="Inspected").click()
    await expect(phone.get_by_text("Please check this.").first).to_be_visible()
    await phone.get_by_label("Price").fill("12500")
    await phone.get_by_role("button", name="Inspected").click()
    await expect(phone.get_by_role("heading", name="Final price ready")).to_be_visible()
    address = phone.url
    await context.close()
    await page.set_viewport_size({"width": 390, "height": 800})
    await page.goto(address)
    assert await violations(page) == []
    await happen(desk, order(desk, "payment_initiated", secrets={"otp": {"value": "481920"}}))
    await page.goto(address.partition("?")[0])
    await page.get_by_role("button", name="Paid").click()
    await expect(page.get_by_role("heading", name="Completed")).to_be_visible()
    assert await violations(page) == []
