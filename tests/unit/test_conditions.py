"""Conditions on data: what each holds of, what cannot be said, what `check` refuses, and what a notice makes of them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from service.domain.attributes import Attribute
from service.domain.conditions.fields import FIELDS
from service.domain.conditions.judging import Situation, Unclear, holds, judge, why_not
from service.domain.conditions.tree import Condition
from service.domain.events import Price
from service.domain.order import Order
from service.domain.parts import OrderRef, Part
from service.workflows.conditions import ConditionScope, condition, problems
from service.workflows.packs import PackError
from service.workflows.schema_conditions import WhenYaml
from tests.support.events import NOON
from tests.support.examples import examples
from tests.support.life import Life, after, begun, happened
from tests.support.packs import errand

DECLARED = {
    "weight": "number", "limit": "number", "cost": "money", "size": "text", "parts": "list", "by": "datetime",
    "day": "date", "insured": "boolean", "loose": "any",
}  # fmt: skip
SCOPE = ConditionScope(
    {n: Attribute(n, kind) for n, kind in DECLARED.items()},  # type: ignore[arg-type]
    {"status": ("asked", "going"), "stage": ("asked", "going")},
    "UTC",
)
FULL: dict[str, Any] = {
    "eta": after(30).isoformat(),
    "appointment": {"start": after(60).isoformat(), "end": after(90).isoformat()},
    "price": {"amount": "510.00", "currency": "EUR"},
    "payment": {"verified": True, "reference": "P-1"},
    "assignee": {"role": "runner", "id": "r1", "name": "Ravi"},
    "note": {"text": "Ring.", "public": True},
    "attributes": {
        "size": "Big Box", "weight": 3, "limit": 3.0, "cost": {"amount": "20.5", "currency": "EUR"}, "parts": ["a", "B"],
        "by": after(120).isoformat(), "day": NOON.date().isoformat(), "insured": False, "loose": "7",
    },
}  # fmt: skip


def order_of(**said: Any) -> Order:
    order = begun(errand(), **said).order
    assert order is not None
    return order


def when(**said: Any) -> Condition:
    read = WhenYaml.model_validate(said)
    assert list(problems(read, SCOPE, ())) == []
    made = condition(read, SCOPE)
    assert made is not None
    return made


def of(order: Order, **said: Any) -> Any:
    return judge(when(**said), Situation(order, NOON, "UTC"))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"path": "attributes.size", "is": ["big  box", "huge"]}, True),
        ({"path": "attributes.size", "is": "small"}, False),
        ({"path": "attributes.size", "starts_with": "big"}, True),
        ({"path": "attributes.size", "contains": "BOX"}, True),
        ({"path": "attributes.size", "contains": "bag"}, False),
        ({"path": "attributes.parts", "is": "b"}, True),
        ({"path": "attributes.parts", "contains": ["c", "A"]}, True),
        ({"path": "attributes.parts", "contains": "c"}, False),
        ({"path": "attributes.parts", "over": 1, "at_most": 2}, True),
        ({"path": "attributes.size"}, True),
        ({"path": "attributes.insured"}, False),
        ({"path": "attributes.insured", "known": True}, True),
        ({"path": "attributes.insured", "is": False}, True),
        ({"path": "attributes.none"}, False),
        ({"path": "attributes.none", "known": False}, True),
        ({"path": "attributes.none", "is": "none"}, False),
        ({"not": {"path": "attributes.none", "is": "none"}}, True),
        ({"path": "attributes.weight", "is": 3.0}, True),
        ({"path": "attributes.weight", "over": 3}, False),
        ({"path": "attributes.weight", "at_least": 3}, True),
        ({"path": "attributes.weight", "under": "3.5"}, True),
        ({"path": "attributes.weight", "at_most": "attributes.limit"}, True),
        ({"path": "attributes.weight", "under": "attributes.limit"}, False),
        ({"path": "attributes.loose", "is": 7}, True),
        ({"path": "price", "over": "500 EUR"}, True),
        ({"path": "price", "over": "510 EUR"}, False),
        ({"path": "price", "over": "attributes.cost"}, True),
        ({"path": "price", "is": "510 EUR"}, True),
        ({"path": "price.amount", "over": 509.99}, True),
        ({"path": "attributes.cost", "at_most": "20.50 EUR"}, True),
        ({"path": "payment.verified", "is": True}, True),
        ({"path": "eta", "after": "now"}, True),
        ({"path": "eta", "before": "now + 30m"}, False),
        ({"path": "eta", "before": "now + 31m"}, True),
        ({"path": "eta", "before": "appointment.start - 29m"}, True),
        ({"path": "eta", "after": "2026-03-01"}, True),
        ({"path": "eta", "is": NOON.date()}, True),
        ({"path": "eta", "is": "2026-03-01"}, False),
        ({"path": "attributes.by", "after": "attributes.day"}, False),
        ({"path": "attributes.day", "after": NOON.date()}, False),
        ({"path": "attributes.day", "before": NOON.date()}, False),
        ({"path": "attributes.day", "is": NOON.date()}, True),
        ({"path": "attributes.day", "after": "now"}, True),
        ({"path": "status_since", "after": "created - 1h"}, True),
        ({"in": ["asked"]}, True),
        ({"in": "going"}, False),
        ({"entered": 1}, True),
        ({"entered": 2, "in": "asked"}, False),
        ({"entered": {"at_most": 0}, "in": "going"}, True),
        ({"entered": {"over": 0, "under": 2}}, True),
        ({"path": "recipients.customer", "at_least": 1}, True),
        ({"all": [{"path": "eta"}, {"path": "price"}]}, True),
        ({"all": [{"path": "eta"}, {"path": "attributes.none"}]}, False),
        ({"any": [{"path": "attributes.none"}, {"path": "price"}]}, True),
        ({"any": [{"path": "attributes.none"}], "path": "eta"}, False),
        ({"not": {"path": "eta"}}, False),
    ],
)
def test_what_a_condition_holds_of(said: dict[str, Any], expected: bool) -> None:
    assert of(order_of(**FULL), **said) is expected


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"path": "attributes.weight", "over": 5}, "attributes.weight is not known"),
        ({"path": "price", "over": "5 EUR"}, "price is not known"),
        ({"path": "eta", "before": "now"}, "eta is not known"),
        ({"path": "created", "before": "eta"}, "eta is not known"),
        ({"path": "created", "changed": True}, "no event is looked at, by which created could have changed"),
        ({"path": "recipients.customer", "over": "attributes.weight"}, "attributes.weight is not known"),
    ],
)
def test_what_cannot_be_said_is_false_whatever_stands_around_it(said: dict[str, Any], why: str) -> None:
    order = order_of()
    if "attributes.weight" in said.values() and "over" in said and isinstance(said["over"], str):
        said = {"path": "visits", "over": "attributes.weight"}
    assert of(order, **said) == Unclear(why)
    assert of(order, **{"not": said}) == Unclear(why)
    assert of(order, all=[{"path": "created"}, said]) == Unclear(why)
    assert of(order, all=[{"path": "eta"}, said]) is False
    assert of(order, any=[{"path": "created"}, said]) is True
    assert not holds(when(**{"not": said}), Situation(order, NOON, "UTC"))
    assert why_not(when(**said), Situation(order, NOON, "UTC")) == f"it cannot be said: {why}"


def test_money_of_another_currency_cannot_be_compared() -> None:
    assert of(order_of(**FULL), path="price", over="1 USD") == Unclear("price is not in USD")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"path": "attributes.weight", "over": 5}, "attributes.weight is not over 5"),
        ({"path": "attributes.size", "is": ["small", "tiny"]}, "attributes.size is not small or tiny"),
        ({"all": [{"path": "eta"}, {"path": "attributes.none"}]}, "attributes.none is not given"),
        (
            {"any": [{"in": "going"}, {"path": "attributes.none"}]},
            "status is not going, and attributes.none is not given",
        ),
        ({"not": {"path": "price", "over": "5 EUR"}}, "price is over 5 EUR"),
        ({"not": {"any": [{"path": "attributes.none"}, {"path": "eta"}]}}, "eta is given"),
        ({"not": {"all": [{"path": "price"}, {"path": "eta"}]}}, "price is given, and eta is given"),
        ({"not": {"not": {"path": "attributes.none"}}}, "attributes.none is not given"),
        ({"path": "attributes.size", "known": False}, "attributes.size is known"),
    ],
)
def test_why_not_says_what_is_lacking_without_the_value(said: dict[str, Any], why: str) -> None:
    assert why_not(when(**said), Situation(order_of(**FULL), NOON, "UTC")) == why


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({}, "an empty condition"),
        ({"over": 5}, "over: nothing to compare with; add 'path'"),
        ({"path": "attributs.weight"}, "no order has 'attributs.weight'; did you mean 'attributes.weight'?"),
        ({"path": "nothing"}, "no order has 'nothing'; known are status,"),
        ({"path": "attributes.color", "over": 5}, "attributes.color is not declared, and 'over' needs its type"),
        ({"path": "attributes.size", "over": 5}, "attributes.size is of type text, and 'over' is for number, money"),
        ({"path": "attributes.weight", "before": "now"}, "is of type number, and 'before' is for datetime, date"),
        ({"path": "attributes.weight", "starts_with": "3"}, "and 'starts_with' is for text"),
        ({"path": "attributes.weight", "over": "heavy"}, "a number is expected, or the path of one, not 'heavy'"),
        ({"path": "attributes.weight", "over": "price"}, "a number is expected, or the path of one, not 'price'"),
        ({"path": "price", "over": 500}, "an amount such as 500 EUR is expected"),
        ({"path": "attributes.insured", "is": "maybe"}, "is of type boolean, never 'maybe'"),
        ({"path": "attributes.weight", "is": "heavy"}, "is of type number, never 'heavy'"),
        ({"path": "status", "is": "gone"}, "unknown status 'gone'; did you mean 'going'?"),
        ({"path": "entered.nowhere", "over": 1}, "unknown status 'nowhere'; known: asked, going"),
        ({"in": ["asked", "going"], "entered": 2}, "entered: counts one status"),
        ({"path": "eta", "before": "price"}, "'price' is not a date of an order"),
        ({"path": "eta", "before": "2026-13-01"}, "'2026-13-01' is not a date; write now"),
        ({"path": "eta", "before": "now+2h"}, "is not a date; write now"),
        ({"path": "eta", "changed_by": "a bit"}, "'a bit' is not a duration"),
        ({"path": "eta", "changed_by": "0s"}, "a change by '0s' is not a change"),
        ({"all": [{"path": "eta"}, {"not": {"path": "etta"}}]}, "no order has 'etta'; did you mean 'eta'?"),
    ],
)
def test_check_refuses_what_can_never_be_right(said: dict[str, Any], what: str) -> None:
    (found,) = problems(WhenYaml.model_validate(said), SCOPE, ("here",))
    assert what in found[1]


def test_a_mistake_is_found_at_its_line_wherever_a_condition_may_stand() -> None:
    places = [
        ("notices.late", "late: {channels: [push]}", "late: {channels: [push], when: {path: etta}}"),
        ("notices.late", "late: {channels: [push]}", "late: {channels: [{channel: push, when: {path: etta}}]}"),
        ("notices.late", "late: {channels: [push]}", "late: {audience: {audience: customer, when: {path: etta}}, channels: [push]}"),
        ("statuses.asked", "notify: asked}", "notify: {notice: asked, when: {path: etta}}}"),
        ("clocks.taken", "within: 1h, esc", "when: {path: eta, changed: true}, within: 1h, esc"),
        ("clocks.taken", "within: 1h, esc", "unless: {path: eta, after: now}, within: 1h, esc"),
        ("clocks.late", "notify: late,", "notify: {notice: late, when: {path: etta}},"),
        ("clocks.worked", "{notify: nearly}", "{notify: {notice: nearly, when: {path: eta, first: true}}}"),
        ("clocks.taken", "{reason: slow}}\n  worked", "{reason: slow, when: {path: etta}}}\n  worked"),
        ("follow_ups", "notify: rate,", "notify: {notice: rate, when: {path: etta}},"),
        ("reasons.slow", "slow: {team: desk,", "slow: {team: desk, when: {path: etta},"),
        ("reasons.slow", "slow: {team: desk,", "slow: {team: desk, variants: [{when: {path: etta}, severity: high}],"),
        ("notices.sorry", "manual: {en: Say sorry},", "manual: {en: Say sorry}, when: {path: eta, changed: true},"),
    ]  # fmt: skip
    for place, old, new in places:
        with pytest.raises(PackError) as refused:
            errand((old, new))
        (problem,) = refused.value.problems
        assert any(
            word in problem.message for word in ("etta", "'changed' compares", "'first' compares", "'now' changes")
        ), place
        text = problem.file.read_text().splitlines()[problem.line - 1]
        assert new.splitlines()[0][:12] in text or "etta" in text, (place, text)


def test_the_known_fields_are_what_orders_have() -> None:
    part = Part("errand", "E-1-1", "asked", "asked", NOON, eta=NOON)
    whole = OrderRef("errand", "E-0")
    order = replace(order_of(**FULL), previous_assignee="Noor", parent=whole, parts=(part,))
    assert [path for path in FIELDS if order.value(path) is None] == []


def eta(minutes: float) -> dict[str, Any]:
    return {"eta": after(minutes).isoformat()}


MOVED = (
    "on_change: {path: [attributes.visit, eta], in: [asked, going]}}",
    "on_change: {path: eta}, when: {path: eta, %s}}",
)


def moving(test: str) -> Life:
    return begun(errand((MOVED[0], MOVED[1] % test)))


def told_at(life: Life, *moves: float) -> list[float]:
    """After which of these ETAs, in minutes, the notice was told."""
    found = []
    for n, minutes in enumerate(moves, 1):
        before = life.told.count("moved")
        life.travel_to(after(n))
        life.take(happened(at=n, **eta(minutes)))
        found += [minutes] if life.told.count("moved") > before else []
    return found


def test_a_date_that_creeps_is_told_once_it_has_moved_far_enough_from_what_was_told() -> None:
    assert told_at(moving("changed_by: 5m"), 60, 61, 62, 64, 65, 66, 70, 64, 66) == [65, 70, 64]
    assert told_at(moving("changed_by: 5m"), 60, 55) == [55]


def test_the_first_value_is_no_change_and_a_change_is_not_the_first() -> None:
    assert told_at(moving("first: true"), 60, 61, 70) == [60]
    assert told_at(moving("changed: true"), 60, 61, 61, 70) == [61, 70]


def test_the_first_event_brings_first_values() -> None:
    pack = errand(
        (
            "asked: {stage: asked, notify: asked}",
            "asked: {stage: asked, notify: {notice: asked, when: {path: eta, first: true}}}",
        )
    )
    assert "asked" in begun(pack, **eta(60)).told
    assert "asked" not in begun(pack).told


def test_money_and_numbers_change_by_an_amount() -> None:
    rule = "on_change: {path: [attributes.visit, eta], in: [asked, going]}}"
    for test, path in (("{path: price, changed_by: 10 EUR}", "price"), ("{path: price, changed_by: 10}", "price")):
        life = begun(errand((rule, f"on_change: {{path: {path}}}, when: {test}}}")))
        counts = []
        for n, (amount, currency) in enumerate([("100", "EUR"), ("95", "EUR"), ("90", "EUR"), ("1", "USD")], 1):
            life.take(happened(at=n, price={"amount": amount, "currency": currency}))
            counts.append(life.told.count("moved"))
        assert counts == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("declared", "values", "told"),
    [
        ("number", [0, 2, 0, 0, None], [0, 1, 2, 2, 2]),
        ("boolean", [False, True, False, True, None], [0, 1, 1, 2, 2]),
        ("text", ["", "a", "", "b", "b"], [0, 1, 1, 2, 2]),
    ],
)
def test_a_number_that_falls_to_nought_is_a_change_and_a_value_that_goes_is_none(
    declared: str, values: list[Any], told: list[int]
) -> None:
    rule = "on_change: {path: [attributes.visit, eta], in: [asked, going]}}"
    pack = errand(
        (rule, "on_change: {path: attributes.left}}"), ("weight: number,", f"weight: number, left: {declared},")
    )
    life, counts = begun(pack), []
    for n, value in enumerate(values, 1):
        life.take(happened(at=n, attributes={"left": value}))
        counts.append(life.told.count("moved"))
    assert counts == told


def skips(life: Life) -> list[dict[str, Any]]:
    return [dict(e.detail) for e in life.entries if e.kind == "notice_skipped"]


def test_the_timeline_says_why_a_notice_was_not_told() -> None:
    life = moving("changed_by: 5m")
    told_at(life, 60, 61)
    assert skips(life)[-2:] == [
        {"notice": "moved", "why": "it cannot be said: eta was not known before"},
        {"notice": "moved", "why": "eta has not changed by 5m since it was told"},
    ]


def test_audiences_and_channels_have_conditions_of_their_own() -> None:
    pack = errand(
        ("done: {channels: [email], audience: [customer, payer], once: true}",
         "done: {channels: [email, {channel: sms, when: {path: attributes.weight, over: 5}}], "
         "audience: [customer, {audience: payer, when: {path: price, over: 500 EUR}}]}"),
    )  # fmt: skip
    payer = {"recipients": {"payer": {"name": "Pia", "email": "pia@example.com", "phone": "+4915112345678"}}}
    light = begun(pack)
    light.take(happened("going"))
    light.take(happened("done", 1, **payer))
    assert [(n.channel, n.audience) for n in light.messages.values() if n.notice == "done"] == [("email", "customer")]
    assert [(s.get("channel"), s.get("audience"), s["why"]) for s in skips(light) if s["notice"] == "done"] == [
        ("sms", None, "it cannot be said: attributes.weight is not known"),
        (None, "payer", "it cannot be said: price is not known"),
    ]
    heavy = begun(pack, price={"amount": "501", "currency": "EUR"}, attributes={"weight": 6})
    heavy.take(happened("going"))
    heavy.take(happened("done", 1, **payer))
    assert {(n.channel, n.audience) for n in heavy.messages.values() if n.notice == "done"} == {
        ("email", "customer"), ("email", "payer"), ("sms", "customer"), ("sms", "payer"),
    }  # fmt: skip


def test_a_notice_without_anybody_left_is_not_told_and_promises_nothing() -> None:
    pack = errand(("asked: {channels: [sms, email]}", "asked: {channels: [{channel: sms, when: {path: eta}}]}"))
    life = begun(pack)
    assert "asked" not in life.told
    assert "answered" not in life.clock_states()


def test_what_a_clock_tells_and_escalates_is_asked_when_it_is_due() -> None:
    pack = errand(
        ("{kind: dwell, in: [asked, quoted], within: 1h, escalate: {reason: slow}}",
         "{kind: dwell, in: [asked, quoted], within: 1h, escalate: {reason: slow, when: {path: attributes.weight, over: 5}}, "
         "notify: {notice: late, when: {path: eta, before: now + 1h}}}"),
    )  # fmt: skip
    life = begun(pack)
    life.travel_to(after(61))
    assert (life.clock_states()["taken"], life.escalations) == ("breached", {})
    assert [e.detail["why"] for e in life.entries if e.kind == "escalation_skipped"] == [
        "it cannot be said: attributes.weight is not known"
    ]
    assert "late" not in life.told
    other = begun(pack, attributes={"weight": 6}, **eta(90))
    other.travel_to(after(61))
    assert [c.escalation.reason for c in other.escalations.values()] == ["slow"]
    assert "late" in other.told


def test_a_reason_has_another_team_and_severity_for_some_orders_and_may_be_none_for_others() -> None:
    pack = errand(
        ("slow: {team: desk, severity: low,",
         "slow: {team: desk, severity: low, when: {path: price}, "
         "variants: [{when: {path: price, over: 500 EUR}, severity: critical, team: back}],"),
    )  # fmt: skip
    for price, expected in ((None, []), ("9", [("desk", "low")]), ("501", [("back", "critical")])):
        life = begun(pack, price={"amount": price, "currency": "EUR"} if price else None)
        life.travel_to(after(61))
        assert [(c.escalation.team, c.escalation.severity) for c in life.escalations.values()] == expected
    reported = begun(pack)
    reported.report("slow")
    assert [c.escalation.team for c in reported.escalations.values()] == ["desk"]


def test_a_manual_notice_is_offered_of_orders_that_match() -> None:
    pack = errand(("manual: {en: Say sorry}, in: [going, held], asks: {until: {type: datetime, ahead: true}}",
                   "manual: {en: Say sorry}, when: {path: attributes.weight, over: 5}"))  # fmt: skip
    with pytest.raises(Exception, match="is not sent about this order: it cannot be said"):
        begun(pack).send("sorry")
    life = begun(pack, attributes={"weight": 6})
    life.send("sorry")
    assert "sorry" in life.told


def _conditions() -> st.SearchStrategy[dict[str, Any]]:
    bounds = st.sampled_from(["over", "at_least", "under", "at_most"])
    leaves = st.one_of(
        st.builds(lambda op, n: {"path": "attributes.weight", op: n}, bounds, st.integers(-3, 3)),
        st.builds(lambda op, n: {"path": "price", op: f"{n} EUR"}, bounds, st.integers(0, 3)),
        st.builds(lambda n: {"path": "attributes.weight", "is": n}, st.integers(-3, 3)),
        st.sampled_from([{"path": "attributes.weight"}, {"path": "price", "known": False}, {"in": "asked"}]),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(lambda c: {"not": c}, inner),
            st.builds(
                lambda key, cs: {key: cs}, st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3)
            ),
        ),
        max_leaves=8,
    )


def _naive(said: dict[str, Any], weight: int | None, price: tuple[int, str] | None) -> bool | None:
    """The same, read word for word: None where it cannot be said."""
    if "not" in said:
        inner = _naive(said["not"], weight, price)
        return None if inner is None else not inner
    if "all" in said or "any" in said:
        decisive = "any" in said
        parts = [_naive(part, weight, price) for part in said.get("all") or said["any"]]
        return decisive if decisive in parts else None if None in parts else not decisive
    if "in" in said:
        return True
    if said["path"] == "price":
        value = price[0] if price and price[1] == "EUR" else None
        if "known" in said:
            return price is None
    else:
        value = weight
    if "is" in said:
        return bool(value == said["is"])
    (op, operand), *_ = [*((k, v) for k, v in said.items() if k != "path"), ("", "")]
    if not op:
        return bool(value)
    if value is None:
        return None
    least = int(str(operand).split()[0])
    return {"over": value > least, "at_least": value >= least, "under": value < least, "at_most": value <= least}[op]


BARE = order_of()


@settings(max_examples=examples(2000), deadline=None)
@given(
    _conditions(),
    st.none() | st.integers(-3, 3),
    st.none() | st.tuples(st.integers(0, 3), st.sampled_from(["EUR", "USD"])),
)
def test_any_condition_is_judged_as_it_reads(
    said: dict[str, Any], weight: int | None, price: tuple[int, str] | None
) -> None:
    order = replace(
        BARE,
        attributes={} if weight is None else {"weight": weight},
        price=Price(str(price[0]), price[1]) if price else None,
    )
    made, situation = when(**said), Situation(order, NOON, "UTC")
    expected = _naive(said, weight, price)
    verdict = judge(made, situation)
    assert (None if isinstance(verdict, Unclear) else verdict) is expected
    assert holds(made, situation) is (expected is True)
    assert bool(why_not(made, situation)) is (expected is not True)


def test_check_says_which_notice_no_event_would_ever_tell() -> None:
    rule = "moved: {channels: [email], on_change: {path: [attributes.visit, eta], in: [asked, going]}}"
    for when in ("{path: eta, changed_by: 5m}", "{any: [{path: price}, {not: {path: eta, first: true}}]}"):
        with pytest.raises(PackError, match="depends on an event, and no event sends this notice"):
            errand((rule, f"moved: {{channels: [email], when: {when}}}"))
    errand((rule, "moved: {channels: [email], when: {path: price}}"))
