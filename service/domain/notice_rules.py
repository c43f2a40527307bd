"""A notice as its pack declares it: what calls for it, whom it tells by which channels, when, and how often.

Frozen data only. Durations are timedeltas.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from msgspec import Struct

from service.domain.attributes import Attribute
from service.domain.conditions.tree import Condition
from service.domain.rungs import Rung

WhenUnknown = Literal["resend", "while_fresh", "never"]
WhenQuiet = Literal["send", "wait", "drop"]


class Content(Struct, frozen=True):
    """A WhatsApp template approved by the provider, with the variables it takes (Jinja expressions)."""

    sid: str
    variables: Mapping[str, str] = {}


class OnNote(Struct, frozen=True):
    """Calls for a notice when a note is added: a public or an internal one, `by` one of these roles, `not_by` those."""

    public: bool = True
    by: frozenset[str] = frozenset()
    not_by: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()


class OnChange(Struct, frozen=True):
    """Calls for a notice when an event sets or changes a value at one of `paths`, in one of `statuses` (empty: any)."""

    paths: tuple[str, ...]
    statuses: frozenset[str] = frozenset()


class Ask(Struct, frozen=True):
    """A value that an agent fills in. `default`: the path of its default in the order; `ahead`: it must lie ahead."""

    attribute: Attribute
    default: str | None = None
    ahead: bool = False


class Throttle(Struct, frozen=True):
    """A limit on how often an order is told a notice: `most` times `within` a duration."""

    most: int
    within: timedelta


class Notice(Struct, frozen=True):
    """One thing worth telling; becomes one message per channel and recipient.

    `mandatory`: also told to those who asked for fewer messages. `quiet`: what quiet hours do to it.
    `after`: told only where one of these was told before, as to somebody who has heard of the order. `once`: not told
    again to the same order. `when`: told only while it holds; `audience_when`, `channel_when`: the same for single
    audiences and channels; `watched`: paths whose change counts from what the notice told last. `bundle`:
    its messages wait so long, to leave in one with others for the same person; `throttle`: not told more often.
    `on_assigned`: told when somebody of this role (`assignee`: of any) gets the order, first or anew;
    `on_assignee_change`: only when it passes from one to another. `on_rows`: told when rows are added to one of these.
    `manual`: its titles, when agents send it, in these `statuses` (empty: in any); `asks`: what they fill in for it.
    `free_text`: its words are what the agent wrote. `replies`: offered as buttons in its mails.
    `rungs`: the ladder that its channels make; none: all at once.
    `unless_whole_tells`: not told of a part where its whole tells one of these by the same event.
    """

    name: str
    audiences: tuple[str, ...]
    channels: tuple[str, ...]
    on_assignee_change: str | None = None
    on_assigned: str | None = None
    on_note: OnNote | None = None
    on_change: OnChange | None = None
    on_rows: frozenset[str] = frozenset()
    quiet: WhenQuiet = "send"
    mandatory: bool = False
    replaces: tuple[str, ...] = ()
    after: frozenset[str] = frozenset()
    once: bool = False
    when: Condition | None = None
    audience_when: Mapping[str, Condition] = {}
    channel_when: Mapping[str, Condition] = {}
    watched: frozenset[str] = frozenset()
    bundle: timedelta | None = None
    throttle: Throttle | None = None
    secret: str | None = None
    valid_for: timedelta = timedelta(hours=24)
    when_unknown: WhenUnknown = "resend"
    manual: Mapping[str, str] = {}
    statuses: frozenset[str] = frozenset()
    asks: Mapping[str, Ask] = {}
    content: Mapping[str, Content] = {}
    free_text: bool = False
    replies: tuple[str, ...] = ()
    rungs: tuple[Rung, ...] = ()
    unless_whole_tells: frozenset[str] = frozenset()
