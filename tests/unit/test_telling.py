"""Which notices an order tells, to whom, over what, when, with which code; and why somebody is not told."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from service.domain.errors import NotNow, Rejection
from service.domain.notices import Accepted, Message, Permanent
from tests.support.events import CUSTOMER, NOON
from tests.support.life import Life, after, begun, happened
from tests.support.packs import errand

RUNNER = {"role": "runner", "id": "r1", "name": "Ravi", "email": "ravi@example.com", "phone": "+919800000000"}
PHONE = str(CUSTOMER["phone"])
OTHER = {"role": "runner", "id": "r2", "name": "Noor", "email": "noor@example.com"}


def going(**said: Any) -> Life:
    """An errand under way."""
    life = begun(errand(), **said)
    life.take(happened("going"))
    return life


def of(life: Life, notice: str) -> list[Message]:
    return [n for n in life.messages.values() if n.notice == notice]


def lines(life: Life, kind: str) -> list[dict[str, Any]]:
    return [dict(e.detail) for e in life.entries if e.kind == kind]


def test_a_status_tells_its_notices_to_everybody_who_can_be_reached() -> None:
    life = begun(errand())
    assert [(n.channel, n.audience, n.state) for n in of(life, "asked")] == [
        ("sms", "customer", "sent"),
        ("email", "customer", "sent"),
    ]


def test_a_notice_for_some_orders_is_told_of_them_and_not_of_others() -> None:
    assert "code" not in going().told
    assert "code" in going(attributes={"guarded": True}).told


def test_a_code_is_told_while_it_lives_and_dropped_where_nobody_uses_it() -> None:
    life = begun(errand(), attributes={"guarded": True})
    life.take(
        happened("going", secrets={"pin": {"value": "4711", "expires": after(7).isoformat()}, "puk": {"value": "1"}})
    )
    (told,) = [p for p in life.notices.values() if p.name == "code"]
    assert (told.secret, told.valid_until) == ("4711", after(7))
    assert lines(life, "secret_dropped") == [{"name": "puk", "why": "no notice of this event uses it"}]
    without = begun(errand(), attributes={"guarded": True})
    without.take(happened("going"))
    assert [(n.state, n.error) for n in of(without, "code")] == [("suppressed", "the event carried no pin")]
    lasting = begun(errand(), attributes={"guarded": True})
    lasting.take(happened("going", secrets={"pin": {"value": "4711"}}))
    assert [n.valid_until for n in of(lasting, "code")] == [after(10)]


def test_told_once_or_only_after_others_says_why_it_is_not() -> None:
    life = begun(errand())
    life.take(happened("dropped"))
    assert "dropped" in life.told
    quiet = begun(errand(("asked: {stage: asked, notify: asked}", "asked: {stage: asked}")))
    quiet.take(happened("dropped"))
    assert lines(quiet, "notice_skipped") == [{"notice": "dropped", "why": "asked or going was not told before"}]


def test_once_is_once() -> None:
    pack = errand(("held: {stage: going, needs: attributes.reason}", "held: {stage: going, notify: done}"))
    life = begun(pack)
    for n, status in enumerate(("going", "held", "done"), 1):
        life.take(happened(status, n))
    assert life.told.count("done") == 1
    skipped = [line for line in lines(life, "notice_skipped") if line["notice"] == "done"]
    assert skipped == [{"notice": "done", "why": "it is told once, and was told before"}]


def test_one_who_stands_in_for_another_is_told_once_for_both() -> None:
    life = going()
    life.take(happened("done", 1))
    assert [(n.channel, n.audience, n.address) for n in of(life, "done")] == [("email", "customer", CUSTOMER["email"])]


def test_a_change_that_the_status_tells_anyway_is_not_told_twice() -> None:
    life = begun(errand())
    life.take(happened("going", eta=after(20).isoformat()))
    assert "moved" not in life.told
    life.take(happened(at=1, eta=after(30).isoformat()))
    life.take(happened(at=2, eta=after(30).isoformat()))
    assert life.told.count("moved") == 1
    life.take(happened("held", 3, attributes={"reason": "rain", "visit": after(90).isoformat()}))
    assert life.told.count("moved") == 1, "not in this status"


def test_whoever_gets_the_order_hears_of_it_and_the_customer_of_another() -> None:
    life = begun(errand(), assignee=RUNNER)
    assert [n.address for n in of(life, "yours")] == ["ravi@example.com"]
    life.take(happened(at=1, assignee=OTHER))
    assert [n.address for n in of(life, "yours")] == ["ravi@example.com", "noor@example.com"]
    assert life.told.count("new_runner") == 1
    assert lines(life, "reassigned") == [{"role": "runner", "was": "Ravi", "to": "Noor"}]


def test_nobody_hears_of_a_change_after_the_end() -> None:
    life = begun(errand(), assignee=RUNNER)
    life.take(happened("dropped", 1))
    life.take(happened("dropped", 2, assignee=OTHER))
    assert life.told.count("new_runner") == 0
    assert life.told.count("yours") == 1
    late = begun(errand())
    late.take(happened("dropped", 1, assignee=OTHER))
    assert late.told.count("yours") == 0


@pytest.mark.parametrize(
    ("note", "actor", "status", "told"),
    [
        ({"text": "x", "public": True}, {"id": "r1"}, "going", ["noted"]),
        ({"text": "x", "public": True}, {"id": "z", "role": "runner"}, "going", ["noted"]),
        ({"text": "x", "public": True}, {"id": "r1"}, "asked", []),
        ({"text": "x", "public": True}, {"id": "z"}, "going", []),
        ({"text": "x", "public": True}, None, "going", []),
        ({"text": "x", "public": False}, {"id": "z", "role": "desk"}, "asked", ["noted_inside"]),
        ({"text": "x", "public": False}, {"id": "r1", "role": "runner"}, "asked", []),
    ],
)
def test_notes_reach_the_other_side(note: Any, actor: Any, status: str, told: list[str]) -> None:
    life = begun(errand(), assignee=RUNNER)
    if status == "going":
        life.take(happened("going"))
    before = len(life.told)
    life.take(happened(at=1, note=note, **({"actor": actor} if actor else {})))
    assert life.told[before:] == told


@pytest.mark.parametrize(
    ("customer", "channel", "why"),
    [
        ({"name": "Asha"}, "sms", "no sms address is known"),
        ({**CUSTOMER, "channels": ["email"]}, "sms", "does not want sms messages"),
        ({**CUSTOMER, "muted": ["asked"]}, "email", "does not want this message"),
        (None, "email", "nobody is known as customer"),
    ],
)
def test_why_somebody_is_not_told(customer: Any, channel: str, why: str) -> None:
    life = begun(errand(), recipients={"customer": customer} if customer else {})
    assert [n.error for n in of(life, "asked") if n.channel == channel] == [why]


def test_what_must_be_told_is_told_to_those_who_want_less() -> None:
    life = begun(
        errand(), attributes={"guarded": True}, recipients={"customer": {**CUSTOMER, "channels": [], "muted": ["code"]}}
    )
    life.take(happened("going", secrets={"pin": {"value": "4711"}}))
    assert [n.state for n in of(life, "code")] == ["sent"]
    assert [n.state for n in of(life, "going")] == ["suppressed"]


def test_quiet_hours_wait_or_drop() -> None:
    night = NOON.replace(hour=21)
    life = Life(errand(), night)
    said: dict[str, Any] = {"recipients": {"customer": {**CUSTOMER, "timezone": "UTC"}}}
    visit = (night + timedelta(hours=3)).isoformat()
    life.take(
        {**happened("asked", attributes={"visit": visit, "wants_word": "yes"}, **said), "time": night.isoformat()}
    )
    life.travel_to(night + timedelta(hours=2))
    (soon,) = of(life, "soon")
    assert (soon.state, soon.not_before) == ("pending", night.replace(hour=8, minute=0) + timedelta(days=1))
    life.travel_to(night + timedelta(hours=12))
    assert life.messages[soon.id].sent_at == soon.not_before
    dropped = Life(errand(), night)
    dropped.take({**happened("asked", **said), "time": night.isoformat()})
    dropped.take({**happened("going"), "time": (night + timedelta(seconds=1)).isoformat()})
    dropped.travel_to(night + timedelta(hours=2))
    assert [(n.state, n.error) for n in of(dropped, "nearly")] == [("suppressed", "quiet hours")]


def test_a_manual_notice_is_sent_where_it_is_offered_with_what_it_asks() -> None:
    life = begun(errand())
    with pytest.raises(NotNow, match="'sorry' is not sent in 'asked'; it is in going, held"):
        life.send("sorry")
    life.take(happened("going"))
    with pytest.raises(Rejection, match="unknown manual notice 'sory'; did you mean 'sorry'"):
        life.send("sory")
    with pytest.raises(Rejection, match="unknown channel 'push'"):
        life.send("sorry", channels=("push",))
    until = after(60).isoformat()
    decision = life.send("sorry", by="", channels=("email",), until=until)
    (planned,) = decision.notices
    assert (planned.supersedable, [n.channel for n in planned.messages]) == (False, ["email"])
    assert planned.context.asked["until"]
    assert lines(life, "notice_planned")[-1]["by"] == "an agent"


def refusing(life: Life, *channels: str) -> None:
    """A provider that never takes what goes over these."""
    life.provider = lambda n, _now: (
        Permanent("p", "30003", "unreachable") if n.channel in channels else Accepted("p", str(n.id))
    )


def test_what_does_not_arrive_goes_by_the_channel_that_stands_in_once() -> None:
    life = begun(errand())
    refusing(life, "sms")
    life.take(happened("going"))
    assert [(n.channel, n.state) for n in of(life, "going")] == [("sms", "failed"), ("email", "sent")]
    twice = begun(errand())
    refusing(twice, "sms")
    twice.take(happened("going"))
    lost = of(twice, "going")[0]
    twice.message(lost, *of(twice, "going"))
    assert len(of(twice, "going")) == 2


def test_no_stand_in_where_there_is_none_no_address_or_no_time() -> None:
    for said, when in (({"customer": {"phone": CUSTOMER["phone"]}}, 0), ({"customer": CUSTOMER}, 25 * 60)):
        life = begun(errand(), recipients=said)
        life.take(happened("going"))
        lost = replace(of(life, "going")[0], state="failed")
        life.now = after(when)
        life.message(lost, lost)
        assert {"notice": "going", "channel": "email", "why": "no address or no time left"} in lines(
            life, "fallback_skipped"
        )
    life = begun(errand())
    mail = replace(next(n for n in of(life, "asked") if n.channel == "email"), state="failed")
    life.message(mail, mail)
    assert lines(life, "fallback_skipped") == []


def test_a_stand_in_asks_whether_it_is_wanted() -> None:
    life = begun(errand(), recipients={"customer": {**CUSTOMER, "channels": ["sms"]}})
    refusing(life, "sms")
    life.take(happened("going"))
    assert {"notice": "going", "channel": "email", "why": "does not want email messages"} in lines(
        life, "fallback_skipped"
    )


def test_a_stand_in_finds_the_reader_whose_address_was_changed_since() -> None:
    life = going()
    sent = of(life, "going")[0]
    life.take(happened(at=1, recipients={"customer": {"phone": "+919800011111"}}))
    life.message(replace(sent, state="undelivered"), sent)
    assert [(n.channel, n.address) for n in of(life, "going")][1:] == [("email", CUSTOMER["email"])]
    gone = going()
    sent = of(gone, "going")[0]
    unknown = replace(sent, notice="no such notice", state="failed")
    gone.message(unknown, unknown)
    assert lines(gone, "fallback_skipped")[-1]["why"] == "no address or no time left"


def test_an_app_that_is_gone_gets_no_more() -> None:
    life = begun(errand(), recipients={"customer": {**CUSTOMER, "push_tokens": ["t1", "t2"]}})
    life.take(happened("going", eta=after(1).isoformat()))
    life.travel_to(after(12))
    n = next(m for m in of(life, "late") if m.address == "t1")
    life.message(replace(n, state="failed"), n, drop_address=True)
    assert life.order is not None
    assert life.order.people("customer")[0].push_tokens == ("t2",)
    assert "push_token_dropped" in life.kinds()


def test_an_order_says_who_opted_out_and_in_again() -> None:
    life = begun(errand(), assignee=RUNNER)
    life.opt("sms", PHONE, "STOP")
    life.opt("email", "ravi@example.com", "START", lifted=True)
    assert lines(life, "opted_out") == [{"channel": "sms", "audience": "customer", "why": "STOP"}]
    assert lines(life, "opted_in") == [{"channel": "email", "audience": "runner", "why": "START"}]


def test_links_that_were_given_out_can_be_made_void() -> None:
    life = begun(errand())
    life.revoke_links()
    assert life.order is not None
    assert (life.order.links, lines(life, "links_revoked")) == (1, [{"by": "Kim"}])


def test_a_person_who_is_erased_leaves_no_trace_and_what_is_counted_stays() -> None:
    said: dict[str, Any] = {
        "attributes": {"size": "big", "door": "Asha's", "weight": 3},
        "payment": {"verified": True, "reference": "P-1"},
    }
    life = begun(errand(), assignee=RUNNER, **said)
    life.take(happened(at=1, issue={"reason": "slow", "detail": "Asha is cross"}))
    life.erase(PHONE, names=("Asha",))
    order = life.order
    assert order is not None
    assert not order.people("customer")
    assert order.assignee is not None
    assert order.assignee.name == "Ravi"
    assert order.attributes == {"size": "big", "weight": 3}
    assert order.payment is not None
    assert (order.payment.verified, order.payment.reference) == (True, None)
    assert [(e.detail, e.by) for e in order.escalations.values()] == [("", "")]
    assert order.links == 1
    life.erase(everybody=True)
    assert life.order is not None
    assert life.order.assignee is not None
    assert (life.order.assignee.id, life.order.assignee.name) == ("r1", "")


def test_only_an_event_may_begin_an_order() -> None:
    life = Life(errand())
    with pytest.raises(Rejection, match="no such order"):
        life.look()
    assert life.refusal(happened(eta=after(1).isoformat())).startswith("subject: no order E-1 is known")


def test_an_order_goes_on_by_a_new_version_where_that_has_its_status_under_some_name() -> None:
    life = begun(errand())
    life.take(happened("going"))
    renamed = errand(
        ("  going: {stage: going, notify: [going, code]}", "  away: {stage: going, notify: [going, code]}"),
        ("  path: [asked, quoted, going, done]", "  path: [asked, quoted, away, done]"),
        ("{going: [held], held: [going, done]}", "{away: [held], held: [away, done]}"),
        ("from: [going, held]}", "from: [away, held]}"),
        ("in: [asked, going]}}", "in: [asked, away]}}"),
        ("on_note: {by: runner, in: going}", "on_note: {by: runner, in: away}"),
        ("in: [going, held], asks", "in: [away, held], asks"),
        ("{kind: dwell, in: [going, held]", "{kind: dwell, in: [away, held]"),
        (
            "within: 10m, in: [going], default: {after: 30m, in: going}",
            "within: 10m, in: [away], default: {after: 30m, in: away}",
        ),
        ("measures:", "running_orders: {move: true, rename: {going: away}}\nmeasures:"),
    )
    life.pack = renamed
    life.look()
    assert life.order is not None
    assert (life.order.status, life.order.version) == ("away", renamed.workflow.version)
    assert lines(life, "pack_changed")[0]["to"] == renamed.workflow.version
    life.pack = errand()
    with pytest.raises(Rejection, match="has no status 'away' and no new name for it"):
        life.look()


def test_what_an_event_said_that_could_not_be_used_stands_beside_it() -> None:
    life = begun(errand(), eta=after(5).isoformat(), recipients={"customer": {"phone": "not a number"}})
    assert [line["field"] for line in lines(life, "warning")] == ["data.recipients.customer.phone"]


def test_a_flood_of_one_orders_messages_waits_for_itself() -> None:
    many = [{"name": f"P{n}", "email": f"p{n}@example.com", "phone": f"+9198000{n:05}"} for n in range(40)]
    life = Life(errand())
    decision = life.take(happened("asked", recipients={"customer": many}))
    behind = [n.behind for p in decision.notices for n in p.messages]
    assert behind == sorted(behind)
    assert behind[0] == timedelta(0)
    assert behind[-1] > timedelta(seconds=5)


def test_an_order_that_has_used_all_its_names_is_closed_to_more() -> None:
    life = begun(errand())
    assert life.order is not None
    life.order = replace(life.order, sequence=(1 << 16) - 1)
    assert life.refusal(happened("going", 1)).startswith("the order has more than 65535 messages and clocks")
