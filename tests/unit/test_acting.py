"""Acts: who may do what, when, with what; and that none can do what an event could not."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.acting import CREATE, Given, NotAllowed, allowed, event_of, offered
from service.domain.acts import TAKES
from service.domain.errors import NotNow, Rejection
from service.domain.event_decoding import decode
from service.domain.events import Note
from service.workflows.packs import Pack
from tests.support.events import CUSTOMER, VENDOR, encoded, event
from tests.support.life import Life, after, begun
from tests.support.packs import all_packs, errand

AGENT = frozenset({"agent"})
STAFF = frozenset({"agent", "supervisor", "admin"})
PACKS = ("repair", "marketing_services", "home_service", "device_pickup", "appointment")
KINDS = {"change_status": "order.status_changed", CREATE: "order.status_changed", "note": "order.note_added",
         "comment": "order.note_added"}  # fmt: skip


def at(workflow: str, status: str, **said: Any) -> Life:
    life = Life(all_packs().get(workflow))
    life.take(event("O-1", status, workflow=workflow, recipients={"customer": CUSTOMER}, **said))
    return life


def act(life: Life, name: str, roles: frozenset[str] = AGENT, **said: Any) -> tuple[str, dict[str, Any]]:
    w = life.pack.workflow
    return event_of(w, allowed(w, life.order, name, roles), life.order, Given(**said), roles)


def test_a_code_is_never_entered_by_hand_and_the_desk_says_where_it_comes_from() -> None:
    life = at("device_pickup", "inspection_completed", assignee=VENDOR)
    assert life.order
    (change,) = [o for o in offered(life.pack.workflow, life.order, STAFF) if o.act == "change_status"]
    assert "payment_initiated" not in [s.status for s in change.to]
    with pytest.raises(NotNow, match=r"an event brings it with its code \(secrets.otp\)"):
        act(life, "change_status", STAFF, status="payment_initiated")


def test_agents_of_pickups_hand_over_and_set_times_and_no_more() -> None:
    life = at("device_pickup", "assigned", assignee=VENDOR)
    assert life.order
    assert [o.act for o in offered(life.pack.workflow, life.order, AGENT)] == ["assign", "note", "set_dates"]
    with pytest.raises(NotAllowed, match="supervisor may"):
        act(life, "change_status", status="vendor_accepted")


def test_nobody_assigns_by_the_way_who_may_not_assign() -> None:
    pack = errand_with("acts: {note: {}, assign: {roles: [admin], to: [runner]}, set_dates: {sets: [eta, assignee]}}")
    life = begun(pack)
    runner = {"role": "runner", "id": "r-1"}
    with pytest.raises(Rejection, match="assignee: is not given with 'note'"):
        act(life, "note", note=Note("x"), assignee=runner)
    with pytest.raises(Rejection, match=r"assignee.role: one of runner"):
        act(life, "set_dates", eta=after(5), assignee={"role": "thief", "id": "r-1"})
    assert act(life, "set_dates", eta=after(5), assignee=runner)[1]["assignee"] == runner
    assert act(life, "note", STAFF, note=Note("x"), assignee=runner)[1]["assignee"] == runner


def test_a_status_may_have_words_roles_and_fields_of_its_own() -> None:
    acts = """acts:
  change_status:
    sets: [eta]
    to:
      quoted: {title: {en: Quote, de: Preis}, sets: [price]}
      dropped: {roles: [supervisor]}
"""
    life = begun(errand_with(acts))
    assert life.order
    (change,) = offered(life.pack.workflow, life.order, AGENT)
    assert [(s.status, s.title, s.sets) for s in change.to] == [("quoted", "Quote", ["eta", "price"])]
    assert len(offered(life.pack.workflow, life.order, STAFF)[0].to) == 2
    with pytest.raises(NotAllowed, match="supervisor may"):
        act(life, "change_status", status="dropped")
    with pytest.raises(NotNow, match="'done' is not entered by hand"):
        act(life, "change_status", STAFF, status="done")
    with pytest.raises(Rejection, match=r"attributes\.reason: is not given"):
        act(life, "change_status", status="quoted", attributes={"reason": "x"})


def test_a_comment_is_public_and_reaches_the_side_it_names() -> None:
    life = Life(all_packs().get("marketing_services"))
    people = {"partner": {"email": "p@example.com"}, "provider": {"email": "q@example.com"}}
    life.take(event("O-1", "approved", workflow="marketing_services", recipients=people))
    assert life.order
    (comment,) = [o for o in offered(life.pack.workflow, life.order, AGENT) if o.act == "comment"]
    assert comment.sides == ["partner", "provider"]
    for side in comment.sides:
        before = len(life.told)
        kind, data = act(life, "comment", note=Note("Blue, please", to=side))
        life.take(event("O-1", kind=kind, **data, actor={"id": "a", "role": "agent"}))
        assert life.told[before:] == [f"comment_for_{side}"]
    for to, why in (("nobody", "unknown audience 'nobody'"), ("watchers", "unknown audience")):
        assert why in life.refusal(event("O-1", kind="order.note_added", note={"text": "x", "public": True, "to": to},
                                         workflow="marketing_services"))  # fmt: skip
    inside = {"text": "x", "to": "partner"}
    said = event("O-1", kind="order.note_added", note=inside, workflow="marketing_services")
    assert "is only for a public note" in life.refusal(said)


def test_the_next_offer_of_a_status_that_tells_again_is_an_act_too() -> None:
    life = at("appointment", "offered")
    assert life.order
    (change,) = [o for o in offered(life.pack.workflow, life.order, AGENT) if o.act == "change_status"]
    assert "offered" in [s.status for s in change.to]
    assert act(life, "change_status", status="offered")[1]["status"] == "offered"
    with pytest.raises(NotNow, match="already 'confirmed'"):
        act(at("appointment", "confirmed"), "change_status", status="confirmed")


TEXTS = st.sampled_from(["", "x", "a note"])
ATTEMPTS = st.fixed_dictionaries({
    "act": st.sampled_from([*TAKES]),
    "roles": st.sampled_from([AGENT, frozenset({"agent", "supervisor"}), STAFF]),
    "status": st.integers(0, 40),
    "note": st.none() | st.builds(Note, text=TEXTS, public=st.booleans(), to=st.sampled_from(["", "partner", "nobody"])),
    "eta": st.none() | st.sampled_from([after(1), after(90)]),
    "price": st.none() | st.just({"amount": "5.00", "currency": "EUR"}),
    "assignee": st.none() | st.sampled_from([VENDOR, {"role": "technician", "id": "t-1"}, {"role": "x", "id": "y"}]),
    "attributes": st.dictionaries(
        st.sampled_from(["item", "rejection_reason", "cancel_reason", "cancelled_by", "estimated_completion", "rating"]),
        st.sampled_from(["x", "2026-12-27", 5]),
        max_size=2,
    ),
})  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PACKS), st.lists(ATTEMPTS, min_size=4, max_size=10))
def test_no_act_can_do_what_an_event_could_not(name: str, attempts: list[dict[str, Any]]) -> None:
    """The same words sent by a publisher lead to the same order; what is refused to them is refused to people."""
    pack = all_packs().get(name)
    by_acts, by_events = Life(pack), Life(pack)
    for n, attempt in enumerate(attempts):
        statuses = list(pack.workflow.statuses)
        status = statuses[attempt["status"] % len(statuses)]
        try:
            said = _acted(by_acts, attempt, status)
        except Rejection:
            continue
        assert "secrets" not in said["data"]
        assert decode(encoded(said)).warnings == ()
        why = by_acts.refusal(said)
        data = {k: v for k in ("note", "eta", "price", "assignee", "attributes") if (v := attempt[k]) not in (None, {})}
        if attempt["act"] == "comment" and "note" in data:
            data["note"] = {"text": attempt["note"].text, "public": True, "to": attempt["note"].to}
        kind = KINDS.get(attempt["act"], "order.updated")
        named = {"status": status} if kind == "order.status_changed" else {}
        theirs = event("O-1", kind=kind, workflow=name, **named, **data, id=f"e-{n}")
        assert by_events.refusal(theirs) == why
        assert by_acts.order == by_events.order


def _acted(life: Life, attempt: dict[str, Any], status: str) -> dict[str, Any]:
    w, order = life.pack.workflow, life.order
    name = CREATE if order is None else attempt["act"]
    attempt["act"] = name
    given_ = {k: v for k in ("note", "eta", "price", "assignee", "attributes") if (v := attempt[k]) not in (None, {})}
    status = status if name in ("change_status", CREATE) else ""
    doing = allowed(w, order, name, attempt["roles"])
    kind, data = event_of(w, doing, order, Given(status=status, **given_), attempt["roles"])
    return event("O-1", data.pop("status", None), kind=kind, **data)


def errand_with(acts: str) -> Pack:
    return errand(("contacts: [runner]\n", f"contacts: [runner]\n{acts}\n"))
