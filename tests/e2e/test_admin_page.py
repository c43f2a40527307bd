"""The admin's page in a real browser: a key made, used and revoked; a person looked up and erased."""

import contextlib

import pytest
from playwright.async_api import Browser, expect

from service.broker.port import DEAD
from tests.e2e.test_desk import happen, order, signed_in
from tests.support.client import Client
from tests.support.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_keys_and_people_are_handled_at_the_desk(desk: World, browser: Browser) -> None:
    await happen(desk, order(desk))
    page = await signed_in(browser, desk, "admin", name="Ada")
    await page.get_by_role("link", name="Admin").click()
    await page.get_by_label("Name", exact=True).fill("night shift")
    await page.get_by_label("Role").select_option("supervisor")
    # By a double click, of which the first key would be seen by nobody.
    await page.get_by_role("button", name="Create a key").dblclick()
    await expect(page.get_by_role("row").filter(has_text="night shift")).to_have_count(1)
    key = await page.get_by_role("status").locator("code").inner_text()
    caller = Client(desk, key)
    assert (await caller.get("/v1/escalations"))[0] == 200
    # It cannot be taken back, so it is asked for.
    await page.get_by_label("Revoke night shift", exact=True).click()
    await page.get_by_role("button", name="Revoke night shift for good").click()
    await expect(page.get_by_text("revoked")).to_be_visible()
    assert (await caller.get("/v1/escalations"))[0] == 401
    await caller.close()
    # So it is with a dead letter, whose time is the viewer's.
    with contextlib.suppress(AssertionError):
        await happen(desk, order(desk, "no_such_status", "ORD-3"))
    await desk.quiet()  # its letter is published, as the page reads the queue once
    await page.get_by_role("link", name="Dead letters").click()
    await expect(page.locator("td time[data-at]")).to_have_count(1)
    await page.get_by_role("button", name="Replay ORD-3", exact=True).click()
    await expect(page.get_by_role("status").filter(has_text="1 is being tried again")).to_be_visible()
    await desk.until(lambda: desk.app.broker.depth(DEAD), "it was rejected once more")
    await page.get_by_role("navigation", name="Elsewhere").get_by_role("link", name="Admin").click()
    await page.get_by_role("link", name="Dead letters").click()
    await page.get_by_label("Drop ORD-3", exact=True).click()
    await page.get_by_role("button", name="Drop ORD-3 for good").click()
    await expect(page.get_by_text("No events were rejected")).to_be_visible()
    await page.get_by_role("navigation", name="Elsewhere").get_by_role("link", name="Admin").click()
    await page.get_by_label("Phone or email").fill("+91 98123 45678")
    await page.get_by_role("button", name="Show their data").click()
    await expect(page.get_by_text("Asha", exact=True)).to_be_visible()
    await page.get_by_label("Write erase").fill("erase")
    await page.get_by_role("button", name="Erase this person everywhere").click()
    await expect(page.get_by_role("status").filter(has_text="Erased in 1 order and")).to_be_visible()
    # Mistakes are pages that lead back.
    await page.goto(f"{desk.http}/desk/admin/people/nobody")
    await expect(page.get_by_role("alert")).to_contain_text("address")
    await page.get_by_role("link", name="Back", exact=True).click()
    await page.goto(f"{desk.http}/desk/nope")
    await expect(page.get_by_role("alert")).to_contain_text("nothing at this address")
    await page.get_by_role("link", name="Back", exact=True).click()
    await expect(page).to_have_url(f"{desk.http}/desk")
