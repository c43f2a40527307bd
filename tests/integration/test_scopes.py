"""Whoever is limited sees their part and nothing else: no row, count, search hit or word of another's, on any route."""

import json
import random
import re
from typing import Any, Final

import pytest

from service.web.route import Route
from service.web.routes.table import API, PAGES
from tests.integration.conftest import Caller
from tests.support.client import Client
from tests.support.events import event
from tests.support.streams import listening, read_stream
from tests.support.world import World

pytestmark = pytest.mark.any_database

# Everybody who is limited, each to a part of `OWN`; `FOREIGN` is nobody's of theirs.
SCOPED: Final = (
    ("supervisor", ("workflow:marketing_services",)),
    ("supervisor", ("team:finance",)),
    ("supervisor", ("provider:v-9",)),
    ("agent", ("reseller:r-1", "workflow:home_service")),
    ("admin", ("technician:t-1", "partner:p-3")),
    ("publisher", ("workflow:marketing_services",)),
    ("provider", ("provider:v-9",)),
    ("reseller", ("reseller:r-1",)),
    ("technician", ("technician:t-1",)),
    ("partner", ("partner:p-3",)),
)
CUSTOMER_PHONE: Final = "+34610000001"
# Made anew for each answer: what a form is sent once by.
_OF_EACH_ANSWER: Final = re.compile(r'name="form_id" value="[^"]*"')
# Of each way to ask: what lists are narrowed by.
_QUERIES: Final = ("", "?q=H-1", "?q=" + CUSTOMER_PHONE.replace("+", "%2B"), "?q=Name", "?overdue=true", "?format=csv")
_PLAIN: Final = ("",)


def someone(name: str, n: int, **more: Any) -> dict[str, Any]:
    return {"id": name, "name": f"Name of {name}", "phone": f"+3461{n:07d}", "email": f"{name}@example.com", **more}


def at_home(order_id: str, provider: str, reseller: str, n: int, *, reason: str) -> list[dict[str, Any]]:
    """An order under way, with words of each side, a technician, and a team that was called. Its customer is `n`'s."""
    people = {
        "customer": someone(f"c-{n}", 1 if n > 100 else n),
        "provider": someone(provider, 1000 + n),
        "reseller": someone(reseller, 2000 + n),
    }
    w: dict[str, Any] = {"workflow": "home_service"}
    by = {"id": provider, "name": f"Clerk of {provider}", "role": "provider"}
    fitter = {"role": "technician", "id": f"t-{n}", "name": f"Fitter {n}", "phone": f"+3462{n:07d}"}
    window = {"start": "2026-03-04T09:00:00Z", "end": "2026-03-04T11:00:00Z"}
    said = {"product": f"internet-{n}", "special_requests": f"ring twice {n}", "margin": f"secret {n}"}
    return [
        event(order_id, "submitted_to_provider", recipients=people, attributes=said, **w),
        event(order_id, "accepted", note={"text": f"staff says {n}", "public": False}, **w),
        event(order_id, "scheduled", assignee=fitter, appointment=window, **w),
        event(order_id, kind="order.note_added", actor=by, note={"text": f"among {provider}", "public": False}, **w),
        event(order_id, kind="order.note_added", actor=by, note={"text": f"for all of {n}", "public": True}, **w),
        event(order_id, kind="order.issue_reported", issue={"reason": reason, "detail": f"detail {n}"}, **w),
    ]  # fmt: skip


def repaired(order_id: str, technician: str, n: int) -> list[dict[str, Any]]:
    w: dict[str, Any] = {"workflow": "repair"}
    people = {"customer": someone(f"k-{n}", 3000 + n, locale="de")}
    fitter = {
        "role": "technician",
        "id": technician,
        "name": f"Fitter {technician}",
        "email": f"{technician}@x.example",
    }
    issue = {"reason": "item_damaged", "detail": f"broken {n}"}
    return [
        event(order_id, "scheduled", recipients=people, assignee=fitter, attributes={"item": f"bicycle {n}"}, **w),
        event(order_id, kind="order.issue_reported", issue=issue, **w),
    ]


def marketed(order_id: str, partner: str, provider: str, n: int) -> list[dict[str, Any]]:
    people = {"partner": someone(partner, 4000 + n), "provider": someone(provider, 5000 + n)}
    said = {"activity_type": "mailing", "campaign": f"spring {n}"}
    return [event(order_id, "approved", workflow="marketing_services", recipients=people, attributes=said)]


OWN: Final = [
    *at_home("H-1", "v-9", "r-1", 1, reason="commission_not_credited"),
    *repaired("R-1", "t-1", 2),
    *marketed("M-1", "p-3", "v-9", 3),
]


def foreign(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """Orders of others: under ids that ours have in other workflows, with our customer, and many of one trouble."""
    made: list[dict[str, Any]] = []
    for n in range(101, 101 + count):
        kind = rng.choice(("home", "home", "repair", "pickup")) if n > 103 else ("home", "repair", "pickup")[n - 101]
        name = {101: "R-1", 102: "M-1", 103: "H-1"}.get(n, f"F-{n}")
        if kind == "home":
            made += at_home(name, f"v-{n}", f"r-{n}", n, reason=rng.choice(("wrong_address", "installation_failed")))
        elif kind == "repair":
            made += repaired(name, f"t-{n}", n)
        else:
            customer = {"customer": someone(f"d-{n}", 1)}
            made.append(event(name, "created", recipients=customer, note={"text": f"pickup {n}", "public": True}))
    return made


async def limited(caller: Caller) -> dict[str, Client]:
    """Everybody who is limited, by who it is."""
    return {f"{role} of {' '.join(scopes)}": await caller(role, *scopes) for role, scopes in SCOPED}


def looks(own_ids: dict[str, str]) -> list[str]:
    """Every address that only shows something, filled in with what is ours; lists in several ways."""
    found = []
    orders = (("home_service", "H-1"), ("repair", "R-1"), ("marketing_services", "M-1"))
    for route in (*API, *PAGES):
        if route.method != "GET" or route.role is None or route.streams:
            continue
        if "{order_id}" in route.path:
            names = {"list": "leads", "id": own_ids["message"]}
            found += [route.path.format(workflow=w, order_id=o, **names) for w, o in orders]
            continue
        words = {"workflow": "home_service", "notice": "visit_scheduled"}
        path = route.path.format(id=own_ids["message"], address=CUSTOMER_PHONE.replace("+", "%2B"), **words)
        fields = route.query.__struct_fields__
        queries = _QUERIES if "q" in fields else ("", "?state=") if "severity" in fields else _PLAIN
        found += [path + query for query in queries]
    return found


async def seen_by(client: Client, paths: list[str]) -> dict[str, tuple[int, str]]:
    answers = {}
    for path in paths:
        status, answer = await client.call("GET", path, allow_redirects=False)
        said = answer if isinstance(answer, str) else json.dumps(answer, sort_keys=True)
        answers[path] = (status, _OF_EACH_ANSWER.sub("", said))
    return answers


async def ids_of(world: World, workflow: str, order_id: str) -> dict[str, str]:
    view = await world.view(order_id, workflow)
    found = {"order": f"{workflow}/{order_id}"}
    for kind, rows in (("message", view["messages"]), ("escalation", view["escalations"])):
        found |= {kind: rows[0]["id"]} if rows else {}
    return found


async def unmoved(world: World, caller: Caller, seed: int, count: int, share: int = 1) -> None:
    """What others do changes nothing of what anybody sees: not a byte, on any route.

    `share`: each looks at one address in so many, and at another one than the next caller does.
    """
    await world.accept(*OWN)
    await world.settled()
    clients, paths = await limited(caller), looks(await ids_of(world, "home_service", "H-1"))
    parts = {who: paths[n % share :: share] for n, who in enumerate(clients)}
    before = {who: await seen_by(client, parts[who]) for who, client in clients.items()}
    for who, answers in before.items():
        assert all(status < 500 for status, _ in answers.values()), who
        sees = any(status == 200 and text for status, text in answers.values())
        assert sees or (share > 1 and "publisher" in who), who
    await world.accept(*foreign(random.Random(seed), count))
    await world.settled()
    for who, client in clients.items():
        served = [path for path, (status, _) in before[who].items() if status != 403]
        after = await seen_by(client, served)
        changed = [path for path in served if after[path] != before[who][path]]
        assert changed == [], (who, before[who][changed[0]], after[changed[0]])


async def test_what_others_do_changes_nothing_of_what_anybody_sees(world: World, caller: Caller) -> None:
    await unmoved(world, caller, 1, 8, share=4)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 8))
async def test_nor_do_many_others_orders(world: World, caller: Caller, seed: int) -> None:
    await unmoved(world, caller, seed, 60)


BODIES: Final[dict[str, dict[str, Any]]] = {
    "notices": {"reason": "update_needed", "preview": True},
    "acts": {"act": "note", "note": {"text": "x"}},
    "issues": {"reason": "wrong_address"},
    "conversation": {"text": "x"},
    "assign": {"to": "Kim"},
    "snooze": {"minutes": 10},
    "comment": {"comment": "x"},
    "move": {"workflow": "home_service", "order_id": "H-1"},
}


# What tells a form that it is empty, or sends everybody back to where they came from.
ANSWERED_FOR_ANY: Final = ("preview", "suppressions")


def body_for(route: Route) -> dict[str, Any] | None:
    return BODIES.get(route.path.rpartition("/")[2], {}) if route.method == "POST" else None


async def named_by_path(world: World, caller: Caller, share: int = 1) -> None:
    """Whatever the path names, another's is answered as one that never was: with the same status and words."""
    await world.accept(*OWN, *foreign(random.Random(1), 4))
    await world.settled()
    theirs = await ids_of(world, "home_service", "R-1")
    absent = "00000000-0000-7000-8000-000000000000"
    clients = await limited(caller)
    asked = [r for r in (*API, *PAGES) if r.role is not None and {*r.in_path} & {"order_id", "id"} and not r.streams]
    for n, (who, client) in enumerate(clients.items()):
        for route in asked[n % share :: share]:
            kind = "escalation" if "escalations" in route.path else "message"
            answers = []
            for order_id, other in (("R-1", theirs[kind]), ("Z-9", absent)):
                filled = {"workflow": "home_service", "order_id": order_id, "id": other}
                path = route.path.format(**filled, list="leads", act="approve")
                status, said = await client.call(route.method, path, body_for(route), allow_redirects=False)
                said = json.dumps(said, sort_keys=True).replace(order_id, "ID").replace(other, "ID")
                answers.append((status, _OF_EACH_ANSWER.sub("", said)))
            assert answers[0] == answers[1], (who, route.method, route.path)
            found = answers[0][0] < 400 and route.path.rpartition("/")[2] not in ANSWERED_FOR_ANY
            assert not found, (who, route.path, answers[0])
    shown = await world.view("R-1", "home_service")
    assert [e["state"] for e in shown["escalations"]] == ["open"]


async def test_what_is_not_theirs_looks_like_what_there_is_not(world: World, caller: Caller) -> None:
    await named_by_path(world, caller, share=3)


@pytest.mark.long
async def test_nor_does_any_route_tell_them_apart_for_anybody(world: World, caller: Caller) -> None:
    await named_by_path(world, caller)


HOME: Final = "/v1/orders/home_service/H-1"


async def test_the_people_of_a_party_see_their_orders_and_what_the_pack_shows_of_others(
    world: World, caller: Caller
) -> None:
    await world.accept(*OWN, *foreign(random.Random(1), 3))
    await world.settled()
    provider, reseller, nobody = await caller("provider", "provider:v-9"), await caller("reseller", "reseller:r-1"), ""
    status, shown = await provider.get(HOME)
    assert status == 200, shown
    people = {p["audience"]: p for p in shown["people"]}
    assert (people["customer"]["phone"], people["provider"]["phone"]) == (CUSTOMER_PHONE, "+34610001001")
    assert (people["reseller"]["name"], people["reseller"].get("phone")) == ("Name of r-1", None)
    assert shown["assignee"]["name"] == "Fitter 1"
    notes = {t.get("note", nobody) for t in shown["timeline"]} - {nobody}
    assert notes == {"among v-9", "for all of 1"}, "not what the company writes for itself"
    assert "margin" not in shown["attributes"]
    assert shown["attributes"]["special_requests"] == "ring twice 1"
    assert {m["audience"] for m in shown["messages"]} == {"provider"}
    assert [shown[part] for part in ("escalations", "clocks", "suppressions", "answers", "manual_notices")] == [[]] * 5
    _, theirs = await reseller.get(HOME)
    people = {p["audience"]: p for p in theirs["people"]}
    assert (people["customer"]["name"], people["customer"].get("phone")) == ("Name of c-1", None)
    assert theirs["assignee"]["name"] == "•••"
    assert {t["note"] for t in theirs["timeline"] if "note" in t} == {"for all of 1"}
    assert {m["audience"] for m in theirs["messages"]} == {"reseller"}
    page = (await provider.get("/v1/orders"))[1]["orders"]
    assert {(o["workflow"], o["order_id"]) for o in page} == {("home_service", "H-1"), ("marketing_services", "M-1")}
    assert {(o["assignee"], o["open_escalations"]) for o in page} == {("", 0)}
    assert (await provider.get("/v1/orders?q=Fitter"))[1]["orders"] == [], "others are not asked for by name"
    assert (await provider.get("/v1/orders?assignee=t-1"))[0] == 400
    assert (await provider.get("/v1/escalations"))[0] == (await provider.get("/v1/messages"))[0] == 403


async def test_what_waits_for_them_comes_first_and_leaves_with_them(world: World, caller: Caller) -> None:
    await world.accept(*OWN)
    provider, technician = await caller("provider", "provider:v-9"), await caller("technician", "technician:t-1")
    todo = [o["order_id"] for o in (await provider.get("/v1/orders?todo=true"))[1]["orders"]]
    assert sorted(todo) == ["H-1", "M-1"]
    assert (await (await caller("agent")).get("/v1/orders?todo=true"))[0] == 400
    status, page = await technician.get("/desk")
    assert (status, "To do" in page, "R-1" in page, "Board" in page) == (200, True, True, False)
    status, page = await technician.get("/desk/orders/repair/R-1")
    assert (status, "Messages to you" in page, "Conversation" in page) == (200, True, False)
    other = {"role": "technician", "id": "t-7", "name": "Another"}
    await world.accept(event("R-1", kind="order.updated", workflow="repair", assignee=other))
    assert [o["order_id"] for o in (await technician.get("/v1/orders?todo=true"))[1]["orders"]] == ["H-1"]
    assert (await technician.get("/v1/orders/repair/R-1"))[0] == 404
    assert [o["order_id"] for o in (await (await caller("technician", "technician:t-7")).get("/v1/orders"))[1]["orders"]] == ["R-1"]  # fmt: skip


async def test_a_party_acts_on_its_own_orders_as_its_pack_allows(world: World, caller: Caller) -> None:
    await world.accept(*OWN, *foreign(random.Random(1), 3))
    provider, partner = await caller("provider", "provider:v-9"), await caller("partner", "partner:p-3")
    agent = await caller("agent")
    status, done = await provider.post(f"{HOME}/acts", {"act": "note", "note": {"text": "bring the long ladder"}})
    assert status == 200, done
    (note,) = [t for t in (await agent.get(HOME))[1]["timeline"] if t.get("note") == "bring the long ladder"]
    assert (note["side"], note["side_id"]) == ("provider", "v-9")
    assert (await provider.post(f"{HOME}/acts", {"act": "quote", "price": {"amount": "1", "currency": "EUR"}}))[
        0
    ] == 403
    elsewhere = {"act": "note", "note": {"text": "x"}}
    assert (await provider.post("/v1/orders/home_service/R-1/acts", elsewhere))[0] == 404
    made: dict[str, Any] = {"act": "create", "status": "pending_quotes", "attributes": {"activity_type": "mailing"}}
    status, done = await partner.post("/v1/orders/marketing_services/M-2/acts", made)
    assert status == 201, done
    assert [p["id"] for p in (await agent.get("/v1/orders/marketing_services/M-2"))[1]["recipients"]["partner"]] == [
        "p-3"
    ]
    named = made | {"recipients": {"partner": {"name": "Our office", "email": "office@example.com"}}}
    assert (await partner.post("/v1/orders/marketing_services/M-4/acts", named))[0] == 201
    _, seen = await partner.get("/v1/orders/marketing_services/M-4")
    assert (seen["recipients"]["partner"][0]["id"], seen["recipients"]["partner"][0]["name"]) == ("p-3", "Our office")
    internal = {"act": "note", "note": {"text": "between us", "public": False}}
    assert (await agent.post("/v1/orders/marketing_services/M-4/acts", internal))[0] == 200
    late = {"act": "note", "note": {"text": "in time"}, "version": seen["version"]}
    assert (await partner.post("/v1/orders/marketing_services/M-4/acts", late))[0] == 200, "not theirs to know"
    finance = await caller("agent", "team:finance")
    assert (await finance.post("/v1/orders/marketing_services/M-4/acts", made))[0] == 404
    another = await caller("partner", "partner:p-4")
    status, problem = await another.post("/v1/orders/marketing_services/M-2/acts", made)
    assert (status, "already" in json.dumps(problem)) == (404, False), "that there is one is not theirs to know"
    of_others = made | {"recipients": {"partner": {"id": "p-3"}}}
    assert (await another.post("/v1/orders/marketing_services/M-3/acts", of_others))[0] == 404
    assert (await agent.get("/v1/orders/marketing_services/M-3"))[0] == 404


async def test_a_publisher_of_one_workflow_tells_of_no_other(world: World, caller: Caller) -> None:
    publisher = await caller("publisher", "workflow:repair")
    part = event("R-6", "scheduled", workflow="repair", parent={"workflow": "device_pickup", "order_id": "A-5"})
    told = [repaired("R-5", "t-1", 5)[0], event("A-5", "created"), event("A-6", "created", workflow="nonsense"), part]
    status, answer = await publisher.post("/v1/events", told)
    assert (status, [r["outcome"] for r in answer["results"]]) == (207, ["accepted", *["rejected"] * 3])
    assert len({r["reason"] for r in answer["results"][1:]}) == 1


async def test_the_stream_tells_of_their_orders_alone(world: World, caller: Caller) -> None:
    await world.accept(*OWN, *foreign(random.Random(1), 3))
    agent, supervisor = await caller("agent"), await caller("supervisor", "provider:v-9")
    reading = await listening(supervisor, world, "", 1)
    for order in ("home_service/R-1", "repair/R-1", "home_service/H-1"):
        reason = "item_damaged" if order.startswith("repair") else "customer_not_home"
        assert (await agent.post(f"/v1/orders/{order}/issues", {"reason": reason}))[0] == 201
    ((place, told),) = await reading
    assert (told["subject"], told["data"]["reason"]) == ("H-1", "customer_not_home")
    assert not place[:1].isdigit(), "how much happened elsewhere cannot be told from it"
    assert (await agent.post("/v1/orders/home_service/H-1/issues", {"reason": "equipment_missing"}))[0] == 201
    ((_, again),) = await read_stream(supervisor, world, place, 1)
    assert again["data"]["reason"] == "equipment_missing"
