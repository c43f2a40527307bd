"""The desk in a real browser: live board, two supervisors, a manual notice, a lost connection, accessibility."""

import asyncio
import contextlib
import itertools
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, expect

from tests.support.accessibility import COLOURS, EVERY_RULE, violations
from tests.support.client import key_for
from tests.support.events import CUSTOMER, VENDOR, encoded, event
from tests.support.examples import LONG
from tests.support.hands import Hand
from tests.support.providers import Sent
from tests.support.proxy import Proxy
from tests.support.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def signed_in(
    browser: Browser,
    world: World,
    role: str,
    at: str = "/desk",
    base: str = "",
    name: str = "",
    scopes: Sequence[str] = (),
    by_form: bool = False,
    **options: Any,
) -> Page:
    """A page of somebody who has signed in, open at this path; who comes `by_form` was sent to it and back."""
    key = await key_for(world, role, name or f"{role}-{id(options)}", scopes)
    context = await browser.new_context(**options)
    page, base = await context.new_page(), base or world.http
    if not by_form:
        await context.request.post(f"{base}/desk/sign-in", form={"key": key}, max_redirects=0)
    await page.goto(base + at)
    if by_form:
        await page.get_by_label("API key").fill(key)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(lambda url: "sign-in" not in url)
    return page


async def happen(world: World, *events: dict[str, Any]) -> None:
    from service.intake.decoding import Incoming

    for e in events:
        (verdict,) = await world.app.intake.take([Incoming(encoded(e))], dead_letter=True)
        assert verdict.outcome == "accepted", verdict.reason


def order(world: World, status: str = "vendor_en_route", order_id: str = "ORD-1", **data: Any) -> dict[str, Any]:
    return event(order_id, status, world.app.time.now(), recipients={"customer": CUSTOMER}, assignee=VENDOR, **data)


def unsafe(world: World) -> dict[str, Any]:
    return event("ORD-1", at=world.app.time.now(), kind="order.issue_reported", issue={"reason": "customer_unsafe"})


OWNER = re.compile(r"^supervisor-\d+$")


async def test_two_supervisors_share_a_live_board(desk: World, browser: Browser) -> None:
    await happen(desk, order(desk))
    first = await signed_in(browser, desk, "supervisor", by_form=True)
    second = await signed_in(browser, desk, "supervisor")
    for page in (first, second):
        await expect(page.locator("#live")).to_have_text("live")
        await expect(page.get_by_text("No open escalations")).to_be_visible()
    await happen(desk, unsafe(desk))
    for page in (first, second):
        await expect(page.locator("[data-escalation]")).to_have_count(1)
    await first.keyboard.press("j")
    await first.keyboard.press("a")
    row = second.locator("[data-escalation]")
    await expect(row).to_have_attribute("data-owner", OWNER)
    await row.hover()
    await second.locator("[data-act=resolve]").click()
    await expect(first.get_by_text("No open escalations")).to_be_visible()
    # A mistake is taken back for ten seconds.
    await expect(second.get_by_role("button", name="Undo")).to_be_visible()
    hand = Hand(second, "take back a resolved line")
    await hand.press("u")
    await expect(first.locator("[data-escalation]")).to_have_count(1)
    hand.done(keys=1)
    # Whose it was, it is again.
    await expect(first.locator("[data-escalation]")).to_have_attribute("data-owner", OWNER)


LATE_IN_S = (2, 3, 4, 5, 6, 7)
WATCH = """() => {
  window.seen = {};
  const look = () => document.querySelectorAll("[data-escalation]").forEach(
    row => window.seen[row.dataset.escalation] ??= Date.now() / 1000);
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
}"""


async def test_a_breach_appears_by_itself_within_a_second(desk: World, browser: Browser) -> None:
    page = await signed_in(browser, desk, "supervisor")
    await expect(page.locator("#live")).to_have_text("live")
    await page.evaluate(WATCH)
    # Half an hour late in two seconds from now, in three, and so on: a busy machine may hold up some of them.
    late = desk.app.time.now() - timedelta(minutes=30)
    for n in LATE_IN_S:
        eta = (late + timedelta(seconds=n)).isoformat()
        await happen(desk, order(desk, order_id=f"ORD-{n}", eta=eta))
    late_ones = page.locator("[data-escalation]").filter(has_text="Partner is very late")
    await expect(late_ones).to_have_count(len(LATE_IN_S))
    seen = await page.evaluate("window.seen")
    waits = []
    for n in LATE_IN_S:
        (found,) = [e for e in (await desk.view(f"ORD-{n}"))["escalations"] if e["reason"] == "vendor_delayed"]
        assert found["state"] == "open"
        waits.append(seen[str(found["id"])] - found["due"].timestamp())
    assert 0 < min(waits) < 1, waits


async def test_an_agent_previews_and_sends(desk: World, browser: Browser) -> None:
    await happen(desk, order(desk))
    await desk.settled()
    page = await signed_in(browser, desk, "agent", by_form=True)
    assert page.url.endswith("/desk/orders")
    hand = Hand(page, "find a caller and see whom to answer")
    await hand.press("/")
    await hand.type("9812345678")
    await hand.press("Enter")
    await page.wait_for_url("**/desk/orders/device_pickup/ORD-1")
    hand.done(keys=12)
    asked = page.get_by_label("New time")
    await expect(asked).to_be_hidden()
    await page.get_by_label("Reason").select_option("traffic_delay")
    await expect(page.locator("#preview")).to_contain_text("inputs.new_time")
    soon = desk.app.time.now().astimezone(ZoneInfo("Asia/Kolkata")) + timedelta(hours=1)
    await asked.fill(f"{soon:%Y-%m-%dT%H:%M}")
    await asked.blur()
    preview = page.locator("#preview .preview").first
    await expect(preview).to_contain_text("1 segment")
    words = await preview.locator(".text").inner_text()
    before = len(desk.providers.of("sms"))
    await page.get_by_role("button", name="Send").click()
    await page.wait_for_load_state()
    await desk.until(lambda: len(desk.providers.of("sms")) > before, "the message at the provider")
    assert desk.providers.of("sms")[-1].text == words.strip()
    await expect(page.locator("details.message").filter(has_text="Held up in traffic")).to_be_visible()


async def test_a_lost_connection_is_shown_and_heals_with_nothing_missed(desk: World, browser: Browser) -> None:
    await happen(desk, order(desk))
    proxy = Proxy("127.0.0.1", desk.app.port)
    await proxy.start()
    page = await signed_in(browser, desk, "supervisor", base=f"http://127.0.0.1:{proxy.port}")
    await expect(page.locator("#live")).to_have_text("live")
    await proxy.cut()
    await expect(page.locator("#live")).to_contain_text("lost")
    await happen(desk, unsafe(desk))
    await asyncio.sleep(0.3)
    await expect(page.locator("[data-escalation]")).to_have_count(0)
    await proxy.mend()
    await expect(page.locator("#live")).to_have_text("live")
    await expect(page.locator("[data-escalation]")).to_have_count(1)
    await proxy.close()


WIDTHS = (1440, 390)
LIGHT: tuple[Literal["light"], Mapping[str, Any]] = ("light", EVERY_RULE)
DARK: tuple[Literal["dark"], Mapping[str, Any]] = ("dark", COLOURS)


async def test_no_page_has_an_accessibility_violation(desk: World, browser: Browser) -> None:
    """In light by every rule; in dark, where nothing but colours is other, by the rules of colours.

    In the short form each page is looked at in light at one width and in dark at the other, turn by turn.
    """
    await happen(desk, order(desk, eta=desk.app.time.now().isoformat()), unsafe(desk))
    await happen(desk, order(desk, "payment_successful", "ORD-2"))
    with contextlib.suppress(AssertionError):
        await happen(desk, order(desk, "no_such_status", "ORD-3"))
    await desk.settled()
    page = await signed_in(browser, desk, "admin", color_scheme="light", reduced_motion="reduce")
    link = await page.request.get(f"{desk.http}/v1/orders/device_pickup/ORD-1/link")
    token = (await link.json())["url"].rpartition("/t/")[2]
    pages = ["/desk", "/desk/orders", "/desk/orders/device_pickup/ORD-1", "/desk/messages", "/desk/dead", "/desk/health",
             "/desk/lifecycle", "/desk/performance", "/desk/admin", "/desk/handover", f"/t/{token}", "/desk/sign-in"]  # fmt: skip
    found = []
    for n, path in enumerate(pages):
        first, other = WIDTHS if n % 2 == 0 else reversed(WIDTHS)
        await page.set_viewport_size({"width": first, "height": 900})
        await page.goto(desk.http + path)
        short = ((first, LIGHT), (other, DARK))
        for width, (scheme, rules) in itertools.product((first, other), (LIGHT, DARK)) if LONG else short:
            await page.set_viewport_size({"width": width, "height": 900})
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found += [f"{path} at {width}, {scheme}: {v}" for v in await violations(page, rules)]
    # Narrow, the others, too.
    await page.set_viewport_size({"width": min(WIDTHS), "height": 900})
    for path in (
        "foresight",
        "words",
        "words/device_pickup/order_created",
        "tell-all",
        "activity",
        "audit",
        "new/repair",
    ):
        await page.goto(f"{desk.http}/desk/{path}")
        if await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            found.append(f"{path} at 390 is too wide")
    # Nor does paper cut a list off; A4 between its margins is as wide as this.
    await page.emulate_media(media="print")
    await page.set_viewport_size({"width": 718, "height": 1000})
    for path in ("orders", "messages"):
        await page.goto(f"{desk.http}/desk/{path}")
        if await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            found.append(f"{path} is too wide for paper")
    assert found == []


async def test_the_health_page_says_who_refuses_us_since_when_in_which_words_and_what_to_do(
    desk: World, browser: Browser
) -> None:
    async def refuse(sent: Sent) -> web.StreamResponse | None:
        if sent.channel in ("push", "email"):
            return None
        return web.json_response({"code": 20003, "message": "Authenticate <b>", "status": 401}, status=401)

    desk.providers.behave = refuse
    await happen(desk, order(desk))
    page = await signed_in(browser, desk, "supervisor", at="/desk/health")
    table = page.get_by_role("region", name="Providers that refuse us")
    # The page looks again by itself.
    row = table.get_by_role("row").filter(has=page.get_by_role("cell", name="SMS", exact=True))
    await expect(row).to_contain_text("20003: Authenticate")
    await expect(row).to_contain_text("twilio:000000")
    await expect(row).to_contain_text("all messages")
    await expect(row.get_by_role("time")).to_have_count(1)
    await expect(page.get_by_text("Fix what the provider's answer names")).to_be_visible()
    assert await violations(page) == []
    await page.goto(f"{desk.http}/desk")
    await expect(page.locator("[data-escalation]")).to_contain_text("twilio:000000 refuses us since")


async def test_the_tracking_page_works_without_scripts(desk: World, browser: Browser) -> None:
    await happen(desk, order(desk))
    page = await signed_in(browser, desk, "agent")
    link = await page.request.get(f"{desk.http}/v1/orders/device_pickup/ORD-1/link")
    token = (await link.json())["url"].rpartition("/t/")[2]
    plain = await (await browser.new_context(java_script_enabled=False)).new_page()
    await plain.goto(f"{desk.http}/t/{token}")
    await expect(plain.get_by_role("heading", name="Partner on the way")).to_be_visible()
    await expect(plain.locator("[aria-current=step]")).to_have_count(1)
