"""Compares two lives of one order: different messages, breaches and escalations."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from service.domain.notices import Message
from service.foresight.life import Life
from service.foresight.wording import words_of
from service.foresight.would_be import ChangedLife
from service.workflows.packs import Pack

# States of messages that never reached anybody.
NEVER_LEFT: Final = frozenset({"failed", "expired", "superseded", "suppressed"})
# A message that comes earlier or later by this much counts as a different one.
SAME_MOMENT: Final = timedelta(minutes=1)
DifferenceKind = Literal[
    "message_added", "message_removed", "message_changed", "promise", "escalation", "event_refused"
]


class OrderDifference(Struct, frozen=True, omit_defaults=True):
    """One difference in an order. `name`: of the notice, clock or reason.

    `was` and `would_be`: the texts of a message; for a clock the time of its breach (empty: none); for an escalation
    the time when its team was called.
    """

    kind: DifferenceKind
    name: str
    channel: str = ""
    audience: str = ""
    locale: str = ""
    team: str = ""
    at: datetime | None = None
    was: str = ""
    would_be: str = ""


class MessagesCompared(Struct):
    """The numbers of messages that would be added, removed and changed, and that stay the same."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    same: int = 0


class Comparison(Struct):
    """One order under both packs. `pairs`: the changed messages, as they were and would be."""

    messages: MessagesCompared
    differences: list[OrderDifference]
    pairs: list[tuple[Message, Message]]


def text_of(pack: Pack, life: Life, n: Message, brand: str) -> str:
    """A message's text, with its title first."""
    rendered = words_of(pack, life.notices[n.notice_id], n, brand)
    return f"{rendered.title}\n{rendered.text}" if rendered.title else rendered.text


def compare(was: Life, would: ChangedLife, was_pack: Pack, would_pack: Pack, brand: str) -> Comparison:
    """All differences between two lives."""
    counted = MessagesCompared()
    words = _Words(was, would, was_pack, would_pack, brand)
    found = list(_messages(words, counted))
    found += _promises(was, would)
    found += _calls(was, would)
    found += [OrderDifference("event_refused", "", at=at, would_be=why) for at, why in would.refused]
    return Comparison(counted, found, words.pairs)


class _Words:
    """Renders texts of both, only where they may differ."""

    def __init__(self, was: Life, would: Life, was_pack: Pack, would_pack: Pack, brand: str) -> None:
        self.was, self.would = was, would
        self._packs = was_pack, would_pack
        self._brand = brand
        self.pairs: list[tuple[Message, Message]] = []

    def of(self, life: Life, n: Message) -> str:
        """The text of a message."""
        pack = self._packs[0] if life is self.was else self._packs[1]
        return text_of(pack, life, n, self._brand)

    def differ(self, old: Message, new: Message) -> bool:
        """Whether they differ in text or time."""
        if abs(_moment(new) - _moment(old)) >= SAME_MOMENT:
            return True
        alike = (old.locale, old.name, old.timezone) == (new.locale, new.name, new.timezone)
        contexts = self.was.notices[old.notice_id].context, self.would.notices[new.notice_id].context
        if alike and contexts[0] == contexts[1] and _same_words(*self._packs, old.locale, old.notice, old.channel):
            return False
        return self.of(self.was, old) != self.of(self.would, new)


def _moment(n: Message) -> datetime:
    return n.sent_at or n.not_before


def _same_words(was: Pack, would: Pack, locale: str, notice: str, channel: str) -> bool:
    """Whether the template and all values that affect it are the same in both packs."""
    a, b = was.workflow, would.workflow
    if a.version == b.version:
        return True
    alike = (a.stages, a.attributes, a.timezone, a.notices[notice].content, a.notices[notice].asks)
    return alike == (b.stages, b.attributes, b.timezone, b.notices[notice].content, b.notices[notice].asks) and (
        was.templates.same_text(would.templates, locale, notice, channel)
    )


def _messages(words: _Words, counted: MessagesCompared) -> Iterator[OrderDifference]:
    was, would = _sent(words.was), _sent(words.would)
    for key in was.keys() | would.keys():
        before, after = was.get(key, []), would.get(key, [])
        for old, new in zip(before, after, strict=False):
            if words.differ(old, new):
                counted.changed += 1
                words.pairs.append((old, new))
                yield replace(
                    _message("message_changed", new), was=words.of(words.was, old), would_be=words.of(words.would, new)
                )
            else:
                counted.same += 1
        for old in before[len(after) :]:
            counted.removed += 1
            yield replace(_message("message_removed", old), was=words.of(words.was, old))
        for new in after[len(before) :]:
            counted.added += 1
            yield replace(_message("message_added", new), would_be=words.of(words.would, new))


def _message(kind: DifferenceKind, n: Message) -> OrderDifference:
    return OrderDifference(kind, n.notice, n.channel, n.audience, n.locale, at=_moment(n))


def _sent(life: Life) -> dict[tuple[str, str, str], list[Message]]:
    """Messages that were sent, or are about to be, by notice, channel and address, in sequence."""
    sent: dict[tuple[str, str, str], list[Message]] = defaultdict(list)
    for n in sorted(life.messages.values(), key=lambda n: (_moment(n), n.id)):
        if n.state not in NEVER_LEFT:
            sent[n.notice, n.channel, n.address].append(n)
    return sent


def _promises(was: Life, would: Life) -> Iterator[OrderDifference]:
    before, after = _broken(was), _broken(would)
    for (name, due), n in ((before - after) + (after - before)).items():
        gone = (name, due) in before - after
        for _ in range(n):
            moment = due.isoformat()
            yield OrderDifference("promise", name, at=due, was=moment if gone else "", would_be="" if gone else moment)


def _broken(life: Life) -> Counter[tuple[str, datetime]]:
    return Counter((c.spec, c.due) for c in life.breached.values())


def _calls(was: Life, would: Life) -> Iterator[OrderDifference]:
    before, after = _opened(was), _opened(would)
    for (team, reason, at), n in ((before - after) + (after - before)).items():
        gone = (team, reason, at) in before - after
        moment = at.isoformat()
        for _ in range(n):
            yield OrderDifference(
                "escalation", reason, team=team, at=at, was=moment if gone else "", would_be="" if gone else moment
            )


def _opened(life: Life) -> Counter[tuple[str, str, datetime]]:
    opened = (c for c in life.calls if c.kind == "opened")
    return Counter((c.escalation.team, c.escalation.reason, c.at) for c in opened)
