"""Conversations at the desk's API: who waits, who answers, what reaches the customer, and what is moved."""

from typing import Any

import pytest

from service import conversations
from service.conversations import IncomingReply
from tests.integration.conftest import Caller
from tests.integration.test_replies import ASHA, say, told
from tests.support.events import event
from tests.support.world import World

pytestmark = pytest.mark.any_database

O1 = "/v1/orders/device_pickup/O-1/conversation"


async def test_an_answer_goes_where_the_customer_wrote_and_says_what_became_of_it(world: World, caller: Caller) -> None:
    await told(world, "O-1")
    await say(world, "is my dog a problem", sid="SM1", channel="whatsapp")
    agent = await caller("agent")
    status, talk = await agent.get(O1)
    assert status == 200
    assert talk["unanswered_since"]
    (asked,) = talk["messages"]
    assert (asked["direction"], asked["text"], asked["reply"], asked["by"]) == (
        "in",
        "is my dog a problem",
        None,
        "Asha",
    )
    status, talk = await agent.call("POST", O1, {"text": "Not at all."})
    assert status == 201, talk
    assert talk["unanswered_since"] is None
    await world.settled()
    _, talk = await agent.get(O1)
    answered = talk["messages"][-1]
    assert (answered["direction"], answered["channel"], answered["text"], answered["by"], answered["state"]) == (
        "out", "whatsapp", "Not at all.", "agent", "sent",
    )  # fmt: skip
    assert world.providers.of("whatsapp")[-1].text == "Not at all."


async def test_prepared_answers_are_in_the_customers_language(world: World, caller: Caller) -> None:
    await told(world, "O-1", locale="hi-IN")
    await say(world, "my dog", sid="SM1")
    agent = await caller("agent")
    _, talk = await agent.get(O1)
    ready = {p["question"]: p["text"] for p in talk["prepared"]}
    assert "Where is my vendor?" in ready
    assert talk["locale"] == "hi"
    status, talk = await agent.call("POST", O1, {"prepared": "Where is my vendor?"})
    assert status == 201
    assert talk["messages"][-1]["text"] == ready["Where is my vendor?"]
    status, refused = await agent.call("POST", O1, {"prepared": "Why?"})
    assert status == 422
    assert "no such question" in refused["detail"]


async def test_the_tray_has_who_waits_longest_first_and_says_who_answers(world: World, caller: Caller) -> None:
    await told(world, "O-1")
    await told(world, "O-2", phone="+919812345001", whatsapp="+919812345001")
    await say(world, "first", sid="SM1")
    world.clock.advance(minutes=1)
    await say(world, "second", sid="SM2", person="+919812345001")
    await say(world, "a stranger", sid="SM3", person="+919812345002")
    agent = await caller("agent")
    _, tray = await agent.get("/v1/conversations")
    assert [(c["order_id"], c["text"]) for c in tray["conversations"]] == [("O-1", "first"), ("O-2", "second")]
    (stranger,) = tray["unmatched"]
    assert stranger["text"] == "a stranger"
    _, page = await agent.get("/desk/conversations")
    assert ("2 wait for an answer" in page, "Show more" in page) == (True, False)
    _, page = await agent.get("/desk/conversations?limit=1&team=vendor_ops")
    assert "1 or more wait for an answer" in page
    assert 'href="/desk/conversations?limit=200&amp;team=vendor_ops"' in page
    status, _ = await agent.call("POST", O1, {"answering": True})
    assert status == 200
    other = await caller("supervisor")
    _, tray = await other.get("/v1/conversations?team=vendor_ops")
    assert [c["answering"] for c in tray["conversations"]] == ["agent", ""]
    _, mine = await agent.get("/v1/conversations?mine=true")
    assert [c["order_id"] for c in mine["conversations"]] == ["O-1"]
    _, none = await other.get("/v1/conversations?team=tech")
    assert none == {"conversations": [], "unmatched": []}
    status, talk = await agent.call(
        "POST", f"/v1/conversations/{stranger['reply_id']}/move", {"workflow": "device_pickup", "order_id": "O-2"}
    )
    assert status == 200
    assert [m["text"] for m in talk["messages"]] == ["second", "a stranger"] or len(talk["messages"]) == 2
    assert (await agent.get("/v1/conversations"))[1]["unmatched"] == []


async def test_who_said_two_things_waits_on_when_one_of_them_is_moved(world: World, caller: Caller) -> None:
    await told(world, "O-1")
    await told(world, "O-2")
    await say(world, "for the first order", sid="SM1")
    world.clock.advance(minutes=1)
    await say(world, "for the second", sid="SM2")
    agent = await caller("agent")
    _, talk = await agent.get("/v1/orders/device_pickup/O-2/conversation")
    wrong = talk["messages"][0]["id"]
    status, _ = await agent.call(
        "POST", f"/v1/conversations/{wrong}/move", {"workflow": "device_pickup", "order_id": "O-1"}
    )
    assert status == 200
    _, tray = await agent.get("/v1/conversations")
    assert [(c["order_id"], c["text"]) for c in tray["conversations"]] == [
        ("O-1", "for the first order"), ("O-2", "for the second"),
    ]  # fmt: skip


async def test_what_no_system_does_is_offered_as_an_act_until_it_is_done(world: World, caller: Caller) -> None:
    asha = {"customer": {"name": "Asha", "email": "asha@example.com"}}
    await world.accept(event("R-1", "scheduled", workflow="repair", recipients=asha))
    await world.settled()
    await conversations.take(world.app.orders, IncomingReply("m1", "email", "asha@example.com", "Please cancel."))
    agent, publisher = await caller("agent"), await caller("publisher")
    _, tray = await agent.get("/v1/conversations")
    assert [(c["order_id"], c["reply"]) for c in tray["conversations"]] == [("R-1", "cancel")]
    _, talk = await agent.get("/v1/orders/repair/R-1/conversation")
    assert talk["act"] == {
        "reply": "cancel", "title": "Cancel the repair", "act": "change_status", "status": "cancelled", "attributes": {},
    }  # fmt: skip
    assert (await publisher.get("/v1/orders/repair/R-1/conversation"))[0] == 403
    _, page = await agent.get("/desk/orders/repair/R-1/conversation")
    assert "Cancel the repair" in page
    status, _ = await agent.call(
        "POST", "/desk/orders/repair/R-1/asked", data={"reply": "other", "csrf_token": ""}, allow_redirects=False
    )
    assert status == 409
    for _ in range(2):
        asked = {"reply": "cancel", "form_id": "f1", "csrf_token": ""}
        status, _ = await agent.call("POST", "/desk/orders/repair/R-1/asked", data=asked, allow_redirects=False)
        assert status == 303, "a doubled click is one act"
    _, order = await agent.get("/v1/orders/repair/R-1")
    assert (order["status"], [t["kind"] for t in order["timeline"]].count("reply_done")) == ("cancelled", 1)
    _, talk = await agent.get("/v1/orders/repair/R-1/conversation")
    assert (talk["unanswered_since"], talk["act"]) == (None, None)


async def test_refusals_say_what_to_do(world: World, caller: Caller) -> None:
    await told(world, "O-1")
    agent = await caller("agent")
    cases: list[tuple[Any, int]] = [({"text": ""}, 422), ({"text": "x", "channel": "pigeon"}, 422)]
    for body, expected in cases:
        status, _ = await agent.call("POST", O1, body)
        assert status == expected
    status, _ = await agent.get("/v1/orders/device_pickup/none/conversation")
    assert status == 404
    publisher = await caller("publisher")
    assert (await publisher.get(O1))[0] == 403
    assert ASHA
