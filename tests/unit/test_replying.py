"""What people say: what it means, when it counts, what it does, who has to answer."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from service.domain.causes import AnswerCustomer, MoveReply, ReplyReceived
from service.domain.conversation import ANSWER, MOST_RECEIVED, ConversationState
from service.domain.draft import Decision
from service.domain.errors import Rejection
from service.domain.notices import Accepted, Permanent
from service.domain.plain_words import plain
from service.domain.replies import Reply, matching, word_of
from tests.support.events import CUSTOMER
from tests.support.life import Life, after, begun, happened
from tests.support.packs import errand

REPLIES = """
replies:
  go: {title: {en: Go, de: Los}, in: [quoted], words: {en: ["yes", go ahead], de: [ja]}, too_late: too_late, escalate: slow}
  where: {title: {en: Where, de: Wo}, words: {en: ["where is it?", where]}, answer: facts, publish: false, repeats: true}
  help: {title: {en: Help, de: Hilfe}, in: any, words: {en: help me}, notify: late, waits: true}
teams:"""
PACK = errand(
    ("\nteams:", REPLIES),
    ("notices:\n", "notices:\n  too_late: {channels: [sms]}\n  facts: {channels: [sms]}\n"),
    ("\nfollow_ups:", "\n  talk: {kind: reply, within: 15m, escalate: {reason: slow}}\nfollow_ups:"),
)
PHONE = str(CUSTOMER["phone"])


def life(status: str = "asked") -> Life:
    return begun(PACK, status)


def say(one: Life, text: str = "", *, channel: str = "sms", address: str = PHONE, **more: Any) -> Decision:
    decision = one.cause(ReplyReceived(one.now, channel, address, text, **more))
    one.settle()
    return decision


def outcome(decision: Decision) -> tuple[str, str, bool]:
    (reply,) = decision.replies
    return reply.reply, reply.outcome, reply.publishes


def waiting(one: Life) -> bool:
    assert one.order is not None
    talk = one.order.conversation
    return talk is not None and talk.unanswered_since is not None


def test_free_text_waits_is_published_without_a_meaning_and_is_answered_in_time() -> None:
    one = life()
    assert outcome(say(one, "Is my dog a problem?")) == ("", "text", True)
    assert waiting(one)
    one.travel_to(after(10))
    one.cause(AnswerCustomer(one.now, " Not at all. ", "Kim"))
    one.settle()
    (answer,) = [m for m in one.messages.values() if m.notice == ANSWER]
    assert (answer.channel, answer.address, answer.state) == ("sms", PHONE, "sent")
    assert not waiting(one)
    assert one.clock_states()["talk"] == "met"


def test_nobody_answers_and_the_team_is_called_even_after_the_end() -> None:
    one = life()
    one.take(happened("going", 0.5))
    one.take(happened("done", 1))
    say(one, "you forgot something")
    one.travel_to(after(16))
    assert [e.escalation.reason for e in one.escalations.values()] == ["slow"]
    one.cause(AnswerCustomer(one.now, "We come back.", "Kim"))
    assert [e.escalation.state for e in one.escalations.values()] == ["resolved"]


def test_a_word_counts_once_where_it_counts_and_is_told_so_when_it_is_too_late() -> None:
    one = life()
    assert outcome(say(one, "yes"))[:2] == ("", "text"), "nobody asked yet"
    one.take(happened("quoted", 1))
    assert outcome(say(one, " ＹＥＳ! 👍")) == ("go", "counted", True)
    assert [e.escalation.reason for e in one.escalations.values()] == ["slow"]
    one.travel_to(after(5))
    assert outcome(say(one, "Ja.")) == ("go", "again", False), "once while it stands there"
    one.take(happened("going", 6))
    late = say(one, "go ahead")
    assert outcome(late) == ("go", "too_late", False)
    assert [n.name for n in late.notices] == ["too_late"]


def test_facts_are_told_there_where_somebody_asks_and_again_when_they_ask_again() -> None:
    one = life()
    decision = say(one, "WHERE is it??")
    assert outcome(decision) == ("where", "counted", False)
    ((message,),) = [n.messages for n in decision.notices]
    assert (message.notice, message.channel, message.address) == ("facts", "sms", PHONE)
    assert not waiting(one)
    assert outcome(say(one, "where is it"))[1] == "again", "a doubled tap"
    one.now += timedelta(seconds=11)
    assert outcome(say(one, "where is it"))[1] == "counted"


def test_where_facts_cannot_be_told_a_person_answers() -> None:
    one = life()
    say(one, "where", channel="email", address="asha@example.com")
    assert waiting(one)
    other = life()
    say(other, "where", opted_out=True)
    assert waiting(other)


def test_who_asks_or_refuses_with_a_word_of_assent_does_not_assent() -> None:
    one = life()
    one.take(happened("quoted", 1))
    unsure = (
        "yes?",
        "yes？",
        "yes 👎",
        "yes ❌",
        "yes but",
        "no yes",
        "yes ❓",
        "yes‽",
        "yes⁇",
        "yes﹖",
        "¿yes",
        "yes 🤔",
        "🤷 yes",
    )
    struck = ("~yes~", "y\u0336e\u0336s\u0336", "yes\u20e0")
    for text in (*unsure, *struck):
        assert outcome(say(one, text))[:2] == ("", "text"), text


def test_a_tap_names_its_reply_and_the_page_shows_its_own_answer() -> None:
    one = life()
    one.take(happened("quoted", 1))
    assert outcome(say(one, "Anything", payload="go", channel="page", address="")) == ("go", "counted", True)
    assert not waiting(one)
    assert outcome(say(one, "", payload="help", channel="page", address=""))[:2] == ("help", "counted")
    assert waiting(one)
    assert "late" in one.told


def test_where_the_order_is_not_sure_words_do_nothing_and_taps_do() -> None:
    one = life()
    one.take(happened("quoted", 1))
    assert outcome(say(one, "yes", is_sure=False))[1] == "text"
    assert outcome(say(one, "yes", payload="go", is_sure=False))[1] == "counted"


def test_others_than_the_customer_only_talk() -> None:
    one = begun(PACK, recipients={"customer": CUSTOMER, "runner": {"name": "Ravi", "phone": "+919800000001"}})
    one.take(happened("quoted", 1))
    decision = say(one, "yes", address="+919800000001")
    assert outcome(decision)[1] == "text"
    assert decision.replies[0].audience == "runner"


def test_what_is_a_word_of_another_kind_is_kept_only_as_a_reply() -> None:
    one = life()
    assert say(one, "stop", only_known=True).replies == ()
    one.take(happened("quoted", 1))
    assert outcome(say(one, "yes", only_known=True))[1] == "counted"


def test_an_order_keeps_so_many_words_and_no_more() -> None:
    one = life()
    for n in range(MOST_RECEIVED):
        say(one, f"and {n}")
    assert say(one, "and again").replies == ()
    one.take(happened("quoted", 1))
    assert outcome(say(one, "yes"))[1] == "counted", "what means something is never too much"
    assert say(one, "yes").replies == ()


@pytest.mark.parametrize(("text", "why"), [("  ", "is empty"), ("x" * 2000, "at most")])
def test_an_answer_has_words(text: str, why: str) -> None:
    one = life()
    say(one, "hello")
    with pytest.raises(Rejection, match=why):
        one.cause(AnswerCustomer(one.now, text, "Kim"))


def test_an_answer_may_go_another_way_and_nowhere_without_an_address() -> None:
    one = life()
    one.cause(AnswerCustomer(one.now, "Hello", "Kim", "email"))
    assert [m.channel for m in one.messages.values() if m.notice == ANSWER] == ["email"]
    with pytest.raises(Rejection, match="no whatsapp is known"):
        begun(PACK, recipients={"customer": {"phone": PHONE}}).cause(AnswerCustomer(one.now, "x", "Kim", "whatsapp"))
    with pytest.raises(Rejection, match="unknown"):
        one.cause(AnswerCustomer(one.now, "x", "Kim", "pigeon"))


def test_an_answer_that_reaches_nobody_leaves_the_customer_waiting() -> None:
    one = life()
    one.provider = lambda n, _now: Permanent("p", "1", "no such number") if n.notice == ANSWER else Accepted("p", "1")
    say(one, "hello")
    one.cause(AnswerCustomer(one.now, "Hello!", "Kim"))
    one.settle()
    # By mail in its place (`fallback`), which fails, too.
    assert [m.channel for m in one.messages.values() if m.notice == ANSWER] == ["sms", "email"]
    assert waiting(one)
    assert one.kinds().count("answer_failed") == 1


def test_what_belongs_elsewhere_waits_here_no_more() -> None:
    one = life()
    say(one, "the other one")
    one.cause(MoveReply(one.now, "Kim", "E-2"))
    assert not waiting(one)
    assert one.kinds()[-1] == "reply_moved"
    say(one, "mine")
    one.cause(MoveReply(one.now, "Kim", "E-2", one.now))
    assert waiting(one), "what stays is still to be answered"


def test_who_is_erased_waits_no_more() -> None:
    one = life()
    say(one, "hello")
    one.erase(PHONE)
    assert not waiting(one)
    assert one.order is not None
    assert one.order.conversation is not None
    assert one.order.conversation.address == ""


@pytest.mark.parametrize(
    ("text", "comparable"),
    [
        ("  Confirm!! ", "confirm"),
        ("ＣＯＮＦＩＲＭ", "confirm"),
        ("१", "1"),
        ("1️⃣", "1"),
        ("हाँ।", "हाँ"),
        ("o\u200bk", "ok"),
        ("où ça?", "ou ca"),
        ("👍🏽", ""),
    ],
)
def test_comparable_words(text: str, comparable: str) -> None:
    assert plain(text) == comparable


def test_a_message_longer_than_any_word_is_none() -> None:
    word = Reply("go", {}, frozenset({"asked"}), frozenset({word_of("yes")}))
    assert matching("yes" + " " * 300, [word]) == []
    assert matching("", [word]) == []


def test_a_reply_of_some_orders_is_free_text_in_the_others() -> None:
    dear = "when: {path: price, over: 500 EUR}, in: [quoted]"
    pack = errand(
        ("\nteams:", REPLIES.replace("in: [quoted]", dear)),
        ("notices:\n", "notices:\n  too_late: {channels: [sms]}\n  facts: {channels: [sms]}\n"),
    )
    for amount, expected in (("501", "counted"), ("499", "text")):
        one = begun(pack, price={"amount": amount, "currency": "EUR"})
        one.take(happened("quoted"))
        assert outcome(say(one, "yes"))[1] == expected
        assert outcome(say(one, "", payload="go"))[1] == ("again" if expected == "counted" else "text")


def test_what_is_stored_of_a_conversation_keeps_the_names_of_earlier_releases() -> None:
    state = ConversationState(received=2, unanswered_reply="go")
    stored = msgspec.json.encode(state)
    assert msgspec.json.decode(stored) == {"said": 2, "asked": "go"}
    assert msgspec.json.decode(stored, type=ConversationState) == state
