"""What a reply asks for where no system moves orders: it waits with the act that does it, until somebody has."""

import pytest

from service.domain.acting import is_offered
from service.domain.causes import AnswerCustomer, ReplyReceived
from service.domain.replying import matching_act
from service.workflows.packs import Pack, PackError
from tests.support.events import CUSTOMER
from tests.support.life import Life, begun, happened
from tests.support.packs import errand

ACTS = "acts: {change_status: {to: [held], sets: [attributes.weight]}}"
REPLY = "hold: {title: {en: Hold it, de: Halt}, in: [going], words: {en: [hold it]}, act: {status: held, attributes: {reason: asked}}}"


def pack(reply: str = REPLY, acts: str = ACTS) -> Pack:
    return errand(("teams:\n", f"{acts}\nreplies:\n  {reply}\nteams:\n"))


@pytest.fixture
def life() -> Life:
    life = begun(pack())
    life.take(happened("going"))
    return life


def say(life: Life, text: str) -> None:
    life.cause(ReplyReceived(life.now, "sms", str(CUSTOMER["phone"]), text))
    life.settle()


def waits(life: Life) -> tuple[bool, str]:
    """Whether somebody waits, and for which act."""
    assert life.order is not None
    assert life.order.conversation is not None
    found = matching_act(life.pack.workflow, life.order)
    return life.order.conversation.unanswered_since is not None, found.name if found else ""


def test_it_waits_with_the_act_until_somebody_has_done_it(life: Life) -> None:
    say(life, "Hold it!")
    assert waits(life) == (True, "hold")
    assert life.order is not None
    reply = matching_act(life.pack.workflow, life.order)
    assert reply is not None
    assert reply.act is not None
    assert is_offered(life.pack.workflow, life.order, reply.act, frozenset({"agent"}))
    assert not is_offered(life.pack.workflow, life.order, reply.act, frozenset({"publisher"}))
    life.take(happened("held", attributes={"reason": "asked"}))
    assert waits(life) == (False, "")
    assert life.kinds()[-1] != "reply_done"
    assert "reply_done" in life.kinds()


def test_another_move_is_not_what_was_asked(life: Life) -> None:
    say(life, "hold it")
    life.take(happened("done"))
    assert waits(life)[0]


def test_words_beside_it_are_for_a_person(life: Life) -> None:
    say(life, "hold it")
    say(life, "and call my neighbour")
    assert waits(life) == (True, "")
    life.cause(AnswerCustomer(life.now, "We do.", "Kim"))
    assert waits(life) == (False, "")


@pytest.mark.parametrize(
    ("reply", "acts", "why"),
    [
        (REPLY, "acts: {note: {}}", "hold: nobody may do 'change_status'; declare it under 'acts'"),
        (REPLY, "acts: {change_status: {to: [done]}}", "hold: 'held' is not entered by hand"),
        (REPLY.replace("reason: asked", "size: 3"), ACTS, "hold: attributes.size is not given with 'change_status'"),
        (REPLY.replace("status: held, ", ""), ACTS, "hold: 'change_status' takes a 'status'"),
        (REPLY.replace("status: held", "status: hold"), ACTS, "unknown status 'hold'"),
    ],
)
def test_check_says_what_nobody_could_do(reply: str, acts: str, why: str) -> None:
    with pytest.raises(PackError) as refused:
        pack(reply, acts)
    assert any(why in p.message for p in refused.value.problems), refused.value
