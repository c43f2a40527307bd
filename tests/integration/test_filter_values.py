"""Values of filters: what nothing can be called is refused with the nearest right one; never an empty list."""

import zlib

import msgspec
import pytest

from service.ledger import pack_store
from tests.integration.conftest import Caller
from tests.support.events import event
from tests.support.world import World

WRONG = [
    ("/v1/orders?status=vendor_enroute", "status: unknown status 'vendor_enroute'; did you mean 'vendor_en_route'?"),
    ("/v1/orders?status=assigned,nope", "status: unknown status 'nope'; known: "),
    ("/v1/orders?workflow=device_pikup", "did you mean 'device_pickup'?"),
    ("/v1/orders?workflow=repair&status=at_location", "status: unknown status 'at_location'"),
    ("/v1/orders?stage=order_create", "did you mean 'order_created'?"),
    ("/v1/orders?format=csv&status=nope", "status: unknown status 'nope'"),
    ("/v1/orders?ends_from=2026-12-02T00:00:00Z&ends_before=2026-12-01T00:00:00Z", "ends_before: lies not after"),
    ("/v1/orders?limit=0", "limit: "),
    ("/v1/orders?stuck_for=long", "stuck_for: "),
    ("/v1/escalations?state=opened", "did you mean 'open'?"),
    ("/v1/escalations?team=finanse", "did you mean 'finance'?"),
    ("/v1/escalations?workflow=repairs", "did you mean 'repair'?"),
    ("/v1/escalations?severity=hihg", "did you mean 'high'?"),
    ("/v1/escalations/stream?team=techs", "did you mean 'tech'?"),
    ("/v1/escalations/stream?workflow=nope", "workflow: unknown workflow 'nope'"),
    ("/v1/metrics/lifecycle?workflow=repare", "did you mean 'repair'?"),
    ("/v1/audit?from=2026-12-02&to=2026-12-01", "to: lies not after"),
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
    async with world.app.core.ledger.transaction() as tx:
        await pack_store.keep(tx, {("tidy", "1"): files}, "", world.app.core.time.now())
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
        words in str(order) for words in ('<dt class="soft">Campaign</dt><dd>Spring</dd>', "Leads</dt><dd>1</dd>")
    )
    _, html = await agent.get("/desk/orders")
    assert all(words in str(html) for words in ('<th scope="col">Campaign</th>', "<td>Spring</td>"))
