"""What is kept of causes says all that is decided by, and neither a code nor anybody whom erasure would not find."""

from datetime import timedelta
from typing import Any, get_args
from uuid import UUID

import msgspec
from msgspec import structs

from service.canonical import canonical_event
from service.domain import causes
from service.domain.causes import Cause, EventReceived
from service.domain.decide import decide
from service.domain.draft import Decision
from service.domain.event_decoding import decode
from service.domain.order import Order
from service.domain.parts import Part
from service.domain.persons import Person, Wishes
from service.domain.recorded import KINDS, MASKED, decoded_cause, decoded_event, encoded_cause, encoded_event, kind_of
from tests.support.events import CUSTOMER, NOON, encoded
from tests.support.life import FIRST_ID, begun, happened
from tests.support.packs import errand

# An event stands in its inbox row, what became of a message in its history; of an erasure nothing is to be kept.
ELSEWHERE = {causes.EventReceived, causes.MessageSettled, causes.ErasePerson}


def test_every_cause_is_kept_somewhere_or_not_on_purpose() -> None:
    every = {kind for part in get_args(Cause) for kind in (get_args(part) or (part,))}
    assert every - ELSEWHERE == {*KINDS.values()}


def test_a_cause_comes_back_as_it_was() -> None:
    said: tuple[Cause, ...] = (
        causes.ClockDue(NOON),
        causes.SendNotice(NOON, "sorry", "Kim", ("sms",), {"until": "2026-03-03T10:00:00Z"}),
        causes.ReportIssue(NOON, "slow", "Kim", "twice"),
        causes.HandleEscalation(NOON, FIRST_ID, "snooze", "Lee", until=NOON + timedelta(hours=1)),
        causes.RevokeLinks(NOON, "Kim"),
        causes.ReplyReceived(NOON, "sms", "+919812345678", "yes", opted_out=True),
        causes.PreferencesChanged(NOON, frozenset({"+919812345678"}), Wishes(("sms",), quiet=("22:00", "07:00"))),
        causes.AnswerCustomer(NOON, "We are on it.", "Kim"),
        causes.MoveReply(NOON, "Kim", "E-2"),
        causes.ResendMessages(NOON, (), (), (causes.NoticeThen(UUID(int=7), 2, supersedable=True),), "Kim", "sms"),
        causes.OptOutChanged(NOON, "sms", "+919812345678", "STOP", lifted=True),
        causes.GreetRows(NOON, "hello", (Person(name="Asha", email="asha@example.com"),)),
        causes.PartChanged(NOON, NOON, Part("errand", "E-1-1", "done", "done", NOON, final=True, eta=NOON), "e-7"),
    )
    assert [decoded_cause(kind_of(c), encoded_cause(c)) for c in said] == [*said]
    assert {kind_of(c) for c in said} == {*KINDS}


def taken(said: dict[str, Any], before: Order | None, minutes: float = 0) -> tuple[EventReceived, Decision]:
    event = canonical_event(decode(encoded(said)), "", before)
    cause = EventReceived(NOON + timedelta(minutes=minutes), event)
    return cause, decide(before, cause, errand().workflow, FIRST_ID)


def test_an_event_decides_again_as_it_did_and_its_code_is_not_kept() -> None:
    code = {"pin": {"value": "481920", "expires": (NOON + timedelta(minutes=9)).isoformat()}}
    before = begun(errand(), attributes={"guarded": True}).order
    cause, decision = taken(happened("going", 1, secrets=code, nonsense=1, note={"text": "soon"}), before, 1)
    kept = encoded_event(cause, decision)
    assert b"481920" not in kept
    assert b"secrets" not in kept
    again = decide(before, decoded_event(kept, "E-1"), errand().workflow, FIRST_ID)
    (planned,) = [n for n in again.notices if n.secret]
    assert planned.secret == MASKED
    unmasked = tuple(structs.replace(n, secret="481920") if n is planned else n for n in again.notices)
    assert structs.replace(again, notices=unmasked) == decision


def test_of_an_event_that_came_late_only_people_whom_the_order_knows_are_kept() -> None:
    later = {"name": "Asha K", "phone": "+919800000077"}
    life = begun(errand())
    life.now = NOON + timedelta(minutes=30)
    life.take(happened("quoted", 20, recipients={"customer": later}))
    other = {"name": "Stranger", "phone": "+4915112345678", "email": "new@example.org"}
    said = happened(
        "quoted", 10, recipients={"customer": [{**later, "email": "new@example.org"}, other], "payer": None}
    )
    cause, decision = taken(said, life.order, 31)
    assert decision.outcome == "late"
    kept = msgspec.json.decode(encoded_event(cause, decision))["data"]["recipients"]
    assert kept == {"customer": [later], "payer": None}
    again = decide(life.order, decoded_event(encoded_event(cause, decision), "E-1"), errand().workflow, FIRST_ID)
    assert again == decision


def test_an_older_assignee_is_kept_only_where_they_are_known() -> None:
    runner = {"role": "runner", "id": "r-1", "name": "Ravi", "phone": "+919800000000"}
    life = begun(errand())
    life.now = NOON + timedelta(minutes=30)
    life.take(happened("quoted", 20, assignee=runner, recipients={"customer": CUSTOMER}))
    cause, decision = taken(
        happened(None, 10, assignee={**runner, "id": "r-2", "phone": "+919800000009"}), life.order, 31
    )
    assert b"r-2" not in encoded_event(cause, decision)
    cause, decision = taken(happened(None, 10, assignee=runner), life.order, 31)
    assert b"r-1" in encoded_event(cause, decision)
