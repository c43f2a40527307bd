"""The board in a real browser: many at a time, somebody else's, what travels, and without a script."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from tests.e2e.test_desk import happen, order, signed_in
from tests.support.client import Client, key_for
from tests.support.events import event
from tests.support.hands import Hand
from tests.support.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


CUT = "nodes => nodes.filter(node => node.scrollWidth > node.clientWidth).length"


def reported(world: World, order_id: str, reason: str) -> dict[str, Any]:
    return event(order_id, at=world.app.time.now(), kind="order.issue_reported", issue={"reason": reason})


@pytest_asyncio.fixture(loop_scope="session")
async def busy(desk: World) -> World:
    """Twelve open escalations, one of them critical."""
    for n in range(12):
        reason = "customer_unsafe" if n == 7 else "double_deduction"
        await happen(desk, order(desk, order_id=f"ORD-{n}"), reported(desk, f"ORD-{n}", reason))
    return desk


async def test_ten_are_taken_with_four_keys_and_somebody_elses_only_knowingly(busy: World, browser: Browser) -> None:
    kim = await signed_in(browser, busy, "supervisor", name="Kim")
    lee = await signed_in(browser, busy, "supervisor", name="Lee")
    rows = kim.locator("[data-escalation]")
    await expect(rows).to_have_count(12)
    await expect(rows.first).to_contain_text("Customer feels unsafe")
    await expect(rows.nth(1)).to_contain_text("Money was taken twice")
    await expect(kim.locator("#live")).to_have_text("live")
    # What happens after a page was read and before it listens is not missed.
    taken = asyncio.Event()

    async def late(route: Route) -> None:
        await taken.wait()
        await route.continue_()

    await lee.route("**/v1/escalations/stream*", late)
    await lee.reload()
    await expect(lee.locator("[data-escalation]")).to_have_count(12)
    hand = Hand(kim, "take ten escalations")
    await hand.press("1", "0", "x", "a")
    await expect(kim.locator("[data-owner=Kim]")).to_have_count(10)
    hand.done(keys=4)
    taken.set()
    await expect(lee.locator("[data-owner=Kim]")).to_have_count(10)
    await lee.keyboard.press("j")
    await lee.keyboard.press("a")
    await expect(lee.get_by_role("dialog", name="Take over?")).to_contain_text("Kim has it")
    await lee.get_by_role("button", name="Leave it").click()
    hand = Hand(lee, "take over what somebody has")
    await hand.press("t")
    await expect(lee.get_by_role("dialog", name="Take over?")).to_be_visible()
    await hand.press("Enter")
    await expect(kim.locator("[data-owner=Lee]")).to_have_count(1)
    hand.done(keys=2)
    hand = Hand(kim, "see only my own")
    await hand.press("m")
    await expect(rows).to_have_count(9)
    hand.done(keys=1)
    # At the end of the shift all of it goes to somebody.
    hand = Hand(kim, "hand over a shift")
    await hand.click(kim.get_by_role("link", name="Hand over"))
    await hand.say(kim.get_by_label("To", exact=True), "Lee")
    await hand.say(kim.get_by_label("Note for all of them"), "Refunds are under way")
    await hand.click(kim.get_by_role("button", name="Hand over the selected ones"))
    await expect(kim.get_by_role("status").filter(has_text="9 given to Lee")).to_be_visible()
    hand.done(clicks=4)
    await expect(lee.locator("[data-owner=Lee]")).to_have_count(10)
    await expect(lee.get_by_text("Refunds are under way").first).to_be_attached()
    # What another one has is asked for by name.
    await kim.goto(f"{busy.http}/desk?limit=50")
    await kim.get_by_label("Owner").select_option("Lee")
    await kim.get_by_role("button", name="Show").click()
    await expect(rows).to_have_count(10)


async def test_only_what_changed_travels_and_focus_stays(busy: World, browser: Browser) -> None:
    page = await signed_in(browser, busy, "supervisor", name="Kim")
    await expect(page.locator("#live")).to_have_text("live")
    sizes: list[int] = []

    async def weigh(response: object) -> None:
        if "/desk/board" in response.url:  # type: ignore[attr-defined]
            sizes.append(len(await response.body()))  # type: ignore[attr-defined]

    page.on("response", weigh)
    await page.locator("[data-escalation]").nth(4).locator(".pick input").check()
    chosen = await page.locator("[data-escalation]").nth(4).get_attribute("data-escalation")
    await happen(busy, order(busy, order_id="ORD-99"), reported(busy, "ORD-99", "customer_unsafe"))
    await expect(page.locator("[data-escalation]")).to_have_count(13)
    await expect(page.locator("#total")).to_have_text("13")
    await expect(page.locator("[data-escalation]").nth(1)).to_contain_text("ORD-99")
    box = page.locator(f"#e-{chosen} .pick input")
    await expect(box).to_be_checked()
    await expect(box).to_be_focused()
    assert 0 < max(sizes) < 5000, sizes
    await _paged_and_offline(busy, page)


async def _paged_and_offline(busy: World, page: Page) -> None:
    """What stands on a later page is counted only; Enter does what stands beside the field; what fails comes back."""
    await page.goto(f"{busy.http}/desk?limit=5")
    rows = page.locator("[data-escalation]")
    await expect(page.locator("#live")).to_have_text("live")
    await happen(busy, order(busy, order_id="ORD-98"), reported(busy, "ORD-98", "double_deduction"))
    await expect(page.locator("#total")).to_have_text("14")
    await expect(rows).to_have_count(5)
    await rows.nth(1).locator(".pick input").check()
    comment = page.locator("#many-comment")
    await comment.fill("Called twice")
    await comment.press("Enter")
    await expect(rows.nth(1)).to_contain_text("Called twice")
    await expect(comment).to_have_value("")
    # On paper it is light, and its columns are whole.
    await page.emulate_media(media="print", color_scheme="dark")
    assert (
        await page.locator(".rows").evaluate("node => getComputedStyle(node).backgroundColor") == "rgb(255, 255, 255)"
    )
    assert await page.locator(".row .figure, .row .what").evaluate_all(CUT) == 0
    await page.emulate_media(media="screen", color_scheme="light")
    last = await rows.nth(1).get_attribute("data-escalation")
    await page.context.set_offline(True)
    await rows.nth(1).focus()
    await page.keyboard.press("r")
    await expect(page.locator("#toast")).to_contain_text("No connection: this was not done.")
    await expect(page.locator(f"#e-{last}")).to_have_css("opacity", "1")
    await page.context.set_offline(False)
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator(f"#e-{last}")).to_have_count(0)
    # Whoever scrolls to where they end gets the next ones, and all of them stay through a time without connection.
    await page.set_viewport_size({"width": 1440, "height": 300})
    await page.mouse.wheel(0, 5000)
    await expect(rows).to_have_count(13)
    await expect(page.locator("#more")).to_have_count(0)
    keys = await rows.evaluate_all("rows => rows.map((r) => r.dataset.key)")
    assert keys == sorted(keys)


async def test_it_works_without_a_script(busy: World, browser: Browser) -> None:
    page = await signed_in(browser, busy, "supervisor", name="Kim", by_form=True, java_script_enabled=False)
    await page.get_by_role("checkbox", name=re.compile("ORD-7$")).check()
    await page.get_by_role("checkbox", name=re.compile("ORD-3$")).check()
    await page.locator("#bulk").get_by_role("button", name="Take").click()
    await expect(page.locator("[data-owner=Kim]")).to_have_count(2)
    await page.get_by_label("Team").select_option("finance")
    await page.get_by_role("button", name="Show").click()
    await expect(page.locator("[data-escalation]")).to_have_count(11)
    await page.goto(f"{busy.http}/desk")
    await expect(page.locator("[data-escalation]")).to_have_count(11)


async def test_an_incident_opens_to_its_orders_and_what_breaks_soon_is_beside_it(desk: World, browser: Browser) -> None:
    late = (desk.app.time.now() - timedelta(hours=1)).isoformat()
    await happen(desk, *(order(desk, order_id=f"ORD-{n}", eta=late) for n in range(16)))
    soon = (desk.app.time.now() - timedelta(minutes=12)).isoformat()
    await happen(desk, order(desk, order_id="ORD-50", eta=soon))

    async def are_all_told() -> bool:
        views = [await desk.view(f"ORD-{n}") for n in range(16)]
        return all(any(e["level"] == 2 for e in v["escalations"]) for v in views)

    # What has been late for an hour is at its second level; on the way there, the board shows another incident for a moment.
    await desk.until(are_all_told, "all that is late is told")
    page = await signed_in(browser, desk, "supervisor")
    link = page.get_by_role("link", name=re.compile("orders$"))
    await expect(link).to_be_visible()
    await link.click()
    await expect(page.locator(".row.member").first).to_contain_text("Partner is very late")
    assert await page.locator(".row.member").count() == int((await link.inner_text()).split()[0])
    # Whoever takes one of them still sees it there.
    count, member = await page.locator(".row.member").count(), page.locator(".row.member").nth(1)
    await member.focus()
    await page.keyboard.press("a")
    await expect(member).to_have_attribute("data-owner", re.compile("."))
    await expect(page.locator(".row.member")).to_have_count(count)
    near = page.locator("#soon")
    await expect(near).to_contain_text("ORD-50")
    await expect(near).to_contain_text("Partner is very late")
    box = await near.bounding_box()
    assert box is not None
    assert box["y"] < 300, "it is in sight"


async def test_two_at_the_same_lines_take_nothing_from_each_other_unawares(busy: World, browser: Browser) -> None:
    kim = await signed_in(browser, busy, "supervisor", name="Kim")
    lee = await signed_in(browser, busy, "supervisor", name="Lee")
    for page in (kim, lee):
        await expect(page.locator("#live")).to_have_text("live")
    first, second = [await kim.locator("[data-escalation]").nth(n).get_attribute("data-escalation") for n in (0, 1)]

    async def take_over(escalation: str | None) -> None:
        await expect(lee.locator(f"#e-{escalation}[data-owner=Kim]")).to_have_count(1)
        await lee.locator(f"#e-{escalation}").focus()
        await lee.keyboard.press("t")
        await lee.get_by_role("button", name="Take over", exact=True).last.click()
        await expect(kim.locator(f"#e-{escalation}[data-owner=Lee]")).to_have_count(1)

    # The other one has it by now: it is not given back over their head.
    await kim.locator(f"#e-{first}").focus()
    await kim.keyboard.press("a")
    await take_over(first)
    await kim.keyboard.press("u")
    await expect(kim.locator("#toast")).to_contain_text("Lee has it since")
    await expect(lee.locator(f"#e-{first}[data-owner=Lee]")).to_have_count(1)
    # Giving several asks as taking one does.
    await kim.locator(f"#e-{first} .pick input").check()
    await kim.locator("#many-to").fill("Zoe")
    await kim.locator("#bulk").get_by_role("button", name="Give").click()
    await expect(kim.get_by_role("dialog", name="Take over?")).to_contain_text("Lee has it")
    await kim.get_by_role("button", name="Leave it").click()
    await kim.locator(f"#e-{first} .pick input").uncheck()
    # Nor does a sheet that was read before.
    await kim.locator(f"#e-{second}").focus()
    await kim.keyboard.press("a")
    sheet = await kim.context.new_page()
    await expect(kim.locator(f"#e-{second}[data-owner=Kim]")).to_have_count(1)
    await sheet.goto(f"{busy.http}/desk/handover")
    await take_over(second)
    await sheet.get_by_label("To", exact=True).fill("Zoe")
    await sheet.get_by_role("button", name="Hand over the selected ones").click()
    await expect(sheet.get_by_role("alert")).to_contain_text("Lee has it since")
    # A key that is pressed twice asks once, so that taking back stays at hand.
    third = kim.locator("[data-owner='']").first
    name = await third.get_attribute("id")
    await third.focus()
    await kim.keyboard.press("r")
    await kim.keyboard.press("r")
    await expect(kim.locator(f"#{name}")).to_have_count(0)
    await kim.locator("#toast").get_by_role("button", name="Undo").click()
    await expect(kim.locator(f"#{name}")).to_have_count(1)
    await expect(kim.locator("[data-escalation]")).to_have_count(12)


async def test_words_and_moments_are_for_the_line_they_were_given_for(busy: World, browser: Browser) -> None:
    kim = await signed_in(browser, busy, "supervisor", name="Kim")
    await expect(kim.locator("#live")).to_have_text("live")
    lines = [kim.locator("[data-escalation]").nth(n) for n in (0, 1)]
    of = [await line.locator(".where").inner_text() for line in lines]
    words = kim.locator("#remark-text")
    await lines[0].focus()
    await kim.keyboard.press("c")
    await expect(kim.locator("#remark-of")).to_contain_text(of[0])
    await words.fill("A refund was promised")
    await kim.keyboard.press("Escape")
    await lines[1].focus()
    await kim.keyboard.press("c")
    await expect(kim.locator("#remark-of")).to_contain_text(of[1])
    await expect(words).to_have_value("")
    await kim.keyboard.press("Escape")
    await lines[0].focus()
    await kim.keyboard.press("c")
    await expect(words).to_have_value("A refund was promised")
    # Somebody settles it while they are written: they are not gone with it.
    supervisor = Client(busy, await key_for(busy, "supervisor", "Lee"))
    escalation = await lines[0].get_attribute("data-escalation")
    await supervisor.post(f"/v1/escalations/{escalation}/resolve")
    await supervisor.close()
    await kim.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(kim.locator("#toast")).to_contain_text("your words are kept")
    await kim.get_by_role("button", name="Show", exact=True).last.click()
    await expect(words).to_have_value("A refund was promised")
    await kim.keyboard.press("Escape")
    # A moment that is typed is the one that Enter takes.
    at = await kim.evaluate(
        "new Date(Date.now() + 3 * 3600e3 - new Date().getTimezoneOffset() * 60e3).toISOString().slice(0, 16)"
    )
    row = kim.locator("[data-escalation]").first
    await row.focus()
    await kim.keyboard.press("s")
    await kim.locator("#later-at").fill(at)
    await kim.locator("#later-at").press("Enter")
    await expect(row.locator(".what")).to_contain_text(at[-5:])
