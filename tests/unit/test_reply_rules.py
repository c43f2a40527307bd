"""What `check` refuses in a pack's replies; what people chose themselves goes before what events say."""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from service.domain.causes import EventReceived, PreferencesChanged
from service.domain.event_decoding import decode
from service.domain.persons import Wishes
from service.workflows import packs
from tests.support.events import CUSTOMER, encoded
from tests.support.life import FIRST_ID, Life, after, begun, happened
from tests.support.packs import ERRAND, errand, written

PHONE = str(CUSTOMER["phone"])
GO = "  go: {title: {en: Go, de: Los}, in: [quoted], words: {en: go ahead}}\n"


def problems(replies: str, *edits: tuple[str, str]) -> str:
    text = ERRAND.replace("\nteams:", f"\nreplies:\n{replies}\nteams:")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    folder: Path = written(text)
    return "\n".join(p.message for p in packs.inspect(folder)[1] if "template" not in p.message)


@pytest.mark.parametrize(
    ("replies", "edits", "says"),
    [
        (GO.replace("quoted", "nowhere"), (), "unknown status 'nowhere'"),
        (GO.replace("in:", "answer: nothing, in:"), (), "unknown notice 'nothing'"),
        (GO.replace("in:", "escalate: nothing, in:"), (), "unknown reason 'nothing'"),
        (GO.replace(", de: Los", ""), (), "no title in 'de'"),
        (GO.replace("in:", "publish: false, in:"), (), "does nothing"),
        (GO.replace("go ahead", '"👍"'), (), "has no letter or digit"),
        (GO + GO.replace("  go:", "  run:").replace("go ahead", "GO  ahead!"), (), "is a word of 'go' already"),
        (GO.replace("in:", "answer: sorry, in:"), (), "nobody can fill in what 'sorry' asks"),
        (
            GO,
            (("notices:\n", "notices:\n  answer: {channels: [sms]}\n"),),
            "this name is reserved for what agents write",
        ),
        (
            GO,
            (("  asked: {channels: [sms, email]}", "  asked: {channels: [sms, email], replies: [x]}"),),
            "unknown reply",
        ),
    ],
)
def test_what_cannot_work_is_said(replies: str, edits: tuple[tuple[str, str], ...], says: str) -> None:
    assert says in problems(replies, *edits)


def test_one_word_may_mean_two_things_at_two_times() -> None:
    other = GO.replace("  go:", "  run:").replace("quoted", "going")
    assert "already" not in problems(GO + other)


def chosen(life: Life, *channels: str, **more: object) -> None:
    wishes = Wishes(channels, **more)  # type: ignore[arg-type]
    life.cause(PreferencesChanged(life.now, frozenset({PHONE}), wishes))


def states(life: Life, notice: str) -> dict[str, str]:
    return {m.channel: m.error or m.state for m in life.messages.values() if m.notice == notice}


def test_channels_subjects_and_language_are_theirs_and_codes_come_all_the_same() -> None:
    life = begun(errand(), attributes={"guarded": True}, recipients={"customer": {**CUSTOMER, "channels": ["sms"]}})
    chosen(life, "email", muted=("done",), locale="de")
    life.take(happened("going", 1, secrets={"pin": {"value": "481920", "expires": after(30).isoformat()}}))
    assert states(life, "going")["sms"] == "does not want sms messages"
    assert states(life, "code")["sms"] == "sent", "mandatory"
    assert {m.locale for m in life.messages.values() if m.notice == "code"} == {"de"}
    life.take(happened("done", 2))
    assert set(states(life, "done").values()) == {"does not want this message"}


def test_quiet_hours_of_their_own_hold_what_the_pack_would_send_at_once() -> None:
    life = begun(errand())
    start = life.now.astimezone(ZoneInfo(str(CUSTOMER["timezone"])))
    chosen(life, "sms", "email", quiet=(f"{start:%H:%M}", f"{start + timedelta(hours=1):%H:%M}"))
    life.take(happened("going", 1))
    assert states(life, "going")["sms"] == "pending"
    life.travel_to(after(hours=1))
    assert states(life, "going")["sms"] == "sent"


def test_a_new_order_knows_what_was_chosen_before() -> None:
    life = Life(errand())
    event = decode(encoded(happened("asked", recipients={"customer": CUSTOMER})))
    life.cause(EventReceived(life.now, event, {PHONE: Wishes(("email",))}))
    assert life.order is not None
    assert life.order.id == FIRST_ID
    assert states(life, "asked")["sms"] == "does not want sms messages"
