"""The desk's pages of messages, performance and the audit log, as those see them who answer for an outage."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, web

from tests.integration.conftest import Caller
from tests.support.client import key_for
from tests.support.events import event, person
from tests.support.providers import Sent
from tests.support.world import World

pytestmark = pytest.mark.any_database


class AdminDesk:
    """An admin at the desk."""

    def __init__(self, world: World, session: ClientSession) -> None:
        self._base = world.http
        self._session = session

    async def get(self, path: str) -> str:
        async with self._session.get(self._base + path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()

    async def send(self, path: str, **fields: str) -> str:
        async with self._session.post(self._base + path, data=fields) as answer:
            assert answer.status < 400, await answer.text()
            return await answer.text()


@pytest.fixture
async def desk(world: World) -> AsyncIterator[AdminDesk]:
    key = await key_for(world, "admin", "Ada")
    async with ClientSession(headers={"Authorization": f"Bearer {key}", "Accept": "text/html"}) as session:
        yield AdminDesk(world, session)


async def whatsapp_refuses(sent: Sent) -> web.StreamResponse | None:
    refused = {"code": 63007, "message": "no sender", "status": 400}
    return web.json_response(refused, status=400) if sent.channel == "whatsapp" else None


async def test_a_form_that_is_sent_twice_counts_once(world: World, caller: Caller, desk: AdminDesk) -> None:
    supervisor = await caller("supervisor")
    keys = {
        re.findall(
            r"<code>(sb_[^<]+)</code>", await desk.send("/desk/admin/keys", name="n", role="agent", form_id="a")
        )[0]
        for _ in range(2)
    }
    assert len(keys) == 1, "the one that exists is shown"
    for _ in range(2):
        await desk.send("/desk/holds", channel="sms", why="wrong words", form_id="b")
    (hold,) = (await supervisor.get("/v1/holds"))[1]["holds"]
    for _ in range(2):
        await desk.send(f"/desk/holds/{hold['id']}/release", form_id="c")
    assert (await supervisor.get("/v1/holds"))[1]["holds"] == []
    for form_id in ("d", "d", "e"):
        fields = {"workflow": "device_pickup", "email": "boss@example.com", "day": "0", "form_id": form_id}
        await desk.send("/desk/performance/mail", **fields)
    assert len((await supervisor.get("/v1/subscriptions"))[1]["subscriptions"]) == 1, "nobody gets one report twice"


async def test_a_hold_of_a_notice_is_called_by_its_title_and_leads_to_what_it_holds(
    world: World, desk: AdminDesk
) -> None:
    await desk.send("/desk/holds", notice="vendor_en_route", form_id="a")
    page = await desk.get("/desk/messages")
    assert "Partner on the way held by Ada" in page
    assert '/desk/messages?notice=vendor_en_route&amp;state=retrying%2Cheld%2Cpending"' in page


async def test_what_waits_for_a_provider_that_refuses_us_says_so(world: World, desk: AdminDesk) -> None:
    world.providers.behave = whatsapp_refuses
    for n in (1, 2, 3):
        await world.accept(event(f"W-{n}", "created", recipients={"customer": person(n, push_tokens=[])}))
    await world.settled()
    page = await desk.get("/desk/messages?channel=whatsapp&state=retrying,pending")
    assert "Its provider refuses us at the moment" in page
    assert '<td class="why"></td>' not in page, "no row leaves open why it waits"


async def test_the_audit_log_says_which_messages_were_meant_and_how_many_were_erased(
    world: World, caller: Caller, desk: AdminDesk
) -> None:
    await world.accept(event("A-1", "created", recipients={"customer": person(1)}))
    await world.settled()
    admin = await caller("admin")
    for sure in ("", "yes"):
        await desk.send(
            "/desk/messages/resend?channel=whatsapp&state=failed&recipient=%2B919800000001", every="yes", sure=sure
        )
    told: dict[str, Any] = {"open": True, "told": {"channel": "sms"}}
    order = {"workflow": "device_pickup", "notice": "looking_into_it", "filter": told}
    assert (await admin.post("/v1/broadcasts", order))[0] == 200
    lines = (await admin.get("/v1/audit"))[1]["lines"]
    said = {line["act"]: line["detail"].get("wanted") for line in lines}
    meant = ["channel whatsapp", "state failed", "one address"]
    assert (said["messages.resend_counted"], said["messages.resent"]) == (meant, meant)
    assert said["broadcast.sent"] == ["open", "told: channel sms"]
    assert (await admin.call("DELETE", "/v1/people/+919800000001"))[0] == 200
    page = await desk.get("/desk/audit?act=person.erased")
    assert re.search(r"counts .*messages \d+, .*orders 1", page)


async def test_whoever_tells_all_sees_who_told_them_already(world: World, caller: Caller, desk: AdminDesk) -> None:
    await world.accept(event("T-1", "created", recipients={"customer": person(1)}))
    await world.settled()
    form = {"workflow": "device_pickup", "notice": "looking_into_it", "open": "yes"}
    assert "already within the last day" not in await desk.send("/desk/tell-all", **form)
    supervisor = await caller("supervisor")
    order = {"workflow": "device_pickup", "notice": "looking_into_it", "filter": {"open": True}}
    assert (await supervisor.post("/v1/broadcasts", order))[0] == 200
    page = await desk.send("/desk/tell-all", **form)
    assert "already within the last day" in page
    assert "by <bdi>supervisor</bdi> (open)" in page
    other = await desk.send("/desk/tell-all", **{**form, "notice": "payment_verification"})
    assert "already within the last day" not in other
