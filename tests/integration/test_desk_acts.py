"""The desk's forms: only what is possible now, errors beside their fields, and nothing typed is lost."""

import re
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from aiohttp import ClientSession

from tests.integration.conftest import Caller
from tests.support.client import key_for
from tests.support.events import CUSTOMER, event
from tests.support.world import World

pytestmark = pytest.mark.any_database
ORDER = "/desk/orders/repair/R-1"


class Desk:
    """Somebody at the desk, by their key."""

    def __init__(self, world: World, session: ClientSession) -> None:
        self._base = world.http
        self._session = session

    async def get(self, path: str) -> str:
        async with self._session.get(self._base + path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()

    async def send(self, path: str, **fields: str) -> tuple[int, str, str]:
        """Status, path in the end, and page."""
        fields = {name.replace("__", "."): value for name, value in fields.items()}
        async with self._session.post(self._base + path, data=fields) as answer:
            return answer.status, answer.url.path, await answer.text()


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    """An agent."""
    key = await key_for(world, "agent", "Kim")
    async with ClientSession(headers={"Authorization": f"Bearer {key}", "Accept": "text/html"}) as session:
        yield Desk(world, session)


def version_in(text: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', text)
    assert found
    return found[1]


async def test_only_what_is_possible_is_offered_and_second_comers_keep_their_words(
    world: World, caller: Caller, desk: Desk
) -> None:
    await world.accept(event("R-1", "scheduled", workflow="repair", recipients={"customer": CUSTOMER}))
    other = await caller("supervisor")
    text = await desk.get(ORDER)
    forms = re.findall(r'name="form" value="([\w.]+)"', text)
    assert forms == ["change_status.draft", "change_status.new", "change_status.in_progress", "change_status.cancelled",
                     "assign", "set_dates"]  # fmt: skip
    seen = version_in(text)
    # A note is missing: said at its field.
    status, _, page = await desk.send(ORDER, form="change_status.cancelled", version=seen,
                                      attributes__cancel_reason="too_dear")  # fmt: skip
    assert status == 422
    assert re.search(r'name="note.text"[^>]*aria-invalid="true"', page)
    assert re.search(r'value="too_dear" selected', page)
    assert (await other.post("/v1/orders/repair/R-1/acts", {"act": "change_status", "status": "new"}))[0] == 200
    typed = {"form": "change_status.in_progress", "version": seen, "note__text": "The lid is loose <b>"}
    status, _, page = await desk.send(ORDER, **typed)
    assert status == 409
    assert "The lid is loose &lt;b&gt;</textarea>" in page
    assert "supervisor" in page
    assert "has changed since you opened it" in page
    status, path, _ = await desk.send(ORDER, **{**typed, "version": version_in(page)})
    assert (status, path) == (200, ORDER)
    view = await world.view("R-1", "repair")
    assert view["status"] == "in_progress"
    # What is not possible any more still gives the words back.
    status, _, page = await desk.send(ORDER, **{**typed, "form": "change_status.draft", "version": seen})
    assert status == 409
    assert '<blockquote dir="auto">The lid is loose &lt;b&gt;</blockquote>' in page


async def test_times_are_in_the_viewers_zone_and_an_hour_that_is_none_is_told(world: World, desk: Desk) -> None:
    await world.accept(event("R-1", "awaiting_parts", workflow="repair", recipients={"customer": CUSTOMER}))
    status, _, page = await desk.send(ORDER, form="set_dates", eta="2026-03-29T02:30", zone="Europe/Berlin")
    assert (status, "there is no such hour" in page) == (422, True)
    status, _, _ = await desk.send(ORDER, form="set_dates", eta="2026-03-29T12:30", zone="Asia/Kolkata")
    assert status == 200
    assert (await world.view("R-1", "repair"))["eta"].isoformat() == "2026-03-29T07:00:00+00:00"
    status, _, page = await desk.send(ORDER, form="set_dates", appointment__end="2026-03-29T12:30")
    assert (status, "the start is needed" in page) == (422, True)
    assert (await desk.send(ORDER, form="set_dates"))[0] == 422


async def test_an_order_is_made_by_a_form_and_taken_by_oneself(world: World, desk: Desk) -> None:
    assert "/desk/new/repair" in await desk.get("/desk/new")
    form = await desk.get("/desk/new/repair")
    assert 'name="people.customer.email"' in form
    said = {"attributes__item": "Bicycle", "attributes__expected_end": "soon"}
    person = {
        "people__customer__name": "Ana",
        "people__customer__email": "ana@example.com",
        "people__customer__locale": "de",
    }
    status, _, page = await desk.send("/desk/new/repair", status="draft", form_id="f1", **said, **person)
    assert (status, "a day such as" in page, 'value="ana@example.com"' in page) == (422, True, True)
    said["attributes__expected_end"] = "2026-12-27"
    once = [await desk.send("/desk/new/repair", status="draft", form_id="f1", **said, **person) for _ in range(2)]
    (path,) = {path for _, path, _ in once}
    assert re.fullmatch(r"/desk/orders/repair/REP-[A-Z2-7]{8}", path)
    assert (await desk.send(path, form="assign", myself="yes", assignee__role="technician"))[0] == 200
    view = await world.view(path.rpartition("/")[2], "repair")
    assert (view["attributes"]["item"], view["recipients"]["customer"][0]["locale"]) == ("Bicycle", "de")
    assert view["assignee"] is None, "drafts show nobody"
    status, _, page = await desk.send("/desk/new/device_pickup", status="created")
    assert (status, "your role may not create device_pickup orders" in page) == (403, True)


async def test_a_quote_has_lines_and_comments_reach_a_side(world: World, desk: Desk) -> None:
    people = {"partner": {"email": "p@example.com"}, "provider": {"email": "q@example.com"}}
    await world.accept(event("M-1", "pending_quotes", workflow="marketing_services", recipients=people))
    path = "/desk/orders/marketing_services/M-1"
    lines = {
        "lines__1__what": "Photos",
        "lines__1__cost": "1 200,50",
        "lines__3__what": "Travel",
        "lines__3__cost": "90",
    }
    status, _, page = await desk.send(path, form="quote", price__currency="", **lines)
    assert (status, "three letters" in page, 'value="1 200,50"' in page) == (422, True, True)
    status, _, page = await desk.send(
        path, form="quote", price__currency="eur", attributes__quote_expires="2026-12-27", **lines
    )
    assert status == 200
    view = await world.view("M-1", "marketing_services")
    assert view["price"]["amount"] == "1290.50"
    assert [line["what"] for line in view["attributes"]["quote"]] == ["Photos", "Travel"]
    await world.settled()
    assert any("Photos: €1,200.50" in m.part("plain") for m in world.mailbox.mails)
    status, _, _ = await desk.send(f"{path}/notes", text="In blue, please", public="to partner")
    assert status == 200
    await world.settled()
    assert any("In blue, please" in m.part("plain") for m in world.mailbox.mails if m.to == "p@example.com")
    status, _, page = await desk.send(f"{path}/notes", text="", public="false")
    assert status == 422


async def test_who_is_called_is_taken_on_the_orders_page_and_taken_over_only_when_asked(
    world: World, caller: Caller, desk: Desk
) -> None:
    await world.accept(event("R-1", "scheduled", workflow="repair", recipients={"customer": CUSTOMER}))
    issue = {"reason": "wrong_notification", "detail": "It does not open"}
    await world.accept(event("R-1", workflow="repair", kind="order.issue_reported", issue=issue))
    kim, lee = await caller("supervisor"), await caller("admin")
    path = f"{ORDER}/escalations"
    assert "Take</button>" not in await desk.get(ORDER), "agents report, supervisors take"

    async def send(who: Any, act: str, **more: str) -> tuple[int, str]:
        _, order = await who.get("/v1/orders/repair/R-1")
        said = {"act": act, "escalation": order["escalations"][0]["id"], "csrf_token": "", **more}
        return cast(tuple[int, str], await who.call("POST", path, data=said, allow_redirects=False))

    async def owner() -> str:
        _, order = await kim.get("/v1/orders/repair/R-1")
        return str(order["escalations"][0]["owner"])

    assert "Take</button>" in (await kim.get(ORDER))[1]
    assert (await send(kim, "take"))[0] == 303
    assert await owner() == "supervisor"
    assert "Put back</button>" in (await kim.get(ORDER))[1]
    status, html = await send(lee, "take")
    assert status == 409
    assert "supervisor has it" in html
    assert "Take it over all the same" in html
    assert (await send(lee, "take_over"))[0] == 303
    assert await owner() == "admin"
    assert (await send(lee, "back"))[0] == 303
    assert await owner() == ""
    assert (await send(lee, "keep"))[0] in (400, 422)
