"""Every look and every act is written down, chained, and found again when somebody takes it away."""

import asyncio
import csv
import io
import re
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from sqlalchemy import delete, func, select, text, update

from service.ledger.access import api_keys as keys
from service.ledger.auditing import lines as audit
from service.ledger.auditing import reading as audit_reading
from service.ledger.auditing.reading import ERASED, AuditFilter, ChainVerdict
from service.ledger.auditing.tables import audit as earlier
from service.ledger.auditing.tables import audit_head, audit_lines, audit_names
from service.ledger.database.engine import new_uuid
from service.web.audited import OTHER_ACTS, AuditedAct, Unaudited
from service.web.route import Route
from service.web.routes.table import API, OPERATIONS, PAGES
from tests.integration.conftest import Caller
from tests.support.client import Client, key_for
from tests.support.events import event, minutes
from tests.support.process import command, environment
from tests.support.providers import Mailbox, Providers
from tests.support.world import ROOT, World

pytestmark = pytest.mark.any_database

ROUTES = (*OPERATIONS, *API, *PAGES)


async def lines(world: World, **wanted: Any) -> list[audit_reading.LoggedLine]:
    async with world.ledger.reading() as tx:
        return await audit_reading.search(tx, AuditFilter(**wanted))


async def verified(world: World, expected: str = "") -> ChainVerdict:
    async with world.ledger.reading() as tx:
        return await audit_reading.verify(tx, expected)


def test_every_route_says_what_it_leaves_in_the_audit_log() -> None:
    undeclared = [f"{r.method} {r.path}" for r in ROUTES if r.audit is None]
    assert undeclared == [], "declare an Act, or Unaudited and why"
    for route in ROUTES:
        assert route.audit.why if isinstance(route.audit, Unaudited) else route.audit.name  # type: ignore[union-attr]


def test_what_opens_data_of_people_is_never_unaudited() -> None:
    harmless = (
        "health",
        "lifecycle",
        "performance",
        "metrics",
        "events",
        "sign-in",
        "signed-in",
        "tell-all",
        "desk/new",
    )
    for route in ROUTES:
        if isinstance(route.audit, Unaudited) and route.role:
            assert any(word in route.path for word in harmless), route.path


def test_every_act_that_code_names_can_be_asked_for() -> None:
    """Beside the routes' own: what is told as something more exact, and what commands and sign-ins leave."""
    code = "".join(file.read_text() for file in (ROOT / "service").rglob("*.py"))
    said = re.findall(r'(?:noted|audit_line|record_stranger)\(request, f?"([a-z_.]+)', code)
    said += re.findall(r'keep\(\w+, "([a-z_.]+)', code)
    declared = {route.audit.name for route in ROUTES if isinstance(route.audit, AuditedAct)}
    assert set(said) - declared - OTHER_ACTS - {"escalation.", "act."} == set()
    assert len(said) > 15


def filled(path: str, key: str) -> str:
    values = {"workflow": "device_pickup", "order_id": "A-1", "number": "1", "act": "drop"}
    return re.sub(r"{(\w+)[^}]*}", lambda m: values.get(m[1], key), path)


async def seen_calls(world: World) -> list[tuple[Route, str, Any]]:
    """A good call of every route with an act that needs a role."""
    escalation = (await world.view("A-1"))["escalations"][0]["id"]
    mail = next(m["id"] for m in (await world.view("A-1"))["messages"] if m["channel"] == "email")
    bodies: dict[str, Any] = {
        "notices": {"reason": "looking_into_it"},
        "issues": {"reason": "app_error"},
        "snooze": {"minutes": 5},
        "subscriptions": {
            "workflow": "device_pickup",
            "report": "open_orders",
            "email": "out@elsewhere.example",
            "every": "day",
        },
    }
    found: list[tuple[Route, str, Any]] = []
    for route in ROUTES:
        if not isinstance(route.audit, AuditedAct) or not route.role:
            continue
        path = filled(route.path, mail if "messages" in route.path else escalation)
        found.append((route, path, next((b for word, b in bodies.items() if path.endswith(word)), {})))
    return found


async def test_each_look_and_act_over_http_leaves_its_line(world: World, caller: Caller) -> None:
    await world.accept(
        event("A-1", "created"),
        event("A-1", at=minutes(1), kind="order.issue_reported", issue={"reason": "double_deduction"}),
    )
    await world.settled()
    admin = await caller("admin")
    silent = []
    for route, path, body in await seen_calls(world):
        if "stream" in path or (path.startswith("/desk/orders/") and route.method == "POST"):
            continue
        before = (await lines(world, limit=1))[0].seq if await lines(world, limit=1) else 0
        status, _ = await admin.call(route.method, path, None if route.method == "GET" else body)
        after = await lines(world, limit=1)
        assert status < 500, path
        if status < 400 and (not after or after[0].seq == before):
            silent.append(f"{route.method} {path}")
    assert silent == []
    assert (await verified(world)).problems == []
    for line in await lines(world):
        assert (line.who, line.role, line.origin) == ("key:admin", "admin", "127.0.0.1")


async def test_supervisors_see_who_did_what_and_nothing_of_what_is_for_admins(world: World, caller: Caller) -> None:
    await world.accept(
        event("A-1", "created"),
        event("A-1", at=minutes(1), kind="order.issue_reported", issue={"reason": "double_deduction"}),
    )
    admin, supervisor = await caller("admin"), await caller("supervisor")
    escalation = (await world.view("A-1"))["escalations"][0]["id"]
    await supervisor.post(f"/v1/escalations/{escalation}/acknowledge")
    await supervisor.post("/v1/orders/device_pickup/A-1/issues", {"reason": "app_error"})
    await admin.get("/v1/orders/device_pickup/A-1")
    await admin.call("DELETE", "/v1/people/%2B919812345678")
    status, page = await supervisor.get("/desk/activity")
    assert status == 200
    for there in ("Took an escalation", "Reported Error in the app", "A-1"):
        assert there in page, there
    for kept in ("127.0.0.1", "Order seen", "Person", "key:", "Orders listed"):
        assert kept not in page.partition("<main")[2], kept
    assert "Reported" not in (await supervisor.get("/desk/activity?act=escalation"))[1].partition("<tbody")[2]
    assert "No acts match" in (await supervisor.get("/desk/activity?who=nobody"))[1]
    assert (await supervisor.get("/desk/activity?act=key.created"))[0] == 400
    assert (await (await caller("agent")).get("/desk/activity"))[0] == 403


async def test_searches_say_for_whom_by_digest_and_exports_are_told_apart(world: World, caller: Caller) -> None:
    await world.accept(event("A-1", "created"))
    agent, admin = await caller("agent"), await caller("admin")
    for path in (
        "recipient=%2B919812345678",
        "q=%2B91%2098123%2045678",
        "recipient=asha@example.com",
        "format=csv",
        "q=A-1",
    ):
        assert (await agent.get(f"/v1/orders?{path}"))[0] == 200
    await agent.post("/v1/orders/device_pickup/A-1/notices", {"reason": "looking_into_it", "preview": True})
    acts = [line.act for line in reversed(await lines(world))]
    assert acts == ["orders.searched"] * 3 + ["orders.exported", "orders.listed", "notice.previewed"]
    status, page = await admin.get("/v1/audit?person=%2B919812345678")
    assert status == 200
    assert [(x["act"], x["who"]) for x in page["lines"]] == [("orders.searched", "key:agent")] * 2
    assert "9812345678" not in str(page)
    for query, count in (
        ("act=orders", 5),
        ("who=agent", 6),
        ("who=key:agent", 6),
        ("order=A-1", 1),
        ("from=2000-01-01", 11),
        ("to=2000-01-01", 0),
    ):
        assert len((await admin.get(f"/v1/audit?{query}"))[1]["lines"]) == count, query
    first = (await admin.get("/v1/audit?limit=2"))[1]
    second = (await admin.get(f"/v1/audit?limit=2&cursor={first['cursor']}"))[1]
    assert second["lines"][0]["seq"] < first["lines"][-1]["seq"] + 1
    assert (await agent.get("/v1/audit"))[0] == 403
    assert (await admin.get("/v1/audit?from=2000-13-41"))[0] == 400
    status, html = await admin.get("/desk/audit?who=agent")
    assert status == 200
    assert "orders.exported" in html


async def test_signing_in_and_out_and_failing_to_is_written_down(world: World) -> None:
    key, desk = await key_for(world, "agent", "front-desk"), f"{world.http}/desk"
    async with aiohttp.ClientSession() as browser:

        async def send(method: str, path: str, cookie: str = "", **form: str) -> tuple[str, str]:
            headers = {"Cookie": cookie}
            async with browser.request(
                method, desk + path, data=form or None, headers=headers, allow_redirects=False
            ) as response:
                return response.headers.get("Set-Cookie", "").partition(";")[0], await response.text()

        await send("POST", "/sign-in", key="sb_wrong")
        cookie, _ = await send("POST", "/sign-in", key=key)
        _, page = await send("GET", "/orders", cookie)
        token = re.search(r'name="csrf-token" content="(\w+)"', page)
        assert token
        await send("POST", "/sign-out", cookie, csrf_token=token[1])
    found = [(x.act, x.who, x.origin) for x in reversed(await lines(world))]
    assert found == [
        ("sign_in.failed", "nobody:", "127.0.0.1"),
        ("signed_in", "key:front-desk", "127.0.0.1"),
        ("orders.listed", "key:front-desk", "127.0.0.1"),
        ("signed_out", "key:front-desk", "127.0.0.1"),
    ]


async def test_who_is_turned_away_leaves_a_line_and_no_flood_of_them(world: World, caller: Caller) -> None:
    agent, nobody = await caller("agent"), await caller("")
    key = await key_for(world, "admin", "gone")
    async with world.ledger.transaction() as tx:
        await keys.revoke(tx, "gone", world.clock.now())
    answers = await asyncio.gather(*(agent.get("/v1/audit") for _ in range(20)))
    assert {status for status, _ in answers} == {403}
    assert (await agent.get("/v1/metrics/lifecycle"))[0] == 403
    for wrong in (key, "sb_none", "sb_another", key):
        headers = {"Authorization": f"Bearer {wrong}"}
        async with nobody.session.get(f"{world.http}/v1/orders", headers=headers) as response:
            assert response.status == 401
    found = [(x.act, x.role, x.detail, x.subject) for x in reversed(await lines(world))]
    assert found == [
        ("refused", "agent", {"tried": "audit.read", "why": "this needs the role admin"}, ""),
        ("refused", "agent", {"tried": "GET /v1/metrics/lifecycle", "why": "this needs the role supervisor"}, ""),
        ("key.refused", "", {"why": "the key was revoked"}, "key:gone"),
        ("key.refused", "", {"why": "the key is not known"}, ""),
    ]
    assert (await verified(world)).problems == []


async def test_another_sites_act_with_a_sessions_cookie_leaves_a_line(world: World) -> None:
    key = await key_for(world, "supervisor", "front-desk")
    async with aiohttp.ClientSession() as browser:
        async with browser.post(f"{world.http}/desk/sign-in", data={"key": key}, allow_redirects=False) as response:
            cookie = response.headers["Set-Cookie"].partition(";")[0]
        for _ in range(3):
            sent = browser.post(f"{world.http}/v1/orders/device_pickup/A-1/issues", json={}, headers={"Cookie": cookie})
            async with sent as response:
                assert response.status == 403
    found = [(x.act, x.who, x.detail) for x in reversed(await lines(world))]
    said = {"tried": "issue.reported", "why": "it did not come from a page of the desk"}
    assert found == [("signed_in", "key:front-desk", {}), ("refused", "key:front-desk", said)]


async def test_strangers_with_many_addresses_do_not_fill_the_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.web.auditor.STRANGERS", 3)
    world.settings.failures_per_minute = 0
    async with aiohttp.ClientSession() as browser:

        async def fail() -> None:
            async with browser.post(f"{world.http}/desk/sign-in", data={"key": "sb_wrong"}) as response:
                assert response.status == 401

        for _ in range(5):
            await fail()
        monkeypatch.setattr("service.web.auditor.RENEWED_S", 0.0)
        await fail()
    failed = [x.detail for x in reversed(await lines(world, act="sign_in.failed"))]
    assert [d.get("left_out_before") for d in failed] == [None, None, None, 2]


async def some_lines(world: World, caller: Caller, count: int = 6) -> Client:
    agent = await caller("agent")
    await world.accept(event("A-1", "created"))
    for _ in range(count):
        assert (await agent.get("/v1/orders/device_pickup/A-1"))[0] == 200
    assert (await verified(world)).problems == []
    return agent


async def test_what_is_changed_or_taken_away_is_found(world: World, caller: Caller) -> None:
    await some_lines(world, caller)
    async with world.ledger.reading() as tx:
        head = dict((await tx.execute(select(audit_head))).one()._mapping)
        third = dict((await tx.execute(select(audit_lines).where(audit_lines.c.seq == 3))).one()._mapping)
        last = dict((await tx.execute(select(audit_lines).where(audit_lines.c.seq == 6))).one()._mapping)
    noted = (await verified(world)).head

    async def tried(*statements: Any) -> str:
        async with world.ledger.transaction() as tx:
            for statement in statements:
                await tx.execute(statement)
        return "; ".join((await verified(world, noted)).problems)

    line = audit_lines.c.seq
    assert "line 3 is missing" in await tried(delete(audit_lines).where(line == 3))
    assert await tried(audit_lines.insert().values(third)) == ""
    assert "line 3 was changed" in await tried(update(audit_lines).where(line == 3).values(act="nothing.seen"))
    await tried(update(audit_lines).where(line == 3).values(act=third["act"]))
    assert "line 6 is missing" in await tried(delete(audit_lines).where(line == 6))
    moved = update(audit_head).values(seq=5, digest=third["digest"])
    assert "the head record was changed" in await tried(moved)
    await tried(update(audit_head).values(head), audit_lines.insert().values(last))
    copied = [{**third, "seq": 7}]
    assert "there are lines after the chain's end" in await tried(audit_lines.insert().values(copied))
    await tried(delete(audit_lines).where(line == 7))
    names = audit_names.c
    async with world.ledger.reading() as tx:
        key = (await tx.execute(select(names.key).where(names.seq == 2, names.part == "who"))).scalar_one()
    hidden = update(audit_names).where(names.seq == 2, names.part == "who")
    assert "line 2 was changed" in await tried(hidden.values(key=b"nobody")), "a search would not find it"
    assert await tried(hidden.values(key=key)) == ""
    assert "names are missing" in await tried(delete(audit_names).where(names.seq == 2, names.part == "who"))
    assert (await lines(world))[4].who == ERASED
    assert "head record is missing" in await tried(delete(audit_head))
    assert "line 6, noted elsewhere, is missing" in await tried(delete(audit_lines))


async def test_many_at_once_make_one_chain_and_cost_little(world: World, caller: Caller) -> None:
    agent = await some_lines(world, caller, 1)
    answers = await asyncio.gather(*(agent.get("/v1/orders/device_pickup/A-1") for _ in range(60)))
    assert {status for status, _ in answers} == {200}
    assert len(await lines(world)) == 61
    assert (await verified(world)).problems == []


async def test_a_look_that_cannot_be_kept_is_not_given(world: World, caller: Caller) -> None:
    agent = await some_lines(world, caller, 1)
    async with world.ledger.transaction() as tx:
        await tx.execute(text("ALTER TABLE audit_lines RENAME TO away"))
    status, problem = await agent.get("/v1/orders/device_pickup/A-1")
    assert status == 503
    assert "asha" not in str(problem).lower()
    async with world.ledger.transaction() as tx:
        await tx.execute(text("ALTER TABLE away RENAME TO audit_lines"))
    assert (await agent.get("/v1/orders/device_pickup/A-1"))[0] == 200


async def test_old_lines_are_forgotten_and_the_chain_stays_whole(world: World, caller: Caller) -> None:
    agent = await some_lines(world, caller, 3)
    world.clock.advance(days=10)
    for _ in range(2):
        await agent.get("/v1/orders/device_pickup/A-1")
    async with world.ledger.transaction() as tx:
        assert await audit.delete_before(tx, world.clock.now() - timedelta(days=5)) == 3
        assert await audit.delete_before(tx, world.clock.now() - timedelta(days=5)) == 0
    found = await verified(world)
    assert (found.lines, found.problems) == (2, [])
    async with world.ledger.transaction() as tx:
        await tx.execute(delete(audit_lines).where(audit_lines.c.seq == 4))
    assert (await verified(world)).problems == ["line 4 is missing"]


async def test_names_are_forgotten_and_the_chain_stays_whole(world: World, caller: Caller) -> None:
    await world.accept(event("A-1", "created"))
    agent = await caller("agent")
    await agent.get("/v1/orders?recipient=asha@example.com")
    async with world.ledger.transaction() as tx:
        now = world.clock.now()
        line = audit.AuditLine("oidc:Asha@Example.com", "agent", "order.seen", "device_pickup", "A-1", "192.0.2.1")
        await audit.write_audit(tx, [line], now)
        assert await audit.erase_names(tx, ["asha@example.com"]) == 2
    account, searched = await lines(world)
    assert (account.who, searched.who, searched.about) == (ERASED, "key:agent", [ERASED])
    found = await verified(world)
    assert (found.names_erased, found.problems) == (2, [])


async def test_lines_of_earlier_releases_are_taken_over(world: World, caller: Caller) -> None:
    await some_lines(world, caller, 1)
    row = {"at": world.clock.now(), "who": "anna", "role": "agent", "act": "order.seen", "order_name": "A-1"}
    async with world.ledger.transaction() as tx:
        key = (await tx.execute(select(audit_names.c.seq).limit(1))).scalar_one()
        assert key == 1
        await tx.execute(earlier.insert().values(id=new_uuid(), **row))
        assert await audit.chain_earlier_lines(tx, world.clock.now()) == 1
        assert (await tx.execute(select(func.count()).select_from(earlier))).scalar_one() == 0
    assert (await lines(world))[0].who == "earlier:anna"
    assert (await verified(world)).problems == []


@pytest.fixture
def cli(tmp_path: Any, sqlite_url: str, providers: Providers, mailbox: Mailbox) -> Any:
    env = environment(tmp_path, sqlite_url, "memory://", providers, mailbox)

    async def run(*arguments: str) -> Any:
        return await asyncio.to_thread(command, tmp_path, env, *arguments)

    return run


async def test_commands_leave_lines_verify_and_export(cli: Any) -> None:
    assert (await cli("keys", "create", "--role", "agent", "=anna")).returncode == 0
    assert (await cli("keys", "revoke", "=anna")).returncode == 0
    whole = await cli("audit", "verify")
    assert whole.returncode == 0, whole.stderr
    head = whole.stdout.strip().splitlines()[-1]
    exported = await cli("audit", "export", "--csv", "--since", "2000-01-01")
    rows = list(csv.DictReader(io.StringIO(exported.stdout)))
    assert [r["act"] for r in rows] == ["key.created", "key.revoked", "audit.exported"]
    assert rows[0]["who"].startswith("cli:")
    assert rows[0]["subject"] == "key:=anna"
    assert (await cli("audit", "verify", "--expect", head)).returncode == 0
    assert (await cli("audit", "verify", "--expect", "99:00")).returncode == 1
    lines_out = (await cli("audit", "export")).stdout.strip().splitlines()
    assert len(lines_out) == 4
