"""Values of filters: what nothing can be called is refused with the nearest right one; never an empty list."""

import zlib

import msgspec
import pytest
from msgspec import structs
from sqlalchemy import delete, select

from service.attribute_index import AttributeIndex, index_all
from service.ledger import tables
from service.ledger.orders import attributes as order_attributes
from service.ledger.orders import packs as pack_store
from service.workflows.packs import Pack, Packs
from tests.integration.conftest import Caller
from tests.support.client import Client
from tests.support.events import CUSTOMER, event, minutes
from tests.support.world import World

pytestmark = pytest.mark.any_database

WRONG = [
    ("/v1/orders?status=vendor_enroute", "status: unknown status 'vendor_enroute'; did you mean 'vendor_en_route'?"),
    ("/v1/orders?status=assigned,nope", "status: unknown status 'nope'; known: "),
    ("/v1/orders?workflow=device_pikup", "did you mean 'device_pickup'?"),
    ("/v1/orders?workflow=repair&status=at_location", "status: unknown status 'at_location'"),
    ("/v1/orders?stage=order_create", "did you mean 'order_created'?"),
    ("/v1/orders?format=csv&status=nope", "status: unknown status 'nope'"),
    ("/v1/orders?ends_from=2026-12-02T00:00:00Z&ends_before=2026-12-01T00:00:00Z", "ends_before: must be after"),
    ("/v1/orders?limit=0", "limit: "),
    ("/v1/orders?stuck_for=long", "stuck_for: "),
    ("/v1/escalations?state=opened", "did you mean 'open'?"),
    ("/v1/escalations?team=finanse", "did you mean 'finance'?"),
    ("/v1/escalations?workflow=repairs", "did you mean 'repair'?"),
    ("/v1/escalations?severity=hihg", "did you mean 'high'?"),
    ("/v1/escalations/stream?team=techs", "did you mean 'tech'?"),
    ("/v1/escalations/stream?workflow=nope", "workflow: unknown workflow 'nope'"),
    ("/v1/metrics/lifecycle?workflow=repare", "did you mean 'repair'?"),
    ("/v1/orders?attributes.campain=Spring", "unknown attribute 'campain'; did you mean 'campaign'?"),
    ("/v1/orders?format=csv&attributes.campain=Spring", "did you mean 'campaign'?"),
    ("/v1/orders?workflow=repair&attributes.campaign=Spring", "attributes.campaign: unknown attribute"),
    ("/v1/orders?attributes.leads=Ravi", "attributes.leads: filters are attributes that packs list under `shows`"),
    ("/v1/orders?attributes.=1", "attributes.: unknown attribute"),
    ("/desk/orders?attributes.campain=Spring", "did you mean"),
    ("/v1/escalations?attributes.campaign=Spring", "is not taken here"),
    ("/v1/orders?recipient=abc", "recipient: a phone number such as +919812345678, or a mail address, is expected"),
    ("/v1/orders?recipient=123", "recipient: a phone number"),
    ("/desk/orders?recipient=asha", "recipient: a phone number"),
    ("/v1/audit?act=order.sen", "act: unknown act 'order.sen'; did you mean 'order.seen'?"),
    ("/v1/audit?act=notice.sent+looking_into", "did you mean 'notice.sent looking_into_it'?"),
    ("/v1/audit?act=zzz", "act: unknown act 'zzz'; known: "),
    ("/desk/audit?act=odrers", "did you mean"),
    ("/v1/audit?from=2026-12-02&to=2026-12-01", "to: must be after"),
    ("/desk?team=nope", "team: unknown team 'nope'"),
    ("/desk/board?state=nope", "state: unknown state 'nope'"),
    ("/desk/orders?status=nope", "status: unknown status 'nope'"),
    ("/desk/lifecycle?workflow=nope", "workflow: unknown workflow 'nope'"),
]


async def test_what_nothing_is_called_is_refused_with_the_nearest(world: World, caller: Caller) -> None:
    admin = await caller("admin")
    for path, words in WRONG:
        status, problem = await admin.get(path)
        assert status == 400, path
        assert words in str(problem), (path, problem)


@pytest.mark.parametrize("path", ["/v1/orders?status=gone_by", "/v1/orders?workflow=tidy", "/v1/escalations?team=old"])
async def test_what_an_earlier_version_named_is_known(world: World, caller: Caller, path: str) -> None:
    agent = await caller("supervisor")
    assert (await agent.get(path))[0] == 400
    text = "workflow: tidy\nstatuses: {gone_by: {stage: first}}\nstages: {first: {}}\nteams: {old: {}}\n"
    files = zlib.compress(msgspec.json.encode({"tidy/workflow.yaml": text}))
    async with world.app.orders.ledger.transaction() as tx:
        await pack_store.store_packs(tx, {("tidy", "1"): files}, "", world.app.orders.time.now())
    assert (await agent.get(path))[0] == 200


async def test_a_page_takes_a_status_of_another_workflow_while_filters_change(world: World, caller: Caller) -> None:
    agent = await caller("agent")
    assert (await agent.get("/desk/orders?workflow=repair&status=at_location"))[0] == 200


async def test_lists_show_the_attributes_that_a_pack_shows(world: World, caller: Caller) -> None:
    said = {"activity_type": "=seo", "campaign": "Spring", "leads": [{"name": "L"}], "other": 1}
    await world.accept(event("M-1", "pending_quotes", workflow="marketing_services", attributes=said))
    await world.accept(event("D-1", "created"))
    agent = await caller("agent")
    _, page = await agent.get("/v1/orders")
    shown = {o["order_id"]: o["attributes"] for o in page["orders"]}
    assert shown == {"M-1": {"activity_type": "=seo", "campaign": "Spring"}, "D-1": {}}
    _, table = await agent.get("/v1/orders?format=csv&workflow=marketing_services")
    assert "attributes.activity_type,attributes.campaign" in str(table)
    assert "'=seo,Spring" in str(table)
    _, order = await agent.get("/desk/orders/marketing_services/M-1")
    assert all(
        words in str(order)
        for words in (
            '<dt dir="auto">Campaign</dt><dd dir="auto">Spring</dd>',
            'Leads</dt><dd dir="auto">1</dd>',
        )
    )
    _, html = await agent.get("/desk/orders")
    assert all(
        words in str(html) for words in ('<th scope="col"><bdi>Campaign</bdi></th>', "<td><bdi>Spring</bdi></td>")
    )


async def found(agent: Client, query: str) -> list[str]:
    status, page = await agent.get(f"/v1/orders?{query}")
    assert status == 200, page
    return sorted(o["order_id"] for o in page["orders"])


async def test_lists_are_filtered_by_the_attributes_that_a_pack_shows(world: World, caller: Caller) -> None:
    for n, (activity, campaign) in enumerate([("seo", "Spring Sale"), ("ads", "spring sale"), ("seo", "Autumn")], 1):
        said = {"activity_type": activity, "campaign": campaign, "leads": [{"name": "Ravi"}]}
        await world.accept(event(f"M-{n}", "pending_quotes", workflow="marketing_services", attributes=said))
    await world.accept(event("D-1", "created", attributes={"campaign": "Autumn"}))
    agent = await caller("agent")
    assert await found(agent, "attributes.campaign=SPRING++SALE") == ["M-1", "M-2"]
    assert await found(agent, "attributes.campaign=spring+sale&attributes.activity_type=seo") == ["M-1"]
    assert await found(agent, "attributes.campaign=Autumn") == ["M-3"], "another pack does not show it"
    assert await found(agent, "attributes.campaign=Winter") == []
    assert len(await found(agent, "attributes.campaign=")) == 4
    table = str((await agent.get("/v1/orders?format=csv&attributes.campaign=autumn"))[1])
    assert "M-3" in table
    assert "M-1" not in table
    moved = {"campaign": "Winter", "activity_type": None}
    await world.accept(
        event("M-1", at=minutes(1), kind="order.updated", workflow="marketing_services", attributes=moved)
    )
    assert await found(agent, "attributes.campaign=spring+sale") == ["M-2"]
    assert await found(agent, "attributes.activity_type=seo") == ["M-3"]
    assert await found(agent, "attributes.campaign=winter") == ["M-1"]
    _, html = await agent.get("/desk/orders?workflow=marketing_services&attributes.campaign=winter")
    assert '<span class="soft">Campaign</span><input name="attributes.campaign" value="winter"' in str(html)
    assert 'name="attributes.activity_type"' in str(html)
    assert "M-1" in str(html)
    assert "M-2" not in str(html)
    assert "attributes.campaign=winter" in str(html), "the table to download and the next page keep the filter"
    assert (await agent.get("/desk/orders?workflow=repair&attributes.campaign=winter"))[0] == 200


async def test_orders_of_before_are_found_once_they_are_indexed(world: World, caller: Caller) -> None:
    said = {"activity_type": "seo", "campaign": "Spring"}
    for n in range(3):
        await world.accept(event(f"M-{n}", "pending_quotes", workflow="marketing_services", attributes=said))
    agent, packs = await caller("agent"), world.app.packs
    rules = order_attributes.rules_of(packs.workflows.values())

    async def indexed() -> bool:
        async with world.ledger.reading() as tx:
            return await order_attributes.is_indexed(tx, rules)

    await world.until(indexed, "the process to be done with it")
    async with world.ledger.transaction() as tx:
        await tx.execute(delete(tables.orders.order_attributes))
        await order_attributes.begin(tx, rules, anew=True)
    status, page = await agent.get("/v1/orders?attributes.campaign=Spring")
    assert (status, page["orders"]) == (200, [])
    assert "still being indexed" in page["warnings"][0]
    assert "still being indexed" in str((await agent.get("/desk/orders?attributes.campaign=Spring"))[1])
    assert "warnings" not in (await agent.get("/v1/orders"))[1]
    assert await index_all(world.ledger, packs, rules) == 3
    status, page = await agent.get("/v1/orders?attributes.campaign=Spring")
    assert (len(page["orders"]), page.get("warnings")) == (3, None)
    unshown = Packs(Pack(structs.replace(p.workflow, shows=()), p.templates) for p in packs)
    await AttributeIndex(world.ledger, unshown).catch_up()
    async with world.ledger.reading() as tx:
        assert (await tx.execute(select(tables.orders.order_attributes))).all() == [], (
            "what is shown no more is found no more"
        )


async def test_an_attribute_that_is_erased_finds_nothing(world: World, caller: Caller) -> None:
    said = {"activity_type": "seo", "campaign": "Asha's own"}
    people = {"partner": CUSTOMER}
    await world.accept(
        event("M-1", "pending_quotes", workflow="marketing_services", attributes=said, recipients=people)
    )
    admin = await caller("admin")
    assert await found(admin, "attributes.campaign=Asha's+own") == ["M-1"]
    assert (await admin.call("DELETE", "/v1/people/asha@example.com"))[0] == 200
    assert await found(admin, "attributes.campaign=Asha's+own") == []
    async with world.ledger.reading() as tx:
        assert (await tx.execute(select(tables.orders.order_attributes))).all() == []
