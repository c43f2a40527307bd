"""Teams and the reasons for escalations, as a pack declares them. Frozen data only; used by `domain.escalation`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Literal

from msgspec import Struct

from service.domain.calendars import QuietHours
from service.domain.conditions.tree import Condition

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("low", "medium", "high", "critical")


class ReasonVariant(Struct, frozen=True):
    """Another team or severity (None: the reason's own) for orders for which `when` holds."""

    when: Condition
    team: str | None = None
    severity: Severity | None = None


class Reason(Struct, frozen=True):
    """A reason to escalate to a team; of `variants` the first that matches applies.

    Clocks escalate only while `when` holds; reports by people always do.
    """

    name: str
    team: str
    severity: Severity
    titles: Mapping[str, str]
    when: Condition | None = None
    variants: tuple[ReasonVariant, ...] = ()


class Level(Struct, frozen=True):
    """A level: called when nobody has acknowledged for `after` since the escalation was opened."""

    after: timedelta
    to: str


class Team(Struct, frozen=True):
    """People who act on escalations.

    More than `incident_over` clocks of one reason within `incident_within` become one incident. Calls that are not
    critical wait for the end of `quiet`; `digest_at`: the local time of the daily digest ("HH:MM").
    """

    name: str
    title: str
    levels: tuple[Level, ...] = ()
    remind_every: timedelta | None = None
    timezone: str = "UTC"
    quiet: QuietHours | None = None
    digest_at: str = ""
    incident_over: int = 10
    incident_within: timedelta = timedelta(minutes=1)
