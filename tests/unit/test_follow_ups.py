"""Follow-ups: told some time after, unless something made it pointless; never in quiet hours, and never broken."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.errors import Rejection
from service.domain.notices import Accepted, Message, ProviderResult, Transient
from service.workflows.packs import PackError
from tests.support.examples import examples
from tests.support.life import Life, after, begun, happened
from tests.support.packs import errand

FOLLOW_UP = "rating: {notify: rate, after: 24h, in: done, unless: {path: attributes.rating}}"
CLOSED = "clocks:\n  answered: {kind: notify, notice: asked"
OFFICE = 'calendars:\n  office: {timezone: UTC, opens: "09:00", closes: "17:00"}\n'

READER = {"customer": {"name": "Asha", "email": "asha@example.com", "timezone": "UTC"}}


def done(rule: str = FOLLOW_UP, **said: Any) -> Life:
    """An errand that is done, at 6:30 on a Monday in UTC."""
    life = begun(errand((FOLLOW_UP, rule), (CLOSED, OFFICE + CLOSED)), **{"recipients": READER, **said})
    life.take(happened("going"))
    life.take(happened("done"))
    return life


def rates(life: Life) -> list[Message]:
    return [n for n in life.messages.values() if n.notice == "rate"]


def test_it_is_told_after_its_time_when_its_reader_is_awake() -> None:
    customer = {"name": "Asha", "email": "asha@example.com", "timezone": "Europe/London"}
    for zone, hours in (("Europe/London", 25.5), ("Asia/Tokyo", 24.0)):
        life = done(recipients={"customer": {**customer, "timezone": zone}})
        life.travel_to(after(hours=60))
        (message,) = rates(life)
        assert message.sent_at == after(hours=hours)


def test_of_several_readers_each_is_left_alone_in_their_own_night() -> None:
    both = [
        {"name": "A", "email": "a@example.com", "timezone": "Europe/London"},
        {"name": "B", "email": "b@example.com", "timezone": "Asia/Tokyo"},
    ]
    life = done(recipients={"customer": both})
    life.travel_to(after(hours=60))
    assert {n.name: n.sent_at for n in rates(life)} == {"A": after(hours=25.5), "B": after(hours=24)}


@pytest.mark.parametrize(
    ("length", "hours"),
    [
        ("after: 1h", 2.5),  # 7:30 is too early: at nine
        ("after: 5h", 5.0),
        ("after: 11h", 26.5),  # 17:30 is too late: at nine the next day
        ("after: 4 working hours", 6.5),
        ("after: 1 working day", 10.5),  # at closing time
        ("after: 30m, calendar: {by: attributes.region, is: {x: office}, else: office}", 2.5),
    ],
)
def test_with_a_calendar_it_is_told_when_somebody_works(length: str, hours: float) -> None:
    calendar = "" if "calendar" in length else ", calendar: office"
    life = done(f"rating: {{notify: rate, {length}{calendar}, in: done}}")
    life.travel_to(after(hours=60))
    assert [n.sent_at for n in rates(life)] == [after(hours=hours)]


def test_the_quiet_hours_are_asked_by_the_calendar_s_opening_too() -> None:
    life = done("rating: {notify: rate, after: 1h, calendar: office, in: done}")
    assert life.due == after(hours=2.5)


def test_what_makes_it_pointless_in_the_quiet_hours_calls_it_off() -> None:
    life = done()
    life.travel_to(after(hours=25))
    assert life.clock_states()["rating"] == "running"
    life.take(happened(at=25 * 60, attributes={"rating": 5}))
    life.travel_to(after(hours=60))
    assert (rates(life), life.clock_states()["rating"]) == ([], "cancelled")


def test_what_waits_for_a_provider_is_called_off_and_is_not_sent() -> None:
    life = done()
    life.provider = lambda n, now: Transient("in memory", "429", "busy", at_least=300)
    life.travel_to(after(hours=25.5))
    (waiting,) = rates(life)
    assert waiting.state == "retrying"
    life.take(happened(at=25.5 * 60, attributes={"rating": 5}))
    life.provider = lambda n, now: Accepted("in memory", "1")
    life.travel_to(after(hours=30))
    (ended,) = rates(life)
    assert (ended.state, ended.error) == ("superseded", "called off: the order moved on")


def test_what_was_sent_stays_sent() -> None:
    life = done()
    life.travel_to(after(hours=26))
    life.take(happened(at=26 * 60, attributes={"rating": 5}))
    life.travel_to(after(hours=30))
    assert [n.state for n in rates(life)] == ["sent"]


def test_the_event_that_makes_it_pointless_comes_first_though_the_clock_looks_late() -> None:
    life = done()
    life.now = after(hours=26)  # nobody looked
    life.take(happened(at=26 * 60, attributes={"rating": 5}))
    life.travel_to(after(hours=30))
    assert rates(life) == []


def test_what_it_asks_beside_its_notice_is_asked_when_it_tells() -> None:
    life = done("rating: {notify: {notice: rate, when: {path: eta, after: now}}, after: 5h, in: done}")
    life.take(happened(at=0, eta=after(hours=4).isoformat()))
    life.travel_to(after(hours=10))
    assert rates(life) == []
    assert [e.detail["why"] for e in life.entries if e.kind == "notice_skipped" and e.detail["notice"] == "rate"] == [
        "eta is not after now"
    ]


def test_a_notice_that_says_what_quiet_hours_do_to_it_is_heard() -> None:
    pack = errand(("rate: {channels: [email], once: true}", "rate: {channels: [email], quiet: send}"))
    life = begun(pack, recipients=READER)
    life.take(happened("going"))
    life.take(happened("done"))
    life.travel_to(after(hours=60))
    assert [n.sent_at for n in rates(life)] == [after(hours=24)]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("rating: {notify: rate, after: 2 working days, in: done}", "working time needs a 'calendar'"),
        ("rating: {notify: rate, after: 2h, in: done, calendar: offices}", "unknown calendar 'offices'"),
    ],
)
def test_check_says_what_is_missing(rule: str, why: str) -> None:
    with pytest.raises(PackError) as refused:
        done(rule)
    assert any(why in p.message for p in refused.value.problems)


RULE = "rating: {notify: rate, after: 3h, in: [going, held], unless: {path: attributes.rating}}"
Step = tuple[int, str, bool]


@settings(max_examples=examples(400), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 400),
            st.sampled_from(["going", "held", "done", "rating", "none", "word"]),
            st.booleans(),
        ),
        max_size=7,
    )
)
def test_it_is_sent_only_while_it_is_wanted_and_awake_and_is_never_broken(steps: list[Step]) -> None:
    life = begun(
        errand((FOLLOW_UP, RULE), ("rate: {channels: [email], once: true}", "rate: {channels: [email]}")),
        recipients=READER,
    )
    busy = [False]
    wanted_when_sent: list[tuple[datetime, bool]] = []

    def answer(n: Message, now: datetime) -> ProviderResult:
        if n.notice == "rate" and n.attempts == 1:  # a provider that was busy may be ready later in the evening
            assert 8 <= now.hour < 22
        if n.notice == "rate" and busy[0]:
            return Transient("in memory", "429", "busy", at_least=60)
        if n.notice == "rate":
            assert life.order is not None
            rated = life.order.attributes.get("rating") is not None
            wanted_when_sent.append((now, life.order.status in ("going", "held") and not rated))
        return Accepted("in memory", str(n.id))

    life.provider = answer
    moment = 0
    for minutes, what, is_busy in steps:
        moment += minutes
        busy[0] = is_busy
        life.travel_to(after(moment))
        said: dict[str, Any] = {"attributes": {"rating": {"rating": 5, "none": None}.get(what, 0)}}
        said = said if what in ("rating", "none") else {"attributes": {"reason": "x"}}
        try:
            life.take(happened(what if what in ("going", "held", "done") else None, moment, **said))
        except Rejection:
            continue
    busy[0] = False
    life.travel_to(after(moment) + timedelta(hours=40))
    assert all(wanted for _, wanted in wanted_when_sent)
    assert "breached" not in {c.state for c in life.clocks.values() if c.spec == "rating"}
    runs = life.order is not None and life.order.status in ("going", "held")
    if runs and life.order is not None and life.order.attributes.get("rating") is None:
        assert wanted_when_sent, "left alone, it is told"
