"""Two hundred short messages a language and what they mean: nothing that is not meant is done, what is unsure waits.

The messages are made up: they prove our own list of words, and nothing about how people write.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from service.domain.causes import ReplyReceived
from tests.support.events import CUSTOMER, event
from tests.support.life import Life
from tests.support.packs import device_pickup
from tests.support.world import ROOT

FILES = sorted((ROOT / "tests/data/replies").glob("*.yaml"))


def messages(file: Path) -> Iterator[tuple[str, str, str]]:
    """Status, text, meaning."""
    for status, by_meaning in yaml.safe_load(file.read_text("utf-8")).items():
        for meaning, texts in by_meaning.items():
            yield from ((status, text, "" if meaning == "none" else meaning) for text in texts)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_message_does_what_it_does_not_say(file: Path) -> None:
    wrong = []
    lives: dict[str, Life] = {}
    found = list(messages(file))
    for status, text, meaning in found:
        if status not in lives:
            lives[status] = Life(device_pickup())
            lives[status].take(event("E-1", status, recipients={"customer": CUSTOMER}))
        life = lives[status]
        before = life.order
        (reply,) = life.cause(ReplyReceived(life.now, "whatsapp", str(CUSTOMER["whatsapp"]), text)).replies
        life.order = before
        counts = not meaning or status in life.pack.workflow.replies[meaning].statuses
        expected = "text" if not meaning else "counted" if counts else "too_late"
        if (reply.reply, reply.outcome) != (meaning, expected):
            wrong.append((status, text, reply.reply, meaning))
    assert wrong == []
    assert len(found) >= 200
