"""Orders with parts: where the whole stands follows from its parts, and nobody hears the same thing twice."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from service.domain.parts import MAX_PARTS, Part, PartRule, value_of
from service.workflows import packs
from service.workflows.packs import Pack
from tests.support.events import CUSTOMER, NOON, event
from tests.support.family import Family
from tests.support.life import after
from tests.support.packs import pack_of

BASKET = """
workflow: basket
title: Baskets
locales: [en]
stages:
  early: {title: {en: Early}}
  moving: {title: {en: Moving}}
  partly: {title: {en: Partly here}}
  here: {title: {en: Here}}
  gone: {title: {en: Gone}, failed: true}
statuses:
  placed: {stage: early}
  sent: {stage: moving, notify: sent}
  partly: {stage: partly, notify: partly}
  done: {stage: here, final: true, notify: done}
  checked: {stage: here, final: true, needs: attributes.checker}
  gone: {stage: gone, final: true}
transitions: {path: [placed, sent, partly, done], forward: any, back: [sent], also: {partly: [checked]}, from_any: [gone], repeat: update}
parts:
  expected: attributes.boxes
  rules:
    - {to: checked, all: checked}
    - {to: done, all: [here, gone], any: here}
    - {to: gone, all: gone}
    - {to: partly, any: [done, checked], none: gone}
    - {to: sent, any: moving, when: {path: parts.open, over: 1}}
attributes: {boxes: number, checker: text, promised: datetime}
notices:
  sent: {channels: [sms], when: {path: parent, known: false}}
  partly: {channels: [sms], on_change: {path: parts.here, in: partly}}
  done: {channels: [sms, email], unless_whole_tells: [done, partly]}
  late: {channels: [email]}
clocks:
  whole_in_time: {kind: deadline, date: attributes.promised, within: 0m, in: [placed, sent, partly], when: {path: parts.open, over: 0},
                  notify: late}
  each_in_time: {kind: deadline, date: parts.next_eta, within: 0m, in: [placed, sent, partly], escalate: {reason: late}}
teams: {desk: {title: Desk}}
reasons: {late: {team: desk, title: {en: Late}}}
"""


def basket(*edits: tuple[str, str]) -> Pack:
    yaml = BASKET
    for old, new in edits:
        assert old in yaml, old
        yaml = yaml.replace(old, new)
    return pack_of(yaml)


def said(order_id: str, status: str | None = None, minutes: float = 0, **data: Any) -> dict[str, Any]:
    """An event about a basket; `B-…` is a part of the order W."""
    kind = "order.status_changed" if status else "order.updated"
    parent = {"parent": {"workflow": "basket", "order_id": "W"}} if order_id.startswith("B") else {}
    return event(order_id, status, timedelta(minutes=minutes), kind=kind, **{"workflow": "basket", **parent, **data})


def whole(pack: Pack | None = None, **data: Any) -> Family:
    family = Family(pack or basket())
    family.take(said("W", "placed", **{"recipients": {"customer": CUSTOMER}, **data}))
    return family


def played(*steps: tuple[str, str], **data: Any) -> Family:
    """A whole and, in this order, what its parts said."""
    family = whole(**data)
    for i, (part, status) in enumerate(steps):
        family.take(said(part, status, i, recipients={"customer": CUSTOMER}))
    return family


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ([("B1", "placed")], "placed"),
        ([("B1", "sent")], "placed"),  # its condition: over one part is open
        ([("B1", "placed"), ("B2", "sent")], "sent"),
        ([("B1", "sent"), ("B2", "done")], "partly"),
        ([("B1", "sent"), ("B2", "done"), ("B1", "done")], "done"),
        ([("B1", "done")], "done"),
        ([("B1", "gone"), ("B2", "gone")], "gone"),
        ([("B1", "placed"), ("B2", "gone"), ("B1", "done")], "done"),
    ],
)
def test_where_the_whole_stands(steps: list[tuple[str, str]], status: str) -> None:
    assert played(*steps).status("W") == status


def test_in_whichever_order_parts_end_the_whole_ends_the_same() -> None:
    begun = [(f"B{n}", "placed") for n in range(3)]
    ends = [("B0", "done"), ("B1", "gone"), ("B2", "done")]
    assert {played(*begun, *order).status("W") for order in itertools.permutations(ends)} == {"done"}


@pytest.mark.parametrize("boxes", [2, 2.0, "2", "2.0", 1.5])
def test_as_many_parts_are_expected_as_the_order_says_however_the_number_is_written(boxes: float | str) -> None:
    family = played(("B1", "done"), attributes={"boxes": boxes})
    assert family.status("W") == "partly"
    family.take(said("B2", "done", 2, recipients={"customer": CUSTOMER}))
    assert family.status("W") == "done"


def test_a_list_says_how_many_parts_are_expected() -> None:
    family = whole(basket(("boxes: number", "boxes: list")), attributes={"boxes": ["a lamp", "a chair"]})
    family.take(said("B1", "done"))
    assert family.status("W") == "partly"


def test_a_repeat_of_the_status_that_says_another_number_of_parts_is_looked_at_too() -> None:
    family = played(("B1", "done"), attributes={"boxes": 2})
    assert family.status("W") == "partly"
    family.take(said("W", "partly", 2, attributes={"boxes": 1}))
    assert family.status("W") == "done"
    assert family["W"].told == ["partly", "done"]


def test_all_waits_for_the_parts_that_are_expected() -> None:
    family = played(("B1", "done"), attributes={"boxes": 2})
    assert family.status("W") == "partly"
    family.take(said("W", minutes=5, attributes={"boxes": 1}))
    assert family.status("W") == "done", "the whole's own event says that no more come"


def test_a_derived_status_is_entered_like_any_other_and_says_where_it_came_from() -> None:
    family = played(("B1", "placed"), ("B2", "sent"))
    order = family["W"].order
    assert order is not None
    assert (order.status_since, order.entered) == (after(1), {"placed": 1, "sent": 1})
    (line,) = [e for e in family["W"].entries if e.kind == "status_changed" and e.detail["to"] == "sent"]
    assert line.detail["rule"] == "any moving, when its condition holds"
    assert (line.detail["part"], line.detail["why"]) == ("B2", "derived from its parts")
    assert [e.detail["part"] for e in family["W"].entries if e.kind == "part_changed"] == ["B1", "B2"]


def test_nobody_hears_of_a_part_what_the_whole_tells() -> None:
    family = played(("B1", "sent"), ("B2", "sent"), ("B1", "done"), ("B2", "done"))
    assert family["W"].told == ["sent", "partly", "done"]
    assert family["B1"].told == family["B2"].told == []
    skipped = [
        e.detail["why"] for e in family["B1"].entries if e.kind == "notice_skipped" and e.detail["notice"] == "done"
    ]
    assert skipped == ["the whole order tells partly"]


def test_a_part_tells_itself_where_its_whole_does_not() -> None:
    family = whole(recipients={})
    family.take(said("B1", "done", recipients={"customer": CUSTOMER}))
    assert (family.status("W"), family["B1"].told) == ("done", ["done"]), "nobody is known to the whole"


def test_each_further_part_is_told_as_a_change() -> None:
    family = played(("B1", "sent"), ("B2", "sent"), ("B3", "sent"), ("B1", "done"), ("B2", "done"))
    assert family["W"].told == ["sent", "partly", "partly"]


def test_what_the_pack_does_not_allow_stays_and_is_told_in_a_line() -> None:
    family = played(("B1", "sent"))
    family.take(said("W", "gone", 2))
    family.take(said("B1", "done", 3))
    assert family.status("W") == "gone"
    (line,) = [e for e in family["W"].entries if e.kind == "derived_status_kept"]
    assert (line.detail["to"], line.detail["why"]) == (
        "done",
        "data.status: the order ended as 'gone'; 'done' cannot follow",
    )


def test_a_derived_status_needs_what_any_does() -> None:
    family = whole()
    family.take(said("W", "partly", 1))
    family.take(said("B1", "partly", 2, attributes={"checker": "Kim"}))
    family.take(said("B1", "checked", 3))
    assert family.status("W") == "partly"
    (line,) = [e for e in family["W"].entries if e.kind == "derived_status_kept"]
    assert line.detail["why"] == "data.attributes.checker: entering 'checked' needs it"


def test_one_clock_looks_at_the_whole_and_one_at_whichever_part_is_next() -> None:
    family = whole(attributes={"promised": after(120).isoformat()})
    family.take(said("B1", "sent", eta=after(60).isoformat()))
    family.take(said("B2", "sent", 1, eta=after(90).isoformat()))
    family.travel_to(after(61))
    assert family["W"].clock_states()["each_in_time"] == "breached"
    family.take(said("B1", "done", 61))
    family.travel_to(after(121))
    states = family["W"].clock_states()
    assert (states["each_in_time"], states["whole_in_time"]) == ("breached", "breached")
    assert family["W"].told[-1] == "late"


def test_a_promise_kept_by_the_last_part_is_not_broken_by_a_backlog() -> None:
    family = whole(attributes={"promised": after(120).isoformat()})
    family.take(said("B1", "sent"))
    family.now = after(300)
    family.take(said("B1", "done", 100))
    assert family["W"].clock_states()["whole_in_time"] == "met"


def test_late_events_of_a_part_move_nothing() -> None:
    family = played(("B1", "sent"), ("B2", "sent"))
    family.take(said("B1", "done", 30))
    family.take(said("B1", "sent", 10))
    assert family.status("W") == "partly"
    order = family["W"].order
    assert order is not None
    assert [p.status for p in order.parts] == ["done", "sent"]


@pytest.mark.parametrize(
    ("order_id", "parent", "why"),
    [
        ("W", "W", "data.parent: an order cannot be a part of itself"),
        ("B1", "V", "data.parent: the order is a part of another one already, which cannot change"),
        ("W", "V", "data.parent: the order has parts itself; a part cannot have parts"),
        ("C1", "B1", "data.parent: order B1 is a part itself; a part cannot have parts"),
    ],
)
def test_what_cannot_be_a_part(order_id: str, parent: str, why: str) -> None:
    family = played(("B1", "placed"))
    family.take(said("V", "placed"))
    assert family.refusal(said(order_id, "sent", parent={"workflow": "basket", "order_id": parent})) == why


def test_a_whole_has_only_so_many_parts() -> None:
    family = whole()
    for n in range(MAX_PARTS):
        family.take(said(f"B{n}", "placed"))
    assert family.refusal(said("B-more", "placed")) == f"data.parent: order W has {MAX_PARTS} parts, the most possible"
    assert family.refusal(said("B7", "sent")) == "", "those that it has go on"


def test_an_order_may_become_a_part_and_no_parent_says_nothing() -> None:
    family = whole()
    family.take(said("B1", "placed", parent=None))
    family.take(said("B1", minutes=1))
    order = family["W"].order
    assert order is not None
    assert [p.reference for p in order.parts] == ["B1"]
    family.take(said("B1", "done", 2, parent=None))
    assert family.status("W") == "done", "it stays a part"


def test_what_is_asked_of_all_parts_together() -> None:
    parts = (
        Part("basket", "1", "sent", "moving", NOON, eta=after(9)),
        Part("basket", "2", "sent", "moving", NOON, eta=after(5)),
        Part("basket", "3", "done", "here", NOON, final=True, eta=after(1)),
    )
    asked = {name: value_of(parts, name) for name in ("open", "moving", "sent", "here", "gone", "next_eta", "last_eta")}
    assert asked == {
        "open": 2,
        "moving": 2,
        "sent": 2,
        "here": 1,
        "gone": 0,
        "next_eta": after(5),
        "last_eta": after(9),
    }
    assert value_of((), "next_eta") is None
    assert not PartRule("x", all=frozenset({"here"})).fits((), 0), "no parts are not all parts"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("{to: gone, all: gone}", "{to: gonee, all: gone}"), "unknown status 'gonee'; did you mean 'gone'?"),
        (("{to: gone, all: gone}", "{to: gone, all: gonee}"), "no part has a status or stage 'gonee'; did you mean 'gone'?"),
        (("{to: gone, all: gone}", "{to: gone}"), "gone: sets no condition on the parts; give it 'all', 'any', 'none' or 'when'"),
        (("{to: gone, all: gone}", "{to: gone, any: [done, checked]}"), "rule 4 never applies: rule 3 holds whenever it does"),
        (("needs: attributes.checker", "needs: note"), "checked: needs a note, which a part cannot supply"),
        (("path: parts.open", "path: parts.opened"), "unknown status or stage of a part 'opened'; did you mean 'open'?"),
        (("path: parts.here, in", "path: parts.heree, in"), "no part has a status or stage 'heree'; did you mean 'here'?"),
        (("unless_whole_tells: [done, partly]", "unless_whole_tells: [finished]"), "done: unknown notice 'finished' of the whole"),
        (("  early: {title: {en: Early}}", "  next_eta: {title: {en: Open}}"), "next_eta: parts.next_eta has another meaning"),
        (("boxes: number", "boxes: date"), "attributes.boxes is of type date, not a number of parts; declare it as number"),
        (("expected: attributes.boxes", "expected: boxes"), "no order has 'boxes'; write eta, price or attributes.x"),
        (("  expected: attributes.boxes\n", "  of: [shop]\n"), ""),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_words(edit: tuple[str, str], words: str) -> None:
    edits = [edit, ("{stage: early}", "{stage: next_eta}")] if "next_eta" in words else [edit]
    if not words:
        assert basket(*edits).workflow.parts is not None, "whose parts they are is not known here"
        return
    with pytest.raises(packs.PackError) as caught:
        basket(*edits)
    assert any(words in p.message for p in caught.value.problems), caught.value.problems


def test_a_pack_without_parts_asks_for_none() -> None:
    yaml = BASKET[: BASKET.index("parts:\n")] + BASKET[BASKET.index("attributes: {boxes") :]
    with pytest.raises(packs.PackError) as caught:
        pack_of(yaml)
    assert any("unknown status or stage of a part" in p.message for p in caught.value.problems)
