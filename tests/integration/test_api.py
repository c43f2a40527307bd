"""The HTTP contract, over real HTTP, on both databases."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from service.clock import clock
from service.domain.teams import SEVERITIES
from service.ledger.escalations.stream_lines import stream_after
from service.web.auth import INCLUDES
from service.web.broadcast import StreamLine
from service.web.routes.table import API, OPERATIONS, PAGES
from tests.integration.conftest import Caller
from tests.support.client import ROLES
from tests.support.events import CUSTOMER, NOON, VENDOR, encoded, event, minutes
from tests.support.examples import LONG
from tests.support.streams import listening, read_stream
from tests.support.world import World

pytestmark = pytest.mark.any_database

ORDER = "/v1/orders/device_pickup/A-1"


async def begun(world: World, order_id: str = "A-1", status: str = "vendor_en_route", **data: Any) -> None:
    said = {"recipients": {"customer": CUSTOMER}, "assignee": VENDOR, **data}
    await world.accept(event(order_id, status, **said))
    await world.settled()


async def test_every_route_is_for_the_roles_that_it_says(world: World, caller: Caller) -> None:
    clients = {role: await caller(role) for role in ROLES}
    nobody = await caller("")
    guarded = [r for r in (*API, *PAGES) if r.role is not None]
    assert len(guarded) > 30
    for route in guarded:
        if route.path.endswith("/stream"):
            continue
        path = re.sub(r"{[^}]+}", "1", route.path.replace("{act:replay|drop}", "drop"))
        status, _ = await nobody.call(route.method, path, allow_redirects=False)
        assert status in (401, 302), route.path
        for role, client in clients.items():
            status, _ = await client.call(route.method, path, allow_redirects=False)
            allowed = route.role in INCLUDES[role]
            assert (status not in (401, 403)) == allowed or (path == "/desk" and status == 302), (
                route.path,
                role,
                status,
            )


async def test_open_routes_are_only_these() -> None:
    without = {r.path for r in (*API, *PAGES, *OPERATIONS) if r.role is None}
    assert without == {
        "/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/asyncapi.json", "/schemas/{type}.json", "/t/{token}", "/t/{token}.json",
            "/t/{token}/preferences", "/t/{token}/replies/{reply}", "/a/{token}", "/a/{token}/{act}", "/f/{token}", "/l/{token}",
        "/callbacks/twilio/status", "/callbacks/twilio/inbound", "/u/{token}", "/desk/sign-in", "/desk/sign-out",
        "/desk/sign-in/oidc", "/desk/sign-in/oidc/callback",
    }  # fmt: skip


async def test_events_are_answered_one_by_one(world: World, caller: Caller) -> None:
    publisher = await caller("publisher")
    good, bad = event("A-1", "created"), event("A-1", "creatd", minutes(1))
    assert (await publisher.post("/v1/events", good))[1]["results"][0]["outcome"] == "accepted"
    status, answer = await publisher.post("/v1/events", [good, bad, event("A-1", "assigned", minutes(1))])
    assert status == 207
    assert [r["outcome"] for r in answer["results"]] == ["duplicate", "rejected", "accepted"]
    assert "did you mean 'created'" in answer["results"][1]["reason"]
    status, problem = await publisher.post("/v1/events", bad)
    assert (status, problem["status"]) == (422, 422)
    binary = {"ce-specversion": "1.0", "ce-id": "b1", "ce-source": "/x", "ce-type": "order.status_changed",
              "ce-subject": "A-2", "ce-time": NOON.isoformat()}  # fmt: skip
    status, answer = await publisher.call(
        "POST", "/v1/events", {"workflow": "device_pickup", "status": "created"}, headers=binary
    )
    assert (status, answer["results"][0]["order_id"]) == (200, "A-2")


async def test_an_id_used_again_for_something_else_is_said(world: World, caller: Caller) -> None:
    publisher = await caller("publisher")
    first = event("A-3", "created")
    other = {**event("A-3", "assigned", minutes(1)), "id": first["id"]}
    counted = differing()
    assert (await publisher.post("/v1/events", first))[1]["results"][0]["outcome"] == "accepted"
    # The same again, however it is written down: the order of names, how the time is spelt, its trace.
    same = dict(reversed(first.items())) | {"time": first["time"].replace("+00:00", "Z"), "traceparent": "00-x"}
    _, answer = await publisher.post("/v1/events", same)
    assert answer["results"][0]["outcome"] == "duplicate"
    assert (answer["results"][0]["warnings"], "reason" in answer["results"][0]) == ([], False)
    assert differing() == counted
    for batch in (other, [other]):
        status, answer = await publisher.post("/v1/events", batch)
        (result,) = answer["results"]
        assert (status, result["outcome"], [w["field"] for w in result["warnings"]]) == (200, "duplicate", ["id"])
        assert "said something else" in result["reason"]
    fresh, changed = event("A-4", "created"), event("A-4", "created", attributes={"colour": "red"})
    _, answer = await publisher.post("/v1/events", [fresh, {**changed, "id": fresh["id"]}])
    assert [r["outcome"] for r in answer["results"]] == ["accepted", "duplicate"]
    assert "said something else" in answer["results"][1]["reason"]
    assert differing() == counted + 3
    agent = await caller("agent")
    assert (await agent.get("/v1/orders/device_pickup/A-3"))[1]["status"] == "created"


def differing() -> float:
    return REGISTRY.get_sample_value("stagebell_duplicates_differing_total") or 0.0


async def test_one_order_whole(world: World, caller: Caller) -> None:
    await begun(world)
    agent = await caller("agent")
    status, o = await agent.get(ORDER)
    assert status == 200
    assert (o["status"], o["stage"], o["stage_title"]) == ("vendor_en_route", "vendor_en_route", "Partner on the way")
    assert o["assignee"]["phone"] == VENDOR["phone"]
    assert {m["channel"] for m in o["messages"]} == {"sms", "whatsapp", "push"}
    assert all(m["state"] == "sent" and m["text"] for m in o["messages"])
    assert {c["name"] for c in o["clocks"]} >= {"vendor_late", "vendor_very_late", "silent"}
    assert [a["question"] for a in o["answers"]] == ["Where is my vendor?", "The vendor is late", "I got no messages"]
    assert (await agent.get("/v1/orders/device_pickup/none"))[0] == 404
    assert (await agent.get("/v1/orders/nothing/A-1"))[0] == 404


async def test_vendor_contact_only_after_assignment(world: World, caller: Caller) -> None:
    await begun(world, status="pending_vendor_assignment")
    assert (await (await caller("agent")).get(ORDER))[1]["assignee"] is None


async def test_orders_are_found_and_paged(world: World, caller: Caller) -> None:
    for n in range(7):
        await world.accept(event(f"L-{n}", "created", recipients={"customer": {"phone": f"+9198000000{n:02d}"}}))
        world.clock.advance(seconds=1)
    await begun(world, "M-1")
    agent = await caller("agent")
    seen: list[str] = []
    cursor = ""
    for _ in range(4):
        status, page = await agent.get(f"/v1/orders?workflow=device_pickup&limit=3&cursor={cursor}")
        assert status == 200
        seen += [o["order_id"] for o in page["orders"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert seen == ["M-1", *(f"L-{n}" for n in reversed(range(7)))]

    async def ids(query: str) -> list[str]:
        status, page = await agent.get(f"/v1/orders?{query}")
        assert status == 200, page
        return [o["order_id"] for o in page["orders"]]

    assert await ids("status=vendor_en_route") == ["M-1"]
    assert await ids("stage=vendor_en_route") == ["M-1"]
    assert await ids("assignee=v-9") == ["M-1"]
    assert await ids("recipient=%2B919800000003") == ["L-3"]
    assert await ids("recipient=+919800000003") == ["L-3"]
    assert await ids("q=ASHA@example.com") == ["M-1"]
    assert await ids("q=L-5") == ["L-5"]
    assert await ids("overdue=true") == []
    world.clock.advance(minutes=31)
    await world.quiet()
    assert len(await ids("overdue=true")) == 7
    # Late ones alone, the longest late first, over pages too.
    late = await ids("sort=late")
    assert late == [f"L-{n}" for n in range(7)]
    first = (await agent.get("/v1/orders?sort=late&limit=3"))[1]
    assert [o["order_id"] for o in first["orders"]] == late[:3]
    assert await ids(f"sort=late&limit=9&cursor={first['cursor']}") == late[3:]
    assert (await agent.get("/v1/orders?sort=size"))[0] == 400
    assert (await agent.get("/v1/orders?cursor=zzz"))[0] == 400
    status, table = await agent.get("/v1/orders?format=csv&status=vendor_en_route")
    assert (status, len(table.strip().splitlines())) == (200, 2)


async def test_a_manual_notice_is_previewed_then_sent(world: World, caller: Caller) -> None:
    await begun(world, eta=(NOON + minutes(25)).isoformat())
    agent = await caller("agent")
    order = {"reason": "traffic_delay", "channels": ["sms"], "preview": True}
    status, shown = await agent.post(f"{ORDER}/notices", order)
    assert status == 200
    (message,) = shown["messages"]
    assert message["segments"] == 1
    before = len(world.providers.sent)
    status, _ = await agent.post(f"{ORDER}/notices", {**order, "preview": False})
    assert status == 201
    await world.settled()
    assert [s.text for s in world.providers.sent[before:]] == [message["text"]]
    assert (await agent.post(f"{ORDER}/notices", {"reason": "vendor_en_route"}))[0] == 422
    assert (await agent.post(f"{ORDER}/notices", {"reason": "traffic_delay", "channels": ["email"]}))[0] == 422
    assert (await agent.post(f"{ORDER}/notices", {}))[0] == 422


async def test_an_issue_escalates_at_once_and_is_handled(world: World, caller: Caller) -> None:
    await begun(world)
    agent, supervisor = await caller("agent"), await caller("supervisor")
    status, raised = await agent.post(f"{ORDER}/issues", {"reason": "customer_unsafe", "detail": "shouting"})
    assert (status, raised["severity"], raised["team"]) == (201, "critical", "vendor_ops")
    status, page = await supervisor.get("/v1/escalations?team=vendor_ops")
    assert [e["id"] for e in page["escalations"]] == [raised["escalation_id"]]
    base = f"/v1/escalations/{raised['escalation_id']}"
    assert (await supervisor.post(f"{base}/acknowledge"))[1]["state"] == "acknowledged"
    assert (await supervisor.post(f"{base}/snooze", {}))[0] == 422
    for minutes_off in (7 * 24 * 60 + 1, -1):
        moment = (world.clock.now() + timedelta(minutes=minutes_off)).isoformat()
        status, problem = await supervisor.post(f"{base}/snooze", {"until": moment})
        assert (status, problem["detail"].partition(":")[0]) == (422, "until")
    assert (await supervisor.post(f"{base}/snooze", {"until": "2999-01-01T00:00:00Z"}))[0] == 422
    assert (await supervisor.post(f"{base}/snooze", {"minutes": 43_200}))[0] == 422
    assert (await supervisor.post(f"{base}/snooze", {"minutes": 7 * 24 * 60}))[0] == 200
    assert (await supervisor.post(f"{base}/comment", {"comment": "called them"}))[0] == 200
    assert (await supervisor.post(f"{base}/resolve", {"comment": "settled"}))[0] == 200
    assert (await supervisor.post(f"{base}/resolve"))[0] == 409
    assert (await supervisor.get("/v1/escalations"))[1]["total"] == 0
    assert (await supervisor.get("/v1/escalations?state=resolved"))[1]["total"] == 1
    kinds = [t["kind"] for t in (await world.view("A-1"))["timeline"] if t["kind"].startswith("escalation")]
    assert kinds == [f"escalation_{k}" for k in ("opened", "acknowledged", "snoozed", "comment", "resolved")]


@pytest.mark.parametrize("last", ["999999", "999999-abc", "nonsense", "-5", "1-1", "9" * 30, "\u00b2"])
async def test_who_cannot_go_on_from_where_he_was_is_told_so_and_goes_on_from_now(
    world: World, caller: Caller, last: str
) -> None:
    await begun(world)
    agent, supervisor = await caller("agent"), await caller("supervisor")
    await agent.post(f"{ORDER}/issues", {"reason": "wrong_inspection"})
    await world.settled()
    reading = await listening(supervisor, world, last, 2)
    await agent.post(f"{ORDER}/issues", {"reason": "vendor_unreachable"})
    (at, missed), (after, opened) = await reading
    assert missed["missed"] is True
    assert opened["data"]["reason"] == "vendor_unreachable"
    ids = [i for i, _ in await read_stream(supervisor, world, at, 1)]
    assert ids == [after], "the place that comes with it is one to go on from"
    assert (await read_stream(supervisor, world, "0", 1))[0][1]["data"]["reason"] == "wrong_inspection"


async def test_the_stream_is_live_and_resumes_without_a_gap(world: World, caller: Caller) -> None:
    await begun(world)
    agent, supervisor = await caller("agent"), await caller("supervisor")
    reading = await listening(supervisor, world, "", 2)
    for reason in ("vendor_unreachable", "wrong_inspection"):
        await agent.post(f"{ORDER}/issues", {"reason": reason})
    first, second = await reading
    assert [e["data"]["reason"] for _, e in (first, second)] == ["vendor_unreachable", "wrong_inspection"]
    await agent.post(f"{ORDER}/issues", {"reason": "app_error"})
    resumed = await read_stream(supervisor, world, first[0], 2)
    assert [e["data"]["reason"] for _, e in resumed] == ["wrong_inspection", "app_error"]
    assert [e["type"] for _, e in resumed] == ["escalation.opened"] * 2


async def test_tracking_page_and_data(world: World, caller: Caller) -> None:
    await begun(world, eta="2026-03-02T07:00:00Z")
    agent, supervisor, nobody = await caller("agent"), await caller("supervisor"), await caller("")
    url = (await agent.get(f"{ORDER}/link"))[1]["url"]
    assert url in world.providers.of("sms")[0].text
    path = url.removeprefix("https://track.example")
    status, data = await nobody.get(f"{path}.json")
    assert status == 200
    assert data["stage"] == "vendor_en_route"
    assert [s["state"] for s in data["stages"]] == ["done", "done", "current", "next", "next", "next", "next", "next"]
    assert (data["assignee"]["name"], data["assignee"]["contact"][-4:]) == ("Ravi", "0000")
    async with nobody.session.get(world.http + path) as response:
        page = await response.text()
        assert response.headers["X-Robots-Tag"] == "noindex, nofollow"
        assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert len(page.encode()) < 50_000
    for secret in (CUSTOMER["phone"], CUSTOMER["email"], CUSTOMER["name"], VENDOR["phone"]):
        assert str(secret) not in page + str(data)
    assert "आगे" in (await nobody.get(f"{path}?lang=hi"))[1]
    changed = path[:-3] + ("aaa" if path[-3:] != "aaa" else "bbb")
    assert (await nobody.get(changed))[0] == 404
    status, fresh = await supervisor.post(f"{ORDER}/link/revoke")
    assert status == 200
    assert (await nobody.get(path))[0] == 404
    assert (await nobody.get(fresh["url"].removeprefix("https://track.example")))[0] == 200
    world.clock.advance(days=31)
    assert (await nobody.get(fresh["url"].removeprefix("https://track.example")))[0] == 404


async def test_a_person_is_erased_and_counts_stay(world: World, caller: Caller) -> None:
    await begun(
        world, note={"text": "Asha lives upstairs", "public": False}, attributes={"flat": "Rose Cottage", "floor": 3}
    )
    supervisor, admin = await caller("supervisor"), await caller("admin")
    metrics = "/v1/metrics/lifecycle?workflow=device_pickup"
    before = (await supervisor.get(metrics))[1]
    status, erased = await admin.call("DELETE", "/v1/people/%2B919812345678")
    assert (status, erased["orders"]) == (200, 1)
    assert erased["messages"] >= 2
    o = await world.view("A-1")
    assert o["recipients"] == {"customer": ()}
    assert o["attributes"] == {"floor": 3}
    said = json.dumps(o, default=str)
    for gone in ("9812345678", "asha@example.com", "Asha", "upstairs", "Rose Cottage"):
        assert gone not in said
    assert {c["state"] for c in o["clocks"]} >= {"running"}
    after = (await supervisor.get(metrics))[1]
    assert (after["orders"], after["by_status"], after["promises"]) == (
        before["orders"], before["by_status"], before["promises"],
    )  # fmt: skip
    assert (await admin.get("/v1/orders?recipient=%2B919812345678"))[1]["orders"] == []


async def test_what_the_calendar_missed_in_an_outage_comes_once_and_then_at_its_time(
    world: World, caller: Caller
) -> None:
    await world.accept(event("M-1", "pending_quotes", workflow="marketing_services"))
    supervisor = await caller("supervisor")
    order = {"workflow": "marketing_services", "report": "orders", "email": "boss@example.com", "every": "day"}
    assert (await supervisor.post("/v1/subscriptions", {**order, "at": "09:00", "timezone": "Asia/Kolkata"}))[0] == 201

    def mails() -> int:
        return sum(m.to == "boss@example.com" for m in world.mailbox.mails)

    # Nothing runs for two weeks, and it comes back at noon.
    for moment, count in ((NOON + timedelta(days=14), 1), (NOON + timedelta(days=14, hours=20), 1),
                          (NOON + timedelta(days=14, hours=21), 2)):  # fmt: skip
        world.clock.move_to(moment)
        await world.quiet()
        assert mails() == count, moment


async def test_reports_are_mailed_now_and_by_the_calendar(world: World, caller: Caller) -> None:
    for status in ("pending_quotes", "cancelled", "archived"):
        await world.accept(event("M-1", status, minutes(0), workflow="marketing_services"))
    supervisor = await caller("supervisor")
    order = {"workflow": "marketing_services", "report": "orders", "email": "boss@example.com"}
    assert (await supervisor.post("/v1/subscriptions", {**order, "every": "now"}))[0] == 202
    await world.settled()
    (mail,) = world.mailbox.mails
    assert mail.to == "boss@example.com"
    (table,) = mail.message.iter_attachments()
    assert "M-1" in table.get_content()
    # Monday noon in India. Wednesdays; the 31st, or a shorter month's last day; each at nine in the morning there.
    for every, day in (("day", 0), ("week", 2), ("month", 31)):
        said = {**order, "email": f"{every}@example.com", "every": every, "day": day, "at": "09:00"}
        assert (await supervisor.post("/v1/subscriptions", {**said, "timezone": "Asia/Kolkata"}))[0] == 201
    got: dict[str, list[str]] = {"day": [], "week": [], "month": []}
    for n in range(1, 61):
        nine = datetime(2026, 3, 2, 3, 30, tzinfo=UTC) + timedelta(days=n)
        early = [(nine - timedelta(seconds=1), False)] if n < 4 else []
        for moment, arrives in (*early, (nine, True)):
            before = len(world.mailbox.mails)
            world.clock.move_to(moment)
            await world.quiet()
            new = [m.to.partition("@")[0] for m in world.mailbox.mails[before:] if m.to.endswith("@example.com")]
            assert bool(new) == arrives
            for every in new:
                got[every].append(f"{nine:%m-%d}")
    assert len(got["day"]) == 60
    assert got["week"] == ["03-04", "03-11", "03-18", "03-25", "04-01", "04-08", "04-15", "04-22", "04-29"]
    assert got["month"] == ["03-31", "04-30"]
    made = (await supervisor.get("/v1/subscriptions"))[1]["subscriptions"]
    assert len(made) == 3
    assert (await supervisor.call("DELETE", f"/v1/subscriptions/{made[0]['id']}"))[0] == 204
    assert (await supervisor.post("/v1/subscriptions", {**order, "report": "none"}))[0] == 422
    for email in ("not mail", "boss@example.com, other@example.com", "Boss <boss@example.com>", "boss@localhost, x"):
        refused, problem = await supervisor.post("/v1/subscriptions", {**order, "every": "day", "email": email})
        assert (refused, problem["detail"].startswith("email: ")) == (422, True), email
    mixed = {**order, "every": "day", "email": " Info@BÜCHER.example"}
    assert (await supervisor.post("/v1/subscriptions", mixed))[1]["email"] == "Info@xn--bcher-kva.example"
    for every, day in (("week", 7), ("week", 31), ("day", 3), ("month", 32), ("month", 0), ("now", 3)):
        refused, problem = await supervisor.post("/v1/subscriptions", {**order, "every": every, "day": day})
        assert refused == 422, (every, day)
        assert "day" in problem["detail"]
    refused, problem = await supervisor.post("/v1/subscriptions", {**order, "every": "now", "at": "09:00"})
    assert (refused, problem["detail"].partition(":")[0]) == (422, "at")
    first = await supervisor.post("/v1/subscriptions", {**order, "email": "first@example.com", "every": "month"})
    assert first[1]["day"] == 1
    assert "0 is Monday" in json.dumps((await supervisor.get("/openapi.json"))[1])


async def test_lifecycle_metrics(world: World, caller: Caller) -> None:
    world.clock.advance(minutes=5)
    for n, answer in enumerate(("vendor_accepted", "vendor_failed")):
        await world.accept(event(f"A-{n}", "assigned", assignee=VENDOR), event(f"A-{n}", answer, minutes(n)))
    supervisor = await caller("supervisor")
    status, m = await supervisor.get("/v1/metrics/lifecycle?workflow=device_pickup")
    assert status == 200
    rate = next(x for x in m["measures"] if x["name"] == "acceptance_rate")
    assert (rate["value"], rate["count"], rate["goal_kept"]) == (50.0, 2, False)
    stage = next(s for s in m["stages"] if s["stage"] == "vendor_assigned")
    assert (stage["count"], stage["p50"]) == (1, 60.0)
    assert (await supervisor.get("/v1/metrics/lifecycle?workflow=none"))[0] == 400


async def test_dead_letters_are_listed_replayed_and_dropped(world: World, caller: Caller) -> None:
    await begun(world)
    await world.take(event("A-1", "created", minutes(0.1)), event("A-1", "nonsense", minutes(0.2)))
    await world.settled()
    admin = await caller("admin")
    status, page = await admin.get("/v1/dead-letters")
    assert (status, [d["order_id"] for d in page["dead_letters"]]) == (200, ["A-1", "A-1"])
    first, second = (d["key"] for d in page["dead_letters"])
    assert (await admin.call("DELETE", f"/v1/dead-letters/2?key={first}"))[0] == 404, "another letter by now"
    assert (await admin.call("DELETE", f"/v1/dead-letters/2?key={second}"))[1] == {"count": 1}
    assert (await admin.post("/v1/dead-letters/1/replay"))[0] == 200
    assert (await admin.post("/v1/dead-letters/9/replay"))[0] == 404


async def test_wrong_keys_are_limited(world: World, caller: Caller) -> None:
    nobody = await caller("")
    answers = [
        (await nobody.call("GET", "/v1/orders", headers={"Authorization": f"Bearer sb_{n}"}))[0] for n in range(70)
    ]
    assert set(answers[:60]) == {401}
    assert answers[-1] == 429


async def test_cookies_need_the_pages_token(world: World, caller: Caller) -> None:
    from tests.support.client import key_for

    key = await key_for(world, "supervisor", "Sue")
    nobody = await caller("")
    form = {"key": key, "next": "//evil.example/"}
    async with nobody.session.post(f"{world.http}/desk/sign-in", data=form, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/desk")
        cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    value = {"Cookie": cookie.partition(";")[0]}
    async with nobody.session.get(f"{world.http}/desk", headers=value) as response:
        page = await response.text()
        policy = response.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    token = re.search(r'name="csrf-token" content="(\w+)"', page)[1]  # type: ignore[index]
    await begun(world)
    issue = {"reason": "app_error"}
    assert (await nobody.call("POST", f"{ORDER}/issues", issue, headers=value))[0] == 403
    assert (await nobody.call("POST", f"{ORDER}/issues", issue, headers={**value, "X-CSRF-Token": token}))[0] == 201
    assert (await nobody.call("GET", "/desk", headers={"Cookie": value["Cookie"] + "x"}, allow_redirects=False))[
        0
    ] == 302


# Many more than what makes an incident of escalations, and than a batch.
BURST = 300 if LONG else 100


@pytest.mark.uninterrupted
async def test_bursts_become_one_incident(world: World, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "BATCH", 20)  # so that several batches are under way at once

    async def away(_sent: Any) -> web.StreamResponse:
        return web.json_response({"code": 20429, "status": 429}, status=429, headers={"Retry-After": "600"})

    world.providers.behave = away
    batch = [
        event(f"B-{n}", "inspection_completed", recipients={"customer": {"phone": "+919800000001"}})
        for n in range(BURST)
    ]
    verdicts = await world.take(*batch[: BURST // 2]) + await world.take(*batch[BURST // 2 :])
    assert {v.outcome for v in verdicts} == {"accepted"}
    world.clock.advance(seconds=61)
    supervisor = await caller("supervisor")

    async def breached() -> bool:
        page = (await supervisor.get("/v1/escalations"))[1]
        return page["total"] == 0 and [i["open_orders"] for i in page["incidents"]] == [BURST]

    await world.until(breached, "one incident for the rest")
    world.clock.advance(seconds=61)

    async def told_of_all() -> bool:
        async with world.ledger.reading() as tx:
            lines = await stream_after(tx, 0, 1000)
        alone = [line for line in lines if not json.loads(line[2])["data"].get("incident")]
        assert len(alone) <= 12, "an incident from the first dozen"
        return len(json.loads(lines[-1][2])["data"].get("orders", ())) == BURST

    await world.until(told_of_all, "the incident lists its orders")
    async with world.ledger.reading() as tx:
        line = StreamLine.of(*(await stream_after(tx, 0, 1000))[-1])
    assert len(line.brief) < 5000 < len(line.wire), "boards do not get the list"
    (incident,) = (await supervisor.get("/v1/escalations"))[1]["incidents"]
    status, handled = await supervisor.post(f"/v1/escalations/{incident['id']}/resolve")
    assert (status, handled["handled"]) == (200, BURST)
    assert (await supervisor.get("/v1/escalations"))[1]["incidents"] == []


async def test_an_incident_of_orders_goes_up_levels_and_comes_back_from_its_snooze(
    world: World, caller: Caller
) -> None:
    async def away(_sent: Any) -> web.StreamResponse:
        return web.json_response({"code": 20429, "status": 429}, status=429, headers={"Retry-After": "6000"})

    world.providers.behave = away
    customer = {"customer": {"phone": "+919800000001"}}
    await world.take(*(event(f"B-{n}", "inspection_completed", recipients=customer) for n in range(12)))
    supervisor = await caller("supervisor")

    async def told(wanted: list[tuple[str, int, str]]) -> bool:
        async with world.ledger.reading() as tx:
            lines = [(kind, json.loads(body)["data"]) for _, kind, body, _ in await stream_after(tx, 0, 1000)]
        return [(kind, d["level"], d["state"]) for kind, d in lines if d.get("incident")] == wanted

    # Tech: levels after 10 and 30 min; told once as it opens, then by its levels alone.
    await world.move(seconds=61)
    so_far = [("opened", 0, "open")]
    await world.until(lambda: told(so_far))
    await world.move(minutes=10, seconds=6)
    so_far.append(("reminded", 1, "open"))
    await world.until(lambda: told(so_far))
    (incident,) = (await supervisor.get("/v1/escalations"))[1]["incidents"]
    assert (await supervisor.post(f"/v1/escalations/{incident['id']}/snooze", {"minutes": 25}))[0] == 200
    await world.move(minutes=24)
    assert await told(so_far)
    (snoozed,) = (await supervisor.get("/v1/escalations"))[1]["incidents"]
    assert (snoozed["state"], snoozed["level"]) == ("snoozed", 1)
    await world.move(minutes=1, seconds=6)
    so_far.append(("reminded", 2, "open"))
    await world.until(lambda: told(so_far))
    assert (await supervisor.post(f"/v1/escalations/{incident['id']}/acknowledge", {}))[1]["handled"] == 12
    await world.move(hours=2)
    assert await told(so_far)


def test_severities_are_ordered() -> None:
    assert SEVERITIES == ("low", "medium", "high", "critical")


async def test_bodies_that_are_no_json_are_refused_in_words(world: World, caller: Caller) -> None:
    publisher, agent = await caller("publisher"), await caller("agent")
    for body in (b"", b"{", b"\xff\xfe", b"[" * 5000, encoded(event("A-1", "created"))[:-3]):
        async with publisher.session.post(
            f"{world.http}/v1/events", data=body, headers={**publisher._headers, "Content-Type": "application/json"}
        ) as response:
            assert response.status in (400, 422)
            assert (await response.json())["title"]
    assert (await agent.post(f"{ORDER}/issues", {"reason": 7}))[0] == 422


async def test_what_lists_leave_out_is_there_when_asked_for(world: World, caller: Caller) -> None:
    agent = await caller("agent")
    for order_id, statuses in (("M-1", ("pending_quotes", "cancelled", "archived")), ("M-2", ("pending_quotes",))):
        for n, status in enumerate(statuses):
            await world.accept(event(order_id, status, at=minutes(n), workflow="marketing_services"))
            await world.move(minutes=1)

    async def listed(query: str = "") -> list[str]:
        _, page = await agent.get(f"/v1/orders?workflow=marketing_services&{query}")
        return sorted(o["order_id"] for o in page["orders"])

    assert await listed() == ["M-2"]
    assert await listed("archived=true") == ["M-1", "M-2"]
    assert await listed("status=archived") == ["M-1"]
    assert await listed("q=M-1") == ["M-1"]


async def test_why_providers_decline_is_counted_by_reason(world: World, caller: Caller) -> None:
    supervisor = await caller("supervisor")
    for n, reason in enumerate(("no coverage", "no coverage", "credit check", None)):
        said: dict[str, Any] = {"attributes": {"rejection_reason": reason}} if reason else {}
        await world.accept(event(f"H-{n}", "submitted_to_provider", workflow="home_service"))
        await world.accept(event(f"H-{n}", "rejected", at=minutes(1), workflow="home_service", **said))
    _, metrics = await supervisor.get("/v1/metrics/lifecycle?workflow=home_service")
    (measure,) = [m for m in metrics["measures"] if m["kind"] == "count"]
    assert measure["count"] == 4
    assert measure["values"] == [
        {"value": "no coverage", "count": 2},
        {"value": "credit check", "count": 1},
        {"value": "", "count": 1},
    ]
    status, page = await supervisor.get("/desk/lifecycle?workflow=home_service")
    assert (status, "no coverage" in page) == (200, True)


async def test_nobody_sees_a_draft_by_a_link(world: World, caller: Caller) -> None:
    agent, customer = await caller("agent"), await caller("")
    await world.accept(event("R-1", "draft", workflow="repair"))
    _, link = await agent.get("/v1/orders/repair/R-1/link")
    path = link["url"].removeprefix("https://track.example")
    assert (await customer.get(path))[0] == 404
    assert (await customer.get(path + ".json"))[0] == 404
    await world.accept(event("R-1", "scheduled", at=minutes(1), workflow="repair"))
    assert (await customer.get(path))[0] == 200
