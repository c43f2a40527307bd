"""Buttons of whoever handles an order: which are offered when, what event each is, and what is wrong with how they are written."""

from typing import Any

import pytest

from service.domain.acting import Given
from service.domain.errors import NotNow, Rejection
from service.domain.events import Note
from service.domain.link_acts import event_of, has_page, needed, offered
from service.workflows.packs import Pack, PackError
from tests.support.events import VENDOR
from tests.support.life import Life, after, begun, happened
from tests.support.packs import errand

RUNNER = VENDOR | {"role": "runner"}


def with_buttons(*buttons: str) -> Pack:
    written = "\n".join(f"      {button}" for button in buttons)
    return errand(("contacts: [runner]\n", f"contacts: [runner]\nacts:\n  by_link:\n    runner:\n{written}\n"))


BUTTONS = with_buttons(
    "off: {to: quoted, in: [asked], sets: [eta], title: {en: I go, de: Ich gehe}}",
    "hold: {to: held, needs: [attributes.weight], title: {en: It waits, de: Es wartet}}",
    "coded: {to: dropped, in: [asked], title: {en: It ends, de: Es endet}}",
    "trouble: {in: [going], sets: [note], title: {en: It went wrong, de: Es ging schief}, choices: {"
    "lost: {to: dropped, title: {en: Lost, de: Verloren}}, slow: {report: slow, title: {en: Slow, de: Langsam}}, "
    "back: {to: asked, title: {en: Back, de: Zurück}}}}",
)


def at(status: str, **said: Any) -> Life:
    life = begun(BUTTONS, **{"assignee": RUNNER, **said})
    if status != "asked":
        life.take(happened(status, 1, **said))
    return life


def names(life: Life) -> list[str]:
    assert life.order
    return [act.name for act in offered(life.pack.workflow, life.order)]


def press(life: Life, name: str, choice: str = "", **given: Any) -> tuple[str, dict[str, Any]]:
    assert life.order
    return event_of(life.pack.workflow, life.order, name, choice, Given(**given))


def test_they_are_for_whoever_handles_it_in_that_role_and_lead_where_the_order_may_go() -> None:
    assert has_page(BUTTONS.workflow, "runner")
    assert not has_page(BUTTONS.workflow, "driver")
    assert names(at("asked")) == ["off", "coded"]
    life = at("going")
    assert names(life) == ["hold", "trouble"]
    assert life.order
    (trouble,) = [a for a in offered(life.pack.workflow, life.order) if a.name == "trouble"]
    assert [c.name for c in trouble.choices] == ["lost", "slow"], "there is no way back"
    assert names(at("asked", assignee=RUNNER | {"role": "driver"})) == []
    assert names(begun(BUTTONS)) == [], "nobody handles it"
    life.take(happened("done", 2))
    assert names(life) == [], "it is over"


def test_each_is_the_event_that_it_says() -> None:
    asked, going = at("asked"), at("going")
    assert press(asked, "off", eta=after(5)) == (
        "order.status_changed", {"workflow": "errand", "status": "quoted", "eta": after(5)},
    )  # fmt: skip
    said = {"weight": 12, "reason": "rain"}
    assert press(going, "hold", attributes=said)[1] == {"workflow": "errand", "status": "held", "attributes": said}
    kind, data = press(going, "trouble", "slow", note=Note("a queue"))
    assert (kind, data["issue"]) == ("order.issue_reported", {"reason": "slow", "detail": "a queue"})
    assert press(going, "trouble", "slow")[1]["issue"]["detail"] == ""
    assert press(going, "trouble", "lost", note=Note("gone"))[1]["status"] == "dropped"


def test_what_is_missing_or_over_is_told() -> None:
    asked, going = at("asked"), at("going")
    assert going.order
    acts = {act.name: act for act in offered(going.pack.workflow, going.order)}
    assert needed(going.pack.workflow, going.order, acts["hold"]) == ["attributes.weight", "attributes.reason"]
    with pytest.raises(NotNow, match="act: 'hold' is not done in 'asked'"):
        press(asked, "hold")
    for choice in ("", "nonsense"):
        with pytest.raises(Rejection, match="choice: choose one of these"):
            press(going, "trouble", choice)
    with pytest.raises(Rejection, match=r"attributes.weight: is needed"):
        press(going, "hold", attributes={"weight": "", "reason": "rain"})
    with pytest.raises(Rejection, match="note: is needed"):
        press(going, "trouble", "lost")


@pytest.mark.parametrize(
    ("button", "words"),
    [
        ("{to: quoted, title: {en: I go}}", "off: no title in 'de'"),
        ("{title: {en: I, de: Ich}}", "off: needs exactly one of 'to', 'report' and 'choices'"),
        (
            "{to: quoted, report: slow, title: {en: I, de: Ich}}",
            "off: each of its choices needs either 'to' (a status) or",
        ),
        ("{to: quoted, sets: [nonsense], title: {en: I, de: Ich}}", "nonsense"),
        ("{to: quoted, needs: [attributes.nonsense], title: {en: I, de: Ich}}", "nonsense"),
    ],
)
def test_a_button_that_cannot_work_is_told_by_check(button: str, words: str) -> None:
    with pytest.raises(PackError) as caught:
        with_buttons(f"off: {button}")
    assert any(words in p.message for p in caught.value.problems), [p.message for p in caught.value.problems]
