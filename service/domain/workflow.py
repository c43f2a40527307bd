"""The model of a business: statuses, stages, notices, clocks, reasons and teams, as its pack declares them.

Frozen data only. Nothing here knows a workflow by name; the pack's YAML is read in `service.workflows`.
Durations are timedeltas, or working time where the pack says so.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from msgspec import Struct

ClockKind = Literal["notify", "dwell", "deadline", "reminder", "digest"]
Severity = Literal["low", "medium", "high", "critical"]
Told = Literal["sent", "delivered"]
WhenUnknown = Literal["resend", "while_fresh", "never"]


class Stage(Struct, frozen=True):
    """What the customer understands; `rank` orders stages, `failed` marks the unhappy end."""

    name: str
    rank: int
    titles: Mapping[str, str]
    failed: bool = False


class Status(Struct, frozen=True):
    """An internal state of the order and what entering it tells."""

    name: str
    stage: str
    tells: tuple[str, ...] = ()
    final: bool = False


class Content(Struct, frozen=True):
    """A WhatsApp template approved by the provider, with the variables it takes (Jinja expressions)."""

    sid: str
    variables: Mapping[str, str] = {}


class Notice(Struct, frozen=True):
    """One thing worth telling; becomes one notification per channel and recipient."""

    name: str
    audiences: tuple[str, ...]
    channels: tuple[str, ...]
    on_assignee_change: str | None = None
    replaces: tuple[str, ...] = ()
    secret: str | None = None
    valid_for: timedelta = timedelta(hours=24)
    when_unknown: WhenUnknown = "resend"
    manual: Mapping[str, str] = {}
    content: Mapping[str, Content] = {}


class Escalate(Struct, frozen=True):
    """What a breach raises."""

    reason: str
    severity: Severity | None = None


class ClockSpec(Struct, frozen=True):
    """A promise: what starts it, how long it may take, and what its breach does.

    `statuses` are those in which it runs (empty: every status that is not final). `date` names a date
    of the order for *deadline* and *reminder*; `default_after` stands in, counted from entering
    `default_in`, while the order has no such date.
    """

    name: str
    kind: ClockKind
    within: timedelta
    notice: str | None = None
    until: Told = "sent"
    statuses: frozenset[str] = frozenset()
    reset_by_any_event: bool = False
    date: str | None = None
    default_after: timedelta | None = None
    default_in: frozenset[str] = frozenset()
    warn_at: float | None = None
    paused_in: frozenset[str] = frozenset()
    tell: str | None = None
    escalate: Escalate | None = None


class Reason(Struct, frozen=True):
    """Why a team is called."""

    name: str
    team: str
    severity: Severity
    titles: Mapping[str, str]


class Level(Struct, frozen=True):
    """Who is called next when nobody acknowledged for so long after opening."""

    after: timedelta
    to: str


class Team(Struct, frozen=True):
    """People who act on escalations."""

    name: str
    title: str
    levels: tuple[Level, ...] = ()
    remind_every: timedelta | None = None


class Answer(Struct, frozen=True):
    """A usual question of customers: what an agent checks, does and says."""

    question: str
    statuses: frozenset[str]
    check: tuple[str, ...]
    do: tuple[str, ...]
    say: str


class Workflow(Struct, frozen=True):
    """A whole business. `moves[a]` are the statuses that may follow `a`; `version` names this exact text."""

    name: str
    version: str
    title: str
    stages: Mapping[str, Stage]
    statuses: Mapping[str, Status]
    starts: frozenset[str]
    adopts: bool
    moves: Mapping[str, frozenset[str]]
    repeat_updates: bool
    notices: Mapping[str, Notice]
    clocks: Mapping[str, ClockSpec]
    reasons: Mapping[str, Reason]
    teams: Mapping[str, Team]
    fallback: Mapping[str, str]
    grace: timedelta
    locales: tuple[str, ...]
    timezone: str
    contact_from: frozenset[str] = frozenset()
    answers: tuple[Answer, ...] = ()
    demo: Mapping[str, Any] = {}

    @property
    def default_locale(self) -> str:
        """The locale used when a recipient's own has no templates."""
        return self.locales[0]

    def stage_of(self, status: str) -> Stage:
        """The stage that customers see while the order is in `status`."""
        return self.stages[self.statuses[status].stage]

    def is_final(self, status: str) -> bool:
        """Whether the order's life ends in `status`."""
        return self.statuses[status].final
