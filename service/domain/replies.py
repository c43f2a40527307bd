"""The replies that a pack declares, and the matching of customers' messages with them. Pure.

Nothing is guessed: the whole message is one of a reply's words, or a tap names the reply. Any other message, and one
with a question mark where the word has none, waits for a person.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from service.domain.conditions.tree import Condition
from service.domain.plain_words import plain

# The same reply within this time is a double tap, or came by two channels.
SAME_TAP: Final = timedelta(seconds=10)
LONGEST: Final = 200
# Question marks of the scripts that have one of their own (Unicode: Greek, Armenian, Arabic, full width, Ethiopic, Vai,
# Limbu), turned or doubled ones, and those among the emoji.
_ASKING: Final = frozenset(
    "?\u037e\u055e\u061f\uff1f\u1367\ua60f\u1945\u203d\u2047\u2048\u2049\u2e2e\ufe16\ufe56\xbf\u2753\u2754"
)
# Characters that turn a word of assent into a doubtful one.
_AGAINST: Final = frozenset(
    "\u274c\u274e\u2716\u2717\u2718\u26d4\U0001f6ab\U0001f44e\U0001f645\U0001f6d1\U0001f914\U0001f937"
)
# What strikes out the letters before it (Unicode, Combining Diacritical Marks), and what WhatsApp shows struck out.
_STRUCK: Final = re.compile("[\u0335-\u0338\u20d2\u20d3\u20d8\u20e0\u20e5\u20e6\u20ea\u20eb]|~[^~\n]*~")


class Faq(Struct, frozen=True):
    """A frequent question of customers: what an agent checks, does and says; `says`: by language, if it has several."""

    question: str
    statuses: frozenset[str]
    check: tuple[str, ...]
    do: tuple[str, ...]
    say: str
    says: Mapping[str, str] = {}


class Word(Struct, frozen=True):
    """A whole message, normalised for comparison. `asks`: it has a question mark in the pack."""

    text: str
    asks: bool = False


class MatchingAct(Struct, frozen=True):
    """The act that answers a reply by one click of an agent, with all its values."""

    act: str
    status: str = ""
    attributes: Mapping[str, Any] = {}


class Reply(Struct, frozen=True):
    """A reply that a pack knows: who may give it, in which `statuses` it counts, and what it does.

    `publish`: the order system hears of it. `escalate`: for this reason. `notify`: this notice is told. `answer`: this
    notice is told to whoever replied, there where they did. `too_late`: told so to whoever replies when it counts no
    more. `waits`: a person answers, too. `repeats`: it counts again and again; others count once while the order stays
    in a status. `buttons`: offered where taps are possible. It is this reply only `when` that holds.
    `choice`: of the replies of one choice, such as a rating, one counts. `act`: where no system moves the order, it
    waits until somebody does this.
    """

    name: str
    titles: Mapping[str, str]
    statuses: frozenset[str]
    words: frozenset[Word] = frozenset()
    audiences: frozenset[str] = frozenset({"customer"})
    publish: bool = True
    escalate: str | None = None
    notify: str | None = None
    answer: str | None = None
    too_late: str | None = None
    waits: bool = False
    repeats: bool = False
    buttons: bool = True
    when: Condition | None = None
    choice: str | None = None
    act: MatchingAct | None = None

    @property
    def counts_as(self) -> str:
        """The name under which it counts once."""
        return self.choice or self.name


@lru_cache(maxsize=4096)
def word_of(text: str) -> Word:
    """A word of a pack's list, normalised; empty where it has no letter or digit."""
    return Word(plain(text), _asks(text))


def _asks(text: str) -> bool:
    return not _ASKING.isdisjoint(text)


def matching(text: str, replies: Iterable[Reply]) -> list[Reply]:
    """The replies that have this whole message among their words."""
    if len(text) > LONGEST or not _AGAINST.isdisjoint(unicodedata.normalize("NFKC", text)) or _STRUCK.search(text):
        return []
    wanted = plain(text)
    asks = _asks(text)
    return [r for r in replies if wanted and any(w.text == wanted and (w.asks or not asks) for w in r.words)]
