"""The model of a workflow as its pack declares it: statuses, stages, notices, clocks, teams and everything else.

Frozen data only. Nothing here knows a workflow by name; the pack's YAML is read in `service.workflows`.
Durations are timedeltas, or working time where the pack says so.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal

from msgspec import Struct, structs

from service.domain.acts import Act, LinkAct
from service.domain.attributes import Attribute
from service.domain.brands import Brand
from service.domain.calendars import QuietHours
from service.domain.channels import ChannelSpec
from service.domain.conditions.tree import Condition
from service.domain.languages import UNRELATED, Kinship, behind, pick_locale
from service.domain.lists import ListSpec
from service.domain.notice_rules import Content, Notice
from service.domain.parts import PartRules
from service.domain.party_rules import PartyRules
from service.domain.promises import ClockSpec
from service.domain.replies import Faq, Reply
from service.domain.reports import PERFORMANCE, Measure, Report
from service.domain.teams import Reason, Team

OnRepeat = Literal["notify", "update", "reject"]


class Stage(Struct, frozen=True):
    """A stage, which customers see; `rank` orders stages, `failed` marks an unhappy end."""

    name: str
    rank: int
    titles: Mapping[str, str]
    failed: bool = False


class Need(Struct, frozen=True):
    """A value that entering a status needs, of the event or the order: `note`, or a dotted path.

    Only when coming from one of `origins`, where any are named.
    """

    path: str
    origins: frozenset[str] = frozenset()


class Status(Struct, frozen=True):
    """An internal state of orders. Entering it tells `notices`, each only `when` its condition holds.

    `on_repeat`: the effect of an event with the order's current status; None: the pack's default.
    `tracked`: customers may open the tracking page. `listed`: lists show such orders by default.
    """

    name: str
    stage: str
    notices: tuple[str, ...] = ()
    when: Mapping[str, Condition] = {}
    on_repeat: OnRepeat | None = None
    final: bool = False
    needs: tuple[Need, ...] = ()
    tracked: bool = True
    listed: bool = True


class TrackingRules(Struct, frozen=True):
    """What the tracking page shows: contacts for help, how much of the assignee, and texts for statuses."""

    phone: str = ""
    email: str = ""
    hours: Mapping[str, str] = {}
    assignee: Literal["name", "masked", "contact", "hidden"] = "masked"
    says: Mapping[str, Mapping[str, str]] = {}


class Workflow(Struct, frozen=True, dict=True):
    """A workflow. `moves[a]` are the statuses that may follow `a`; `version` identifies this exact text of the pack.

    `audience_fallback[a]` is told where nobody is known as audience `a`. Running orders are moved to this version
    when `moves_running`, their statuses by `renamed`. `expected_end`: paths of dates, the first known one counts.
    `promised`: the notices whose results a clock waits for. `contacts`: audiences whose phone and mail may be shown.
    `region`: whose numbers are written nationally (ISO 3166). `reply_to`: where answers to its mails go, if not to us.
    `opt_out_words`: what ends messages, beside the usual words. `shows`: attributes that lists of orders show.
    `brands`: the names that orders may be told under, beside the service's own.
    `locale_fallback`: which language comes after another one.
    `channels`: every channel that is installed, whether this pack uses it or not.
    `parties`: by audience, what its people see of their orders. `parts`: which orders may be parts of its own.
    """

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
    contacts: frozenset[str] = frozenset()
    attributes: Mapping[str, Attribute] = {}
    shows: tuple[str, ...] = ()
    faqs: tuple[Faq, ...] = ()
    demo: Mapping[str, Any] = {}
    audience_fallback: Mapping[str, str] = {}
    quiet: QuietHours | None = None
    reports: Mapping[str, Report] = {}
    measures: Mapping[str, Measure] = {}
    moves_running: bool = False
    renamed: Mapping[str, str] = {}
    expected_end: tuple[str, ...] = ()
    promised: frozenset[str] = frozenset()
    region: str = ""
    reply_to: str = ""
    opt_out_words: tuple[str, ...] = ()
    locale_fallback: Kinship = UNRELATED
    brands: Mapping[str, Brand] = {}
    channels: Mapping[str, ChannelSpec] = {}
    replies: Mapping[str, Reply] = {}
    tracking: TrackingRules = TrackingRules()
    acts: Mapping[str, Act] = {}
    parties: Mapping[str, PartyRules] = {}
    lists: Mapping[str, ListSpec] = {}
    parts: PartRules | None = None
    link_acts: tuple[LinkAct, ...] = ()

    def channels_of(self, notice: Notice) -> list[str]:
        """The channels that a notice is written for: its own, and their fallbacks."""
        found = list(notice.channels)
        for channel in found:  # the list grows while it is walked: a fallback may have a fallback itself
            other = self.fallback.get(channel)
            if other and other not in found:
                found.append(other)
        return found

    def channel(self, name: str) -> ChannelSpec:
        """A channel by name; one that is no longer installed has only its name."""
        return self.channels.get(name) or ChannelSpec(name)

    @property
    def all_reports(self) -> Mapping[str, Report]:
        """The reports of the pack, and those that every workflow has."""
        return {PERFORMANCE.name: PERFORMANCE, **self.reports}

    @property
    def default_locale(self) -> str:
        """The locale used when a recipient's own has no templates."""
        return self.locales[0]

    def for_brand(self, name: str) -> "Workflow":
        """The workflow with the replacements of this brand; unchanged for an unknown brand."""
        return self._branded.get(name, self)

    # Used in every decision, and so computed once.

    @cached_property
    def _branded(self) -> Mapping[str, "Workflow"]:
        own = ("notices", "fallback", "reply_to", "tracking")
        return {n: structs.replace(self, **{f: getattr(b, f) for f in own}) for n, b in self.brands.items()}

    @cached_property
    def told_of_changes(self) -> tuple[Notice, ...]:
        """The notices with `on_change`."""
        return tuple(n for n in self.notices.values() if n.on_change)

    @cached_property
    def has_content(self) -> bool:
        """Whether any notice names an approved template."""
        return any(n.content for n in self.notices.values())

    @cached_property
    def last_stages(self) -> frozenset[str]:
        """The stages in which an order can end."""
        return frozenset(s.stage for s in self.statuses.values() if s.final)

    @cached_property
    def clocks_of(self) -> Mapping[str, tuple[ClockSpec, ...]]:
        """The clocks that wait for messages, by their notice."""
        return {n: tuple(c for c in self.clocks.values() if c.notice == n) for n in self.notices}

    def locale_for(self, wanted: str | None) -> str:
        """The pack's locale that is nearest to the one wanted."""
        return pick_locale(self.locales, wanted, self.locale_fallback)

    def locales_behind(self, locale: str) -> tuple[str, ...]:
        """The pack's locales to try for this one, itself first."""
        return behind(self.locales, locale, self.locale_fallback)

    def content_in(self, notice: Notice, locale: str) -> Content | None:
        """The approved template of a notice in this locale or a fallback of it; None where there is none."""
        return next((notice.content[each] for each in self.locales_behind(locale) if each in notice.content), None)

    def title_in(self, titles: Mapping[str, str], locale: str, otherwise: str) -> str:
        """The title in this locale or a fallback of it; else `otherwise`."""
        return next((titles[each] for each in self.locales_behind(locale) if each in titles), otherwise)

    @property
    def unlisted(self) -> tuple[tuple[str, str], ...]:
        """The statuses that lists leave out by default, each as (workflow, status)."""
        return tuple((self.name, s.name) for s in self.statuses.values() if not s.listed)

    def is_final(self, status: str) -> bool:
        """Whether an order has ended in `status`."""
        return self.statuses[status].final
