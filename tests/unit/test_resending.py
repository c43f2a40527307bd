"""What is told again, and the word for each reason why not: one function for the count and for the act."""

from typing import Any

import pytest
from msgspec.structs import replace

from service.domain.causes import NoticeThen, ResendMessages
from service.domain.draft import Decision
from service.domain.notices import Message, Permanent
from service.domain.resending import withdrawn
from tests.support.life import Life, begun
from tests.support.packs import errand


def failed() -> tuple[Life, Message]:
    """An errand whose first message was refused, and that message."""
    life = begun(errand())
    first = next(iter(life.messages.values()))
    refused = replace(first, state="failed", secret=False)
    life.messages = {m.id: m for m in life.messages.values() if m.notice_id != first.notice_id} | {first.id: refused}
    return life, refused


def again(life: Life, n: Message, *, rank: int = 9, **more: Any) -> Decision:
    notice = NoticeThen(n.notice_id, rank, supersedable=True)
    said = {"siblings": tuple(life.messages.values()), "notices": (notice,), **more}
    return life.cause(ResendMessages(life.now, (n,), by="Kim", **said))


def why(decision: Decision) -> list[str]:
    return [e.detail["why"] for e in decision.entries if e.kind == "resend_skipped"]


def test_what_reached_nobody_goes_out_again_to_the_same_reader() -> None:
    life, n = failed()
    (planned,) = again(life, n).more_messages
    assert (planned.notice_id, planned.channel, planned.address) == (n.notice_id, n.channel, n.address)
    assert planned.id != n.id


@pytest.mark.parametrize(
    ("said", "word"),
    [({"secret": True}, "code"), ({"state": "sent"}, "already_sent"), ({"state": "delivered"}, "already_sent"),
     ({"state": "unknown", "when_unknown": "never"}, "money"),
     ({"state": "unknown", "when_unknown": "resend"}, "may_have_arrived"), ({"state": "pending"}, "still_waits"),
     ({"state": "sending"}, "still_waits"), ({"notice": "gone"}, "not_in_pack")],
)  # fmt: skip
def test_what_may_have_been_told_or_never_is_again_has_its_word(said: dict[str, Any], word: str) -> None:
    life, n = failed()
    assert why(again(life, replace(n, **said))) == [word]


def test_what_is_over_is_not_told_again() -> None:
    life, n = failed()
    assert why(again(life, n, rank=-1)) == ["stale"]
    assert why(again(life, replace(n, valid_until=life.now))) == ["stale"]


def test_who_was_told_another_way_or_wants_none_is_left_out() -> None:
    life, n = failed()
    told = replace(n, id=life.order.child(900) if life.order else n.id, channel="push", state="delivered")
    assert why(again(life, n, siblings=(n, told))) == ["already_told"]
    on_its_way = replace(told, state="pending")
    assert why(again(life, n, siblings=(n, on_its_way))) == ["waits_elsewhere"]
    assert why(again(life, n, opted_out=frozenset({n.address}))) == ["opted_out"]
    assert why(again(life, replace(n, audience="nobody", address="x"))) == ["no_address"]


def test_no_notice_goes_out_by_a_channel_that_it_is_not_written_for() -> None:
    # Fallbacks are written for, too.
    life = begun(errand(("  asked: {channels: [sms, email]}", "  asked: {channels: [sms]}")))
    n = replace(next(iter(life.messages.values())), state="failed", secret=False)
    assert why(again(life, n, siblings=(n,), channel="push")) == ["no_words"]
    assert [m.channel for m in again(life, n, siblings=(n,), channel="email").more_messages] == ["email"]


def test_what_waits_is_withdrawn_with_what_goes_in_its_place() -> None:
    life, n = failed()
    waits = replace(n, state="retrying")
    (planned,) = again(life, n).more_messages
    (ended,) = withdrawn([waits], [replace(planned, channel="email")], "Kim")
    assert (ended.id, ended.state, ended.error) == (n.id, "superseded", "told by email instead, as Kim asked")
    assert withdrawn([n], [planned], "Kim") == [], "what has ended stays as it ended"
    assert withdrawn([waits], [], "Kim") == []


def test_a_refusal_by_the_provider_is_one_that_can_be_told_again() -> None:
    life = begun(errand())
    life.provider = lambda _n, _now: Permanent("in memory", "21211", "no number")
    n = replace(next(iter(life.messages.values())), state="failed")
    assert again(life, n, siblings=(n,)).more_messages
