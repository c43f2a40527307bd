"""Attributes by their declared types: what is taken, what is refused, and what clocks and templates make of it."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from service.domain.attributes import Attribute, AttributeType, checked, moment_of, values
from service.domain.errors import Rejection
from tests.support.events import event
from tests.support.packs import all_packs
from tests.unit.test_decide import MINUTE, after

PARIS = "Europe/Paris"


def one(kind: AttributeType, value: Any) -> Any:
    return checked({"x": value}, {"x": Attribute("x", kind)}, PARIS)["x"]


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("text", "7", "7"),
        ("number", 7, 7),
        ("number", 7.5, 7.5),
        ("number", "7", 7),
        ("number", " 12.50 ", 12.5),
        ("money", {"amount": 12.5, "currency": "EUR"}, {"amount": "12.5", "currency": "EUR"}),
        ("money", {"amount": "12.50", "currency": "EUR"}, {"amount": "12.50", "currency": "EUR"}),
        ("boolean", True, True),
        ("boolean", "False", False),
        ("list", [], []),
        ("any", {"a": [1]}, {"a": [1]}),
        ("date", "2026-12-27", "2026-12-27"),
        ("date", "2026-12-27T10:00:00", "2026-12-27T09:00:00+00:00"),
        ("date", "2026-07-27 10:00", "2026-07-27T08:00:00+00:00"),
        ("date", "2026-12-27T10:00:00+05:30", "2026-12-27T04:30:00+00:00"),
        ("datetime", "2026-12-27T10:00:00Z", "2026-12-27T10:00:00+00:00"),
        ("datetime", "2026-12-27", "2026-12-27"),
        ("date", "20261227", "2026-12-27"),
        ("date", "2026-W52-7", "2026-12-27"),
        ("date", "2026-12-27t10:00:00z", "2026-12-27T10:00:00+00:00"),
        ("date", "2026-12-31T24:00", "2026-12-31T23:00:00+00:00"),
        ("datetime", "2026-12-31T24:00:00Z", "2027-01-01T00:00:00+00:00"),
        ("date", "2026-12-27T10", "2026-12-27T09:00:00+00:00"),
        ("date", None, None),
        ("number", None, None),
    ],
)
def test_what_is_taken_is_kept_in_one_form(kind: AttributeType, given: Any, kept: Any) -> None:
    assert one(kind, given) == kept


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("text", 7), ("text", ["a"]), ("number", "seven"), ("number", True), ("number", "1e5"), ("number", "NaN"),
        ("money", "12.50 EUR"), ("money", {"amount": "12"}), ("money", {"amount": "x", "currency": "EUR"}),
        ("boolean", 1), ("boolean", "yes"), ("list", "a,b"), ("list", {"a": 1}), ("date", "next week"), ("date", 1796000000),
        ("date", ""), ("date", "2026-02-30"), ("date", "27/12/2026"), ("date", "0001-01-01"), ("datetime", "10:00"),
        ("datetime", "9999-12-31T23:59:59Z"), ("date", "2026-W52"), ("date", "2026W52"), ("date", "2026-12-27T24:01"),
        # A day with an offset, as XML Schema has it, is no time of that day.
        ("date", "2026-12-27+02:00"), ("date", "2026-12-27-05:00"), ("datetime", "2026-12-27x10:00"), ("date", "2026-12-27Z"),
    ],
)  # fmt: skip
def test_what_is_of_another_type_is_refused_by_name_and_not_repeated(kind: AttributeType, given: Any) -> None:
    with pytest.raises(Rejection, match=r"^data\.attributes\.x: .* is expected$"):
        one(kind, given)


def test_what_is_not_declared_stays_as_it_came() -> None:
    given = {"x": "next week", "y": [1, {"z": None}]}
    assert checked(given, {}, PARIS) == given


def test_a_day_is_its_end_for_a_deadline_and_its_start_for_a_reminder() -> None:
    assert moment_of("2026-12-27", PARIS) == datetime(2026, 12, 27, 22, 59, 59, tzinfo=UTC)
    assert moment_of("2026-12-27", PARIS, start_of_day=True) == datetime(2026, 12, 26, 23, tzinfo=UTC)
    assert moment_of("2026-12-27T10:00:00", PARIS) == datetime(2026, 12, 27, 9, tzinfo=UTC)
    assert moment_of("soon", PARIS) is None
    assert moment_of(7, PARIS) is None


def test_templates_get_values() -> None:
    declared: dict[str, Attribute] = {
        name: Attribute(name, kind)  # type: ignore[arg-type]
        for name, kind in (("day", "date"), ("at", "datetime"), ("n", "number"), ("old", "date"))
    }
    kept = {"day": "2026-12-27", "at": "2026-12-27T10:00:00+00:00", "n": 12.5, "old": "soon", "free": "x"}
    assert values(kept, declared) == {
        "day": date(2026, 12, 27), "at": datetime(2026, 12, 27, 10, tzinfo=UTC), "n": Decimal("12.5"), "old": "soon",
        "free": "x",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("expires", "due"),
    [
        ("2026-03-20", datetime(2026, 3, 20, 22, 59, 59, tzinfo=UTC)),
        ("2026-03-20T10:00:00", datetime(2026, 3, 20, 9, tzinfo=UTC)),
        ("2026-03-20T10:00:00+00:00", datetime(2026, 3, 20, 10, tzinfo=UTC)),
    ],
)
def test_a_date_without_an_offset_starts_its_clocks(expires: str, due: datetime) -> None:
    said = event("M-1", "pending_quotes", workflow="marketing_services", attributes={"quote_expires": expires})
    clocks = after(None, said, 0 * MINUTE).order.clocks
    assert clocks["quote_expiry"].due == due
    assert "quote_expiry_near" in clocks


def test_a_date_that_is_none_is_refused_with_its_field() -> None:
    said = event("M-1", "pending_quotes", workflow="marketing_services", attributes={"quote_expires": "next week"})
    with pytest.raises(Rejection, match=r"data\.attributes\.quote_expires: a day such as"):
        after(None, said, 0 * MINUTE)


def test_every_pack_declares_the_dates_that_its_clocks_count_from() -> None:
    for pack in all_packs():
        for clock in pack.workflow.clocks.values():
            name = (clock.date or "").removeprefix("attributes.")
            if clock.date and name != clock.date:
                assert pack.workflow.attributes[name].titles, (pack.workflow.name, name)
