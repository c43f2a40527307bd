"""The schema of clocks and follow-ups."""

from typing import Annotated, Literal

from pydantic import Field

from service.domain.promises import UntilState
from service.domain.teams import Severity
from service.workflows.durations import Duration, Length
from service.workflows.schema_conditions import Notify, WhenYaml
from service.workflows.schema_times import CalendarByYaml, LengthOrFrom
from service.workflows.schema_words import AttributeName, DataPath, Ident, Idents, YamlModel


class EscalateYaml(YamlModel):
    """The escalation that a breach raises."""

    reason: Ident
    severity: Severity | None = None
    auto_resolve: bool = True
    when: WhenYaml | None = None


class VariantYaml(YamlModel):
    """Another length for orders that match."""

    when: WhenYaml
    within: Length


class PublishYaml(YamlModel):
    """An event to publish to the exchange `clocks`: its type, and values of the order by name."""

    type: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$", description="such as slot.expired")]
    data: dict[AttributeName, DataPath] = {}
    when: WhenYaml | None = None


class AtWarningYaml(YamlModel):
    """What happens at a clock's warning."""

    notify: Notify | None = None
    publish: PublishYaml | None = None


class DefaultDateYaml(YamlModel):
    """The date to use while the order has none."""

    after: Duration
    in_: Annotated[Idents, Field(alias="in")]


class ClockYaml(YamlModel):
    """A clock, and what happens at its breach."""

    kind: Literal["notify", "dwell", "deadline", "reminder", "reply"]
    within: LengthOrFrom
    variants: list[VariantYaml] = []
    calendar: Ident | CalendarByYaml | None = None
    when: WhenYaml | None = None
    unless: WhenYaml | None = None
    late_by: Duration = Field(default="15m", validate_default=True)
    notice: Ident | None = None
    until: UntilState = "sent"
    in_: Annotated[Idents, Field(alias="in")] = []
    reset_by_any_event: bool = False
    date: DataPath | None = None
    default: DefaultDateYaml | None = None
    warn_at: (
        Annotated[str, Field(description="a share of the time, such as 80%, or a duration after the start, such as 4h")]
        | None
    ) = None
    at_warning: AtWarningYaml | None = None
    paused_in: Idents = []
    notify: Notify | None = None
    publish: PublishYaml | None = None
    escalate: EscalateYaml | None = None


class FollowUpYaml(YamlModel):
    """A notice to send `after` entering one of these statuses, unless it has become pointless; not a promise.

    With a `calendar`, it is sent in working hours.
    """

    notify: Notify | None = None
    publish: PublishYaml | None = None
    after: LengthOrFrom
    calendar: Ident | CalendarByYaml | None = None
    in_: Annotated[Idents, Field(alias="in")]
    when: WhenYaml | None = None
    unless: WhenYaml | None = None
    late_by: Duration = Field(default="24h", validate_default=True)
