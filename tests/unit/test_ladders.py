"""A ladder in place of a shower: which rung goes when, what moves it, what ends it, and what `check` says of it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pytest

from service.domain.notice_rules import Notice
from service.domain.notices import Accepted, Message, Permanent, ProviderResult, Receipt
from service.domain.settling import settle
from service.foresight.describing import notice_rule
from service.workflows.packs import Pack, PackError
from tests.support.events import CUSTOMER
from tests.support.life import Life, after, begun, happened
from tests.support.packs import errand

ASKED = "asked: {channels: [sms, email]}"
NO_FALLBACK = ("fallback: {sms: email}", "fallback: {}")
TWO = "{channels: [push, whatsapp]}, {channels: [sms], after: 2m, unless: delivered}"
THREE = f"{TWO}, {{channels: [email], after: 1h, unless: read}}"
Steps = Mapping[str, Receipt]


def pack(rungs: str = TWO, more: str = "", *edits: tuple[str, str]) -> Pack:
    return errand((ASKED, f"asked: {{channels: [{rungs}]{more}}}"), NO_FALLBACK, *edits)


def life(rungs: str = TWO, more: str = "", *edits: tuple[str, str], **customer: Any) -> Life:
    return begun(pack(rungs, more, *edits), recipients={"customer": {**CUSTOMER, **customer}})


def sent(life: Life) -> list[tuple[float, str, int]]:
    """(minutes after the start, channel, rung) of what left for the customer's first notice."""
    ns = sorted(life.messages.values(), key=lambda n: n.id)
    return [((n.sent_at - after(0)).total_seconds() / 60, n.channel, n.rung) for n in ns if n.sent_at and n.rung]


def receipt(life: Life, channel: str, status: Any) -> None:
    """The provider says so of the last message of the ladder on this channel."""
    n = [n for n in life.messages.values() if n.channel == channel and n.rung][-1]
    life.answered(n, settle(n, Receipt(status, "x", "30003" if status == "undelivered" else ""), life.now, 0.5))
    life.settle()


def lines(life: Life, *kinds: str) -> list[tuple[str, Any, str, str]]:
    found = [e for e in life.entries if e.kind in (kinds or ("rung_planned", "rung_skipped", "rung_not_needed"))]
    return [(e.kind, e.detail.get("rung"), e.detail.get("channel", ""), e.detail["why"]) for e in found]


def refusing(*channels: str) -> Callable[[Message, datetime], ProviderResult]:
    def answer(n: Message, _now: datetime) -> ProviderResult:
        return Permanent("p", "21211", "no such number") if n.channel in channels else Accepted("p", "x")

    return answer


def test_the_first_rung_goes_at_once_and_the_next_when_nothing_was_delivered() -> None:
    told = life()
    assert sent(told) == [(0, "push", 1), (0, "whatsapp", 1)]
    told.travel_to(after(1.9))
    assert len(sent(told)) == 2
    told.travel_to(after(60))
    assert sent(told)[2:] == [(2, "sms", 2)]
    assert lines(told) == [("rung_planned", 2, "sms", "not delivered in time")]
    assert told.clock_states()["ladder.asked"] == "met"


def test_what_arrived_needs_no_further_rung_and_its_clock_ends_there() -> None:
    told = life()
    told.travel_to(after(1))
    receipt(told, "whatsapp", "delivered")
    assert lines(told) == [("rung_not_needed", 2, "sms", "whatsapp was delivered")]
    assert told.order is not None
    assert not [c for c in told.order.clocks.values() if c.climb]
    told.travel_to(after(180))
    assert len(sent(told)) == 2


@pytest.mark.parametrize(("state", "left"), [("delivered", [(62, "email", 3)]), ("read", [])])
def test_unless_looks_at_any_earlier_rung(state: str, left: list[Any]) -> None:
    told = life(THREE)
    told.travel_to(after(3))
    receipt(told, "whatsapp", state)
    told.travel_to(after(300))
    assert sent(told)[2:] == [(2, "sms", 2), *left]


def test_a_rung_that_is_not_needed_is_as_if_it_were_not_there() -> None:
    told = life(THREE)
    receipt(told, "whatsapp", "delivered")
    told.travel_to(after(300))
    assert sent(told)[2:] == [(60, "email", 3)], "an hour after what was told, which nobody has read"
    assert lines(told)[0] == ("rung_not_needed", 2, "sms", "it was delivered before")


def test_unless_sent() -> None:
    rungs = "{channels: [email]}, {channels: [sms], after: 5m, unless: sent}"
    told = life(rungs)
    told.travel_to(after(30))
    assert sent(told) == [(0, "email", 1)]
    back = life(rungs)
    back.travel_to(after(1))
    receipt(back, "email", "undelivered")
    assert sent(back)[1:] == [(1, "sms", 2)], "what was sent and came back was not sent"


def test_a_rung_on_which_nobody_is_reached_is_skipped_at_once() -> None:
    told = life(THREE, whatsapp=None, push_tokens=[])
    assert sent(told) == [(0, "sms", 2)]
    skipped = [n for n in told.messages.values() if n.state == "suppressed"]
    assert {(n.channel, n.rung, n.error_code, n.error) for n in skipped} == {
        ("push", 1, "rung_skipped", "no push address is known"),
        ("whatsapp", 1, "rung_skipped", "no whatsapp address is known"),
    }
    assert [kind for kind, *_ in lines(told)] == ["rung_skipped", "rung_planned"]
    told.travel_to(after(61))
    assert sent(told)[1:] == [(60, "email", 3)]


def test_who_is_reached_on_part_of_a_rung_is_told_by_that() -> None:
    told = life(whatsapp=None)
    assert sent(told) == [(0, "push", 1)]


def test_wishes_are_asked_on_each_rung() -> None:
    assert sent(life(channels=["sms"])) == [(0, "sms", 2)]
    told = life(muted=["asked"])
    assert sent(told) == []
    assert {n.error for n in told.messages.values() if n.rung} == {"does not want this message"}


def test_a_rung_that_fails_is_followed_at_once_and_one_that_fails_in_part_is_not() -> None:
    told = Life(pack(THREE))
    told.provider = refusing("whatsapp")
    told.take(happened("asked", recipients={"customer": CUSTOMER}))
    assert sent(told) == [(0, "push", 1)]
    told = Life(pack(THREE))
    told.provider = refusing("whatsapp", "push")
    told.take(happened("asked", recipients={"customer": CUSTOMER}))
    assert sent(told) == [(0, "sms", 2)]
    assert lines(told)[0][:3] == ("rung_planned", 2, "sms")
    assert "no such number" in lines(told)[0][3]


def test_what_comes_back_later_is_followed_then() -> None:
    told = life(THREE.replace("push, ", ""))
    told.travel_to(after(1))
    receipt(told, "whatsapp", "undelivered")
    assert sent(told)[1:] == [(1, "sms", 2)]
    told.travel_to(after(1.5))
    receipt(told, "sms", "undelivered")
    assert sent(told)[2:] == [(1.5, "email", 3)]
    told.travel_to(after(300))
    assert len(sent(told)) == 3


def test_a_receipt_that_comes_in_the_moment_of_the_clock_counts_if_it_was_first() -> None:
    first, second = life(), life()
    for told in (first, second):
        told.now = after(2)
    receipt(second, "push", "delivered")
    # Every cause does what is due first: the clock's time had come.
    first.settle()
    receipt(first, "push", "delivered")
    assert [len([n for n in told.messages.values() if n.channel == "sms"]) for told in (first, second)] == [1, 1]
    before = life()
    before.travel_to(after(1.99))
    receipt(before, "push", "delivered")
    before.travel_to(after(9))
    assert len(sent(before)) == 2


def test_an_order_that_has_moved_on_ends_its_ladders() -> None:
    told = life(TWO.replace("2m", "5m"))
    told.travel_to(after(3))
    told.take(happened("going", at=3))
    told.travel_to(after(60))
    assert [n for n in told.messages.values() if n.channel == "sms" and n.rung] == []
    assert told.clock_states()["ladder.asked"] == "cancelled"
    assert lines(told, "ladder_ended") == [("ladder_ended", None, "", "the order has moved on to a later stage")]


def test_a_ladder_ends_with_the_time_of_its_notice() -> None:
    told = life(TWO, ", valid_for: 3m")
    told.now = after(4)
    told.settle()
    assert len(sent(told)) == 2


def test_quiet_hours_move_the_whole_ladder() -> None:
    night = life(TWO, ", quiet: wait", ('quiet_hours: {start: "22:00"', 'quiet_hours: {start: "11:00"'))
    assert sent(night) == []
    opens = [n.not_before for n in night.messages.values() if n.rung]
    night.travel_to(opens[0])
    assert [c for _, c, _ in sent(night)] == ["push", "whatsapp"]
    night.travel_to(opens[0].replace(minute=opens[0].minute + 2))
    assert [c for _, c, _ in sent(night)][2:] == ["sms"]


def test_conditions_of_rungs_are_asked_when_their_time_comes() -> None:
    rungs = TWO.replace("after: 2m", "after: 2m, when: {path: attributes.weight, over: 5}")
    light, heavy = life(rungs), life(rungs)
    heavy.take(happened(at=0, attributes={"weight": 9}))
    for told in (light, heavy):
        told.travel_to(after(10))
    assert ([c for _, c, _ in sent(light)], [c for _, c, _ in sent(heavy)]) == (
        ["push", "whatsapp"],
        ["push", "whatsapp", "sms"],
    )
    assert [kind for kind, *_ in lines(light, "rung_left_out")] == ["rung_left_out"]


def test_each_reader_has_a_ladder_of_their_own_and_shared_addresses_one() -> None:
    people = {
        "customer": {"whatsapp": "+919812345678", "phone": "+919812345678"},
        "payer": {"whatsapp": "+919812300000", "phone": "+919812300000"},
    }
    both = begun(pack(TWO, ", audience: [customer, payer]"), recipients=people)
    (first, *_) = [n for n in both.messages.values() if n.channel == "whatsapp" and n.state == "sent"]
    both.travel_to(after(1))
    both.answered(first, settle(first, Receipt("delivered", "x"), both.now, 0.5))
    both.travel_to(after(5))
    other = people["payer" if first.audience == "customer" else "customer"]["phone"]
    assert [n.address for n in both.messages.values() if n.channel == "sms"] == [other]
    shared = {"customer": {"whatsapp": "+919812345678", "phone": "+919812345678"}, "payer": {"phone": "+919812345678"}}
    one = begun(pack(TWO, ", audience: [customer, payer]"), recipients=shared)
    one.travel_to(after(5))
    assert [n.channel for n in one.messages.values() if n.sent_at and n.rung] == ["whatsapp", "sms"]


def test_an_agent_who_chooses_channels_sends_by_these_alone() -> None:
    sorry = "sorry: {channels: [email, sms], manual"
    edits = ((sorry, sorry.replace("[email, sms]", "[{channels: [email]}, {channels: [sms], after: 2m}]")), NO_FALLBACK)
    told = begun(errand(*edits), "asked")
    told.take(happened("going"))
    until = after(60).isoformat()
    told.send("sorry", channels=("sms",), until=until)
    told.settle()
    assert [(n.channel, n.rung) for n in told.messages.values() if n.notice == "sorry"] == [("sms", 0)]
    told.send("sorry", channels=("sms", "email"), until=until)
    told.travel_to(after(3))
    assert [(n.channel, n.rung) for n in told.messages.values() if n.notice == "sorry"][1:] == [
        ("email", 1),
        ("sms", 2),
    ]


def test_the_promise_to_tell_falls_away_only_with_the_last_rung() -> None:
    told = life(whatsapp=None, push_tokens=[], phone=None)
    assert told.clock_states()["answered"] == "running"
    nobody = life(channels=["webhook"])
    assert [c.state for c in nobody.clocks.values() if c.spec.startswith("ladder")] == []


def test_who_is_erased_is_told_by_no_further_rung() -> None:
    told = life()
    told.erase(str(CUSTOMER["phone"]), names=("Asha",))
    assert told.order is not None
    assert "Asha" not in str(told.order.clocks)
    told.travel_to(after(10))
    assert len(sent(told)) == 2


def test_a_person_who_changed_their_number_is_told_by_the_new_one() -> None:
    told = life()
    told.take(happened(at=1, recipients={"customer": {"phone": "+919812399999"}}))
    told.travel_to(after(5))
    assert [n.address for n in told.messages.values() if n.channel == "sms" and n.rung] == ["+919812399999"]


def test_a_brand_has_ladders_of_its_own() -> None:
    brands = "brands: {cedar: {name: Cedar, channels: [sms, whatsapp]}, oak: {name: Oak, notices: {asked: {channels: [email]}}}}\nnotices:"
    built = pack(TWO, "", ("notices:\n", f"{brands}\n")).workflow

    def rungs(brand: str) -> list[tuple[str, ...]]:
        return [rung.channels for rung in built.for_brand(brand).notices["asked"].rungs]

    assert (rungs(""), rungs("cedar"), rungs("oak")) == (
        [("push", "whatsapp"), ("sms",)],
        [("whatsapp",), ("sms",)],
        [],
    )
    assert built.for_brand("oak").notices["asked"].channels == ("email",)


def test_a_ladder_in_words() -> None:
    asked: Notice = pack().workflow.notices["asked"]
    words = "customer by push, whatsapp, then sms 2 minutes after unless delivered"
    assert notice_rule(asked, {}).startswith(words)


SMS = "{channels: [sms], after: 2m, unless: delivered}"


@pytest.mark.parametrize(
    ("rungs", "more", "why"),
    [
        ("push, {channels: [sms], after: 2m}", "", "a ladder is made of rungs alone"),
        ("{channels: [push]}, {channels: [], after: 2m}", "", "asked: rung 2 has no channel"),
        ("{channels: []}", "", "asked: rung 1 has no channel"),
        ("{channels: [sms]}, {channels: [push, sms], after: 2m}", "", "asked: sms is on the ladder twice"),
        ("{channels: [whatsapp], unless: read}, " + SMS, "", "the first rung goes at once, and nothing goes before it"),
        ("{channels: [whatsapp], after: 2m}, " + SMS, "", "drop 'after'"),
        ("{channels: [whatsapp]}, {channels: [sms]}", "", "asked: rung 2 needs 'after'"),
        ("{channels: [whatsapp]}, {channels: [sms], after: 0s}", "", "asked: rung 2 needs 'after'"),
        ("{channels: [whatsapp]}, {channels: [sms], after: -2m}", "", "is not a duration"),
        ("{channels: [whatsapp]}, {channels: [sms], after: 2m, unless: seen}", "", "'sent', 'delivered' or 'read'"),
        ("{channels: [sms]}, {channels: [email], after: 2m, unless: read}", "", "no channel before it (sms) reports 'read'"),
        ("{channels: [push]}, " + SMS, "", "no channel before it (push) reports 'delivered'"),
        ("{channels: [whatsapp]}, {channels: [sms], after: 25h}", "", "when the notice has already expired"),
        ("{channels: [whatsapp]}, {channels: [sms], after: 2m, when: {path: eta, changed: true}}", "", "here there is no event"),
        ("{channels: [whatsapp]}, " + SMS, ", secret: pin", "a code is sent on all its channels at once"),
    ],
)  # fmt: skip
def test_check_says_what_is_no_ladder(rungs: str, more: str, why: str) -> None:
    with pytest.raises(PackError) as refused:
        pack(rungs, more)
    assert any(why in p.message for p in refused.value.problems), refused.value


def test_a_fallback_and_a_ladder_on_one_notice_are_an_error_of_the_pack_or_of_its_brand() -> None:
    whole = (ASKED, f"asked: {{channels: [{TWO}]}}")
    with pytest.raises(PackError, match="sms has a 'fallback' and is on a ladder"):
        errand(whole)
    brand = "brands: {cedar: {name: Cedar, fallback: {whatsapp: sms}}}\nnotices:\n"
    with pytest.raises(PackError, match="whatsapp has a 'fallback'"):
        errand(whole, NO_FALLBACK, ("notices:\n", brand))
