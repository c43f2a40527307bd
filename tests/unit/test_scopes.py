"""Scopes: read and written, what of an order they admit, and what the people of a party see of it."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.audiences import audiences_of, check_fits
from service.domain.errors import Rejection
from service.domain.event_decoding import decode
from service.domain.scopes import EVERYTHING, MOST, Party, Scope, parties_in, read_scope, written
from service.domain.seeing import attributes_of, fields_seen, is_own, line_seen, rules_of, sees, to_do_of
from tests.support.events import encoded, event
from tests.support.packs import all_packs

PACKS = all_packs()
HOME = PACKS.get("home_service").workflow
STAFF = ("publisher", "agent", "supervisor", "admin")
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
IDS = st.text(st.characters(exclude_categories=["C", "Z"], codec="utf-8"), min_size=1, max_size=20)


@given(st.builds(Scope, st.frozensets(NAMES, max_size=3), st.frozensets(NAMES, max_size=3), st.frozensets(st.builds(Party, NAMES.filter(lambda n: n not in ("workflow", "team")), IDS), max_size=3)))  # fmt: skip
def test_a_scope_reads_as_it_is_written(scope: Scope) -> None:
    assert read_scope(written(scope)) == scope
    assert scope.is_everything == (scope == EVERYTHING)


@pytest.mark.parametrize(
    "text", ["", "repair", ":x", "provider:", "Provider:v-9", "provider:a b", "provider:\x00", "9:x"]
)
def test_what_is_no_scope_says_how_one_is_written(text: str) -> None:
    with pytest.raises(Rejection, match="provider:v-9"):
        read_scope([text])
    with pytest.raises(Rejection, match=f"at most {MOST}"):
        read_scope([f"workflow:w{n}" for n in range(MOST + 1)])


def test_several_of_a_kind_widen_and_several_kinds_narrow() -> None:
    scope = read_scope(["workflow:repair", "workflow:home_service", "team:finance", "provider:v-9", "partner:p:3"])
    assert [scope.has_workflow(w) for w in ("repair", "home_service", "device_pickup")] == [True, True, False]
    assert (scope.has_team("finance"), scope.has_team("tech")) == (True, False)
    assert scope.has_people(frozenset({Party("partner", "p:3"), Party("customer", "c")}))
    assert not scope.has_people(frozenset({Party("provider", "p:3")}))
    assert scope.ids_of("provider") == {"v-9"}
    assert not scope.has_incidents
    assert not scope.is_of_workflows
    assert read_scope(["team:finance"]).has_incidents


def test_an_event_names_parties_by_audience_and_by_who_handles_it() -> None:
    people = {"customer": [{"id": "c-1"}, {"name": "no id"}], "provider": {"id": "v-9"}, "partner": None}
    said = event("A-1", "created", recipients=people, assignee={"role": "vendor", "id": "w-1"})
    assert {str(p[0]) + ":" + p[1] for p in parties_in(decode(encoded(said)).data)} == {
        "customer:c-1", "provider:v-9", "vendor:w-1",
    }  # fmt: skip
    assert parties_in(decode(encoded(event("A-1", "created"))).data) == frozenset()


@pytest.mark.parametrize(
    ("role", "scopes", "words"),
    [
        ("agent", ["workflow:repair", "team:finance", "provider:v-9"], ""),
        ("publisher", ["workflow:repair"], ""),
        ("publisher", ["provider:v-9"], "workflows only"),
        ("provider", ["provider:v-9", "workflow:home_service"], ""),
        ("provider", [], "provider:ID"),
        ("provider", ["reseller:r-1"], "provider:ID"),
        ("provider", ["provider:v-9", "team:finance"], "provider:ID"),
        ("king", [], "unknown role"),
        ("agent", ["workflow:repairs"], "did you mean 'repair'"),
        ("agent", ["team:finances"], "did you mean 'finance'"),
        ("agent", ["providers:v-9"], "did you mean 'provider'"),
    ],
)
def test_what_nobody_can_be_limited_to_is_refused(role: str, scopes: Sequence[str], words: str) -> None:
    workflows = [p.workflow for p in PACKS]
    if not words:
        check_fits(role, read_scope(scopes), workflows, STAFF)
        return
    with pytest.raises(Rejection, match=words):
        check_fits(role, read_scope(scopes), workflows, STAFF)


def test_audiences_are_all_whom_a_pack_knows() -> None:
    assert {"customer", "provider", "reseller", "technician"} <= audiences_of(HOME)
    assert {"vendor"} <= audiences_of(PACKS.get("device_pickup").workflow)


LINES: Sequence[tuple[dict[str, Any], dict[str, Any] | None]] = (
    ({"kind": "escalation_opened", "team": "x"}, None),
    ({"kind": "message_sent", "message": "m-1", "channel": "sms", "provider": "p"}, {"channel": "sms", "message": "m-1"}),
    ({"kind": "message_sent", "message": "m-2", "channel": "sms"}, None),
    ({"kind": "note_added", "note": "n", "by": "Kim"}, None),
    ({"kind": "note_added", "note": "n", "by": "Kim", "side": "provider", "side_id": "v-8"}, None),
    ({"kind": "note_added", "note": "n", "by": "Kim", "public": True}, {"note": "n", "public": True, "side": ""}),
    (
        {"kind": "note_added", "note": "n", "by": "Kim", "side": "provider", "side_id": "v-9"},
        {"note": "n", "public": False, "side": "provider", "by": "Kim"},
    ),
    ({"kind": "status_changed", "to": "new", "note": "n", "event": "e", "by": "Kim"}, {"to": "new"}),
    ({"kind": "status_changed", "to": "new", "note": "n", "public": True}, {"to": "new", "note": "n", "public": True, "side": ""}),
)  # fmt: skip


@pytest.mark.parametrize(("line", "seen"), LINES)
def test_of_the_timeline_they_see_what_is_public_and_theirs(line: dict[str, Any], seen: dict[str, Any] | None) -> None:
    expected = None if seen is None else {"at": 1, "kind": line["kind"], **seen}
    assert line_seen({"at": 1, **line}, "provider", {"v-9"}, {"m-1"}) == expected


def test_of_others_they_see_what_the_pack_shows() -> None:
    rules = rules_of(HOME, "reseller")
    assert fields_seen(rules, "customer") == {"name"}
    assert fields_seen(rules_of(HOME, "provider"), "customer") == {"name", "phone", "whatsapp", "email"}
    assert fields_seen(rules_of(HOME, "nobody"), "customer") == frozenset()
    assert not sees(rules, "price")
    assert "special_requests" not in attributes_of(HOME, "reseller")
    assert {"special_requests", "product", "alternatives"} <= attributes_of(HOME, "provider")
    assert is_own(Party("assignee", "v-9"), "provider", {"v-9"})
    assert not is_own(Party("customer", "v-9"), "provider", {"v-9"})


def test_orders_wait_for_them_where_the_pack_says_or_where_they_may_move_them() -> None:
    repair = PACKS.get("repair").workflow
    assert to_do_of(HOME, "provider") == {"submitted_to_provider", "accepted", "scheduled", "in_progress"}
    assert to_do_of(repair, "technician") == {s for s in repair.statuses if not repair.is_final(s)}
    assert to_do_of(repair, "customer") == frozenset()
