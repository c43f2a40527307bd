"""Lists on an order: rows come by call, file and event, are shown, changed, exported, told, and forgotten."""

import asyncio
import csv
import io
import re
import time
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy import func, select

from service.domain.scopes import EVERYTHING
from service.ledger.database.engine import new_uuid
from service.ledger.lists import writing
from service.ledger.lists.tables import list_row_keys, list_rows
from service.ledger.orders.locking import find
from tests.integration.conftest import Caller
from tests.support.client import Client
from tests.support.events import event, minutes
from tests.support.examples import LONG
from tests.support.world import World

pytestmark = pytest.mark.any_database

ORDER = "/v1/orders/marketing_services/M-1"
LEADS = f"{ORDER}/lists/leads"
PEOPLE = {
    "provider": {"email": "studio@example.com"},
    "provider_contacts": [{"email": "a@example.com"}, {"email": "b@example.com"}],
    "partner": {"email": "partner@example.com"},
}
FILE = "Name;Adresse;Phone;Wants to hear from us\nZoé;zoe@example.com;06 12 34 56 78;oui\nMax;max@example.com;;non\n"


async def begin(world: World, status: str = "approved") -> None:
    await world.accept(event("M-1", status, workflow="marketing_services", recipients=PEOPLE))


async def send(
    client: Client, content: bytes, kind: str = "text/csv", query: str = "", **headers: str
) -> tuple[int, Any]:
    return await client.call("POST", f"{LEADS}{query}", data=content, headers={"Content-Type": kind, **headers})


def mailed(world: World, to: str) -> list[str]:
    return [m.message.as_string() for m in world.mailbox.mails if m.to == to]


async def emails(client: Client) -> list[str]:
    return [r["values"]["email"] for r in (await client.get(LEADS))[1]["rows"]]


async def test_rows_come_by_file_with_a_mapping_that_is_remembered(world: World, caller: Caller) -> None:
    await begin(world)
    agent = await caller("agent")
    status, problem = await send(agent, FILE.encode())
    assert (status, problem["error_count"]) == (422, 1), problem
    assert "map.Adresse" in problem["errors"][0]["problem"]
    status, seen = await send(agent, FILE.encode(), query="?dry_run=true&map.Adresse=email")
    assert (status, seen["rows"], seen["error_count"], seen["mapping"]["Adresse"]) == (200, 2, 0, "email")
    assert seen["sample"][0]["phone"] == "+33612345678"
    assert await emails(agent) == []
    status, taken = await send(agent, FILE.encode(), query="?map.Adresse=email", **{"Idempotency-Key": "f1"})
    assert (status, taken["added"], taken["count"], taken["state"]) == (201, 2, 2, "taken"), taken
    again, same = await send(agent, FILE.encode(), query="?map.Adresse=email", **{"Idempotency-Key": "f1"})
    assert (again, same) == (201, taken)
    assert await emails(agent) == ["zoe@example.com", "max@example.com"]
    status, problem = await send(agent, FILE.replace("zoe@", "new@").encode("utf-16"), "text/plain")
    assert [(e["row"], e["column"]) for e in problem["errors"]] == [(3, "Adresse")], (
        "remembered, and max is there already"
    )
    status, problem = await send(agent, b"email,budget\nx@example.com,12 EUR\ny,lots\n")
    assert (status, [(e["row"], e["column"]) for e in problem["errors"]]) == (422, [(3, "email"), (3, "budget")])
    assert len(await emails(agent)) == 2, "nothing of a refused file is taken"
    assert (await send(agent, b"a=b", "application/x-www-form-urlencoded"))[0] == 415
    assert (await send(agent, b"email\n" + b"x" * (20 * 1024 * 1024)))[0] == 413
    _, state = await agent.get(f"{LEADS}/imports/{taken['id']}")
    assert (state["state"], state["added"], state["stored"]) == ("taken", 2, 2)
    status, _ = await send(agent, b"email\nlater@example.com\n", Prefer="respond-async")
    assert status == 202

    async def there() -> bool:
        return len(await emails(agent)) == 3

    await world.until(there)
    # What must be unique stays so, however many bring it at the same moment.
    same = b"email\nsame@example.com\n"
    at_once = await asyncio.gather(*(send(agent, same) for _ in range(5)))
    assert sorted(status for status, _ in at_once) == [201, 422, 422, 422, 422]
    assert (await emails(agent)).count("same@example.com") == 1


async def test_new_rows_are_told_to_chosen_addresses_and_only_a_lead_who_asked_is_greeted(
    world: World, caller: Caller
) -> None:
    await begin(world)
    await world.settled()
    agent = await caller("agent")
    await send(agent, FILE.encode(), query="?map.Adresse=email")
    rows = [{"email": "eva@example.com", "wants_word": True}, {"email": "tom@example.com"}]
    listed = event(
        "M-1", at=minutes(1), kind="order.updated", workflow="marketing_services", lists={"leads": {"rows": rows}}
    )
    await world.accept(listed)

    async def greeted() -> bool:
        shown = await world.view("M-1", "marketing_services")
        return [m["notice"] for m in shown["messages"]].count("lead_welcome") == 2

    await world.until(greeted)
    assert mailed(world, "eva@example.com") == [], "quiet hours hold for them as for anybody"
    await world.move(hours=2)
    assert [len(mailed(world, f"{n}@example.com")) for n in ("a", "b", "zoe", "max", "tom")] == [2, 2, 1, 0, 0]
    greeting = mailed(world, "zoe@example.com")[0]
    assert "/t/" not in greeting, "a lead has no link to the order"
    assert "Zo" in greeting
    _, shown = await agent.get(ORDER)
    added = [t for t in shown["timeline"] if t["kind"] == "rows_added"]
    assert [(t["list"], t["count"]) for t in added] == [("leads", 2), ("leads", 2)]
    assert "zoe@example.com" not in str(added)
    again = {**listed, "id": "other"}
    (verdict,) = await world.take(again)
    assert (verdict.outcome, "rows[0].email: is in the list already" in verdict.reason) == ("rejected", True)
    (verdict,) = await world.take(
        event("M-1", kind="order.updated", workflow="marketing_services", lists={"leeds": {}})
    )
    assert "did you mean 'leads'" in verdict.reason
    named = {"leads": {"id": "0195f1c0-0000-7000-8000-000000000000", "count": 1}}
    (verdict,) = await world.take(event("M-1", kind="order.updated", workflow="marketing_services", lists=named))
    assert "only Stagebell" in verdict.reason
    (verdict,) = await world.take(
        event("M-1", at=minutes(2), kind="order.updated", workflow="marketing_services", attributes={"leads": ["l1"]})
    )
    assert verdict.event is not None
    assert [w.field for w in verdict.event.warnings] == ["data.attributes.leads"]


async def test_rows_are_paged_changed_removed_and_exported(world: World, caller: Caller) -> None:
    await begin(world)
    agent = await caller("agent")
    some = {"rows": [{"email": f"l{n}@example.com", "name": "=1+1" if n == 0 else f"L{n}"} for n in range(5)]}
    assert (await agent.post(LEADS, some))[0] == 201
    world.clock.advance(days=2)
    assert (
        await agent.post(
            f"{ORDER}/acts", {"act": "add_rows", "lists": {"leads": {"rows": [{"email": "new@example.com"}]}}}
        )
    )[0] == 200
    status, page = await agent.get(f"{LEADS}?limit=4")
    assert (status, page["count"], len(page["rows"])) == (200, 6, 4)
    assert [c["name"] for c in page["columns"]][:2] == ["name", "email"]
    rest = (await agent.get(f"{LEADS}?limit=4&cursor={page['cursor']}"))[1]
    assert [r["values"]["email"] for r in rest["rows"]] == ["l4@example.com", "new@example.com"]
    row = f"{LEADS}/rows/{page['rows'][1]['id']}"
    assert (await agent.post(row, {"values": {"email": "l0@example.com"}}))[0] == 422
    assert (await agent.post(row, {"values": {"email": "l1@example.com", "notes": "called"}}))[0] == 200
    assert (await agent.call("DELETE", f"{LEADS}/rows/{page['rows'][0]['id']}"))[0] == 204
    assert (await agent.call("DELETE", f"{LEADS}/rows/{page['rows'][0]['id']}"))[0] == 422
    _, text = await agent.get(f"{LEADS}?format=csv")
    table = list(csv.DictReader(io.StringIO(text)))
    assert [(r["email"], r["notes"]) for r in table][:2] == [("l1@example.com", "called"), ("l2@example.com", "")]
    _, since = await agent.call("GET", f"{LEADS}?since={world.clock.now():%Y-%m-%d}", headers={"Accept": "text/csv"})
    assert [r["email"] for r in csv.DictReader(io.StringIO(since))] == ["new@example.com"]
    async with agent.session.get(f"{world.http}{LEADS}?format=xlsx", headers=agent._headers) as response:
        assert "attachment" in response.headers["Content-Disposition"]
        sheet = load_workbook(io.BytesIO(await response.read())).worksheets[0]
    assert sheet.max_row == 6
    kinds = [t["kind"] for t in (await agent.get(ORDER))[1]["timeline"]]
    assert [k for k in kinds if k.startswith("rows_")] == ["rows_added", "rows_added", "rows_changed", "rows_removed"]


REFUSED: tuple[tuple[str, Any, int, str], ...] = (
    (f"{ORDER}/lists/shoes", {"rows": [{}]}, 404, "known: participants, leads"),
    (LEADS, {"rows": [{"name": "no mail"}]}, 422, "row 1, email: is empty"),
    (LEADS, {"rows": [{"email": "a@example.com", "shoe": 4}]}, 422, "is not a column"),
    (LEADS, {"rows": []}, 422, "rows"),
    (LEADS, {"rows": "x"}, 422, "rows"),
    (f"{ORDER}/acts", {"act": "note", "note": {"text": "x"}, "lists": {"leads": {"rows": [{}]}}}, 422, "add_rows"),
    ("/v1/orders/marketing_services/M-9/lists/leads", {"rows": [{}]}, 404, "no order"),
)


async def test_what_is_refused_says_why(world: World, caller: Caller) -> None:
    await begin(world)
    agent = await caller("agent")
    for path, said, status, words in REFUSED:
        got, problem = await agent.post(path, said)
        assert (got, words in problem["detail"]) == (status, True), problem
    assert (await (await caller("publisher")).get(LEADS))[0] == 403
    for status_ in ("not_started", "cancelled", "archived"):
        await world.accept(event("M-1", status_, minutes(1), workflow="marketing_services"))
    got, problem = await agent.post(LEADS, {"rows": [{"email": "a@example.com"}]})
    assert (got, "is not changed in 'archived'" in problem["detail"]) == (409, True)


async def test_many_rows_are_taken_within_a_minute_and_flat_memory(world: World, caller: Caller) -> None:
    """The figures of the long form are in docs/benchmarks.md; the short one sees that nothing grows with the file."""
    count = 100_000 if LONG else 4_000
    await begin(world)
    agent = await caller("agent")
    line = "L{n},l{n}@example.com,06{n:08d},Acme,fair,12.50 EUR,2026-01-05,high,no,a note"
    head = "name,email,phone,company,source,budget,contacted,interest,wants_word,notes\n"
    content = (head + "\n".join(line.format(n=n) for n in range(count))).encode()
    began = time.monotonic()
    status, taken = await send(agent, content)
    took = time.monotonic() - began
    assert (status, taken["count"]) == (201, count), taken
    assert took < 60
    assert (await agent.get(LEADS))[1]["count"] == count


@pytest.mark.parametrize("parts", ["sqlite-memory"], indirect=True)
async def test_rows_wait_for_their_event_and_are_let_go_of_without_it(world: World, caller: Caller) -> None:

    await begin(world)
    order = None
    async with world.ledger.transaction() as tx:
        order = await find(tx, "marketing_services", "M-1", scope=EVERYTHING)
        assert order is not None
        place = writing.OrderList(
            order.id, order.ref, world.app.packs.get("marketing_services").workflow.lists["leads"]
        )
        batch_id = new_uuid()
        await writing.begin(tx, writing.batch_row(batch_id, place, 1, bytes(32), world.clock.now(), None))
        await writing.store(tx, writing.prepare(tx.keyring, place, batch_id, [{"email": "a@example.com"}]))
    agent = await caller("agent")
    assert await emails(agent) == []
    async with world.ledger.transaction() as tx:
        assert await writing.delete_abandoned(tx, world.clock.now()) == 0
        world.clock.advance(hours=3)
        assert await writing.delete_abandoned(tx, world.clock.now()) == 1
        left = [
            (await tx.execute(select(func.count()).select_from(t))).scalar_one() for t in (list_rows, list_row_keys)
        ]
    assert left == [0, 0]


async def test_the_desk_shows_a_list_takes_forms_and_files_and_says_what_is_wrong(world: World, caller: Caller) -> None:
    await begin(world)
    agent = await caller("agent")
    page = "/desk/orders/marketing_services/M-1"
    assert "lists/leads" in (await agent.get(page))[1]
    headers, page = agent._headers, f"{world.http}{page}/lists/leads"
    row = {"c.email": "eva@example.com", "c.budget": "12 EUR", "c.wants_word": "false", "form_id": "a"}
    for _ in range(2):
        async with agent.session.post(page, data=row, headers=headers) as response:
            assert response.status == 200
            assert "eva@example.com" in await response.text()

    async def upload(content: bytes, act: str, **said: str) -> tuple[int, str]:
        form = aiohttp.FormData({"act": act, "form_id": f"{act}{len(content)}", **said})
        form.add_field("file", content, filename="leads.csv", content_type="text/csv")
        async with agent.session.post(f"{page}/upload", data=form, headers=headers) as response:
            return response.status, await response.text()

    status, text = await upload(b"Adresse\nnobody\n", "check")
    assert (status, "map.Adresse" in text) == (200, True)
    status, text = await upload(b"Adresse\nnobody\n", "add", **{"map.Adresse": "email"})
    assert (status, "nothing is taken" in text, '<td class="number">2</td>' in text) == (422, True, True)
    status, text = await upload(FILE.encode(), "add", **{"map.Adresse": "email"})
    assert (status, await emails(agent)) == (200, ["eva@example.com", "zoe@example.com", "max@example.com"])
    book, table = Workbook(), io.BytesIO()
    for cells in (["email"], ["ida@example.com"], ["ola@example.com"]):
        book.active.append(cells)
    book.active.row_dimensions[3].hidden = True
    book.save(table)
    status, seen = await send(agent, table.getvalue(), query="?dry_run=true")
    assert (status, seen["rows"], [w["row"] for w in seen["warnings"]]) == (200, 2, [3])
    said = "a row is hidden in the workbook (3), but read like the others"
    assert said in (await upload(table.getvalue(), "check"))[1]
    assert "1 of the file's rows is hidden" in (await upload(table.getvalue(), "add"))[1]
    async with agent.session.post(
        f"{world.http}/desk/sign-in", data=aiohttp.FormData({"x": io.BytesIO(b"x")})
    ) as response:
        assert response.status == 415, "files go where files are taken alone"


async def test_new_rows_are_sent_by_mail_now_and_by_the_calendar(world: World, caller: Caller) -> None:
    await begin(world)
    await world.settled()
    supervisor = await caller("supervisor")
    await supervisor.post(LEADS, {"rows": [{"email": "eva@example.com"}]})
    await world.settled()
    world.mailbox.mails.clear()
    now = {"email": "Boss@Example.com", "format": "xlsx"}
    world.clock.advance(seconds=1)
    assert (await supervisor.post(f"{LEADS}/exports", now)) == (202, {"count": 1})
    await world.settled()
    link = re.search(r"https://track\.example(/l/\S+)", mailed(world, "Boss@example.com")[0].replace("=\n", ""))
    assert link is not None
    async with supervisor.session.get(f"{world.http}{link[1]}") as response:
        sheet = load_workbook(io.BytesIO(await response.read())).worksheets[0]
        assert (response.status, sheet.max_row) == (200, 2)
    assert (await supervisor.get(link[1][:-2]))[0] == 404
    await world.travel_to(world.clock.now() + timedelta(days=32))
    sent = [m for m in mailed(world, "a@example.com") if "1 new row" in m]
    assert len(sent) == 1
    assert "leads-2026-04-01.csv" in sent[0]
    await world.travel_to(world.clock.now() + timedelta(days=31))
    assert len([m for m in mailed(world, "a@example.com") if "new row" in m]) == 1, "nothing new, nothing sent"
    assert (await supervisor.get(link[1]))[0] == 404, "links end"


async def test_a_party_has_the_lists_of_its_own_orders_and_files_of_public_notes(world: World, caller: Caller) -> None:
    people = {**PEOPLE, "provider": {"id": "v-9", "email": "studio@example.com"}, "partner": {"id": "p-3"}}
    await world.accept(event("M-1", "approved", workflow="marketing_services", recipients=people))
    agent, other = await caller("agent"), await caller("provider", "provider:v-10")
    provider = await caller("provider", "provider:v-9")
    assert (await provider.post(LEADS, {"rows": [{"email": "eva@example.com"}]}))[0] == 201
    assert await emails(provider) == ["eva@example.com"]
    _, text = await provider.get(f"{LEADS}?format=csv")
    assert "eva@example.com" in text
    added = next(t for t in (await agent.get(ORDER))[1]["timeline"] if t["kind"] == "rows_added")
    assert added["by"] == "provider"
    assert (await other.get(LEADS))[0] == 404
    assert (await other.post(LEADS, {"rows": [{"email": "x@example.com"}]}))[0] == 404
    assert (await provider.get(f"{ORDER}/lists/shoes"))[0] == 404
    files = []
    for public in (False, True):
        path, headers = f"{ORDER}/attachments?name=x.txt", {"Content-Type": "text/plain"}
        _, file = await agent.call("POST", path, data=b"words", headers=headers)
        note = {"text": "x", "public": public, "attachments": [{"id": file["id"]}]}
        assert (await agent.post(f"{ORDER}/acts", {"act": "note", "note": note}))[0] == 200
        files.append(f"{ORDER}/attachments/{file['id']}")
    assert [(await provider.get(f))[0] for f in files] == [404, 200]
    assert [(await other.get(f))[0] for f in files] == [404, 404]
    # Their own internal note's file is theirs; a comment to the other side, with its file, is that side's alone.
    _, file = await provider.call("POST", f"{ORDER}/attachments?name=x.txt", data=b"words", headers=headers)
    note = {"text": "ours", "attachments": [{"id": file["id"]}]}
    assert (await provider.post(f"{ORDER}/acts", {"act": "note", "note": note}))[0] == 200
    own = f"{ORDER}/attachments/{file['id']}"
    _, file = await agent.call("POST", path, data=b"words", headers=headers)
    note = {"text": "to the partner alone", "to": "partner", "attachments": [{"id": file["id"]}]}
    assert (await agent.post(f"{ORDER}/acts", {"act": "comment", "note": note}))[0] == 200
    partner = await caller("partner", "partner:p-3")
    assert [(await provider.get(f))[0] for f in (own, f"{ORDER}/attachments/{file['id']}")] == [200, 404]
    assert [(await partner.get(f))[0] for f in (own, f"{ORDER}/attachments/{file['id']}")] == [404, 200]
    assert ["to the partner alone" in str((await who.get(ORDER))[1]) for who in (provider, partner)] == [False, True]
    # What one of them says of a file's columns is remembered for that one.
    content = b"Adresse,name\nzoe@example.com,Zo\n"
    assert (await send(provider, content, query="?map.Adresse=email&map.name="))[0] == 201
    assert [(await send(who, content, query="?dry_run=true"))[1]["error_count"] for who in (provider, agent)] == [1, 1]
    problems = [
        (await send(who, content, query="?dry_run=true"))[1]["errors"][0]["column"] for who in (provider, agent)
    ]
    assert problems == ["Adresse", ""], "there already, and not known what it is"
    page = (await provider.get("/desk/orders/marketing_services/M-1"))[1]
    assert 'lists/leads"' in page
    assert "Comment to the partner" in page
    assert "Comment to the provider" not in page
    theirs = {"provider": {"id": "v-10"}}
    await world.accept(event("P-1", "approved", workflow="marketing_services", recipients=theirs))
    assert [o["order_id"] for o in (await other.get("/v1/orders?sort=late&overdue=false"))[1]["orders"]] == ["P-1"]
