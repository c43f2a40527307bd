"""The schema of teams and of the reasons for calling them."""

from typing import Annotated

from pydantic import Field

from service.domain.teams import Severity
from service.workflows.durations import Duration
from service.workflows.schema_conditions import WhenYaml
from service.workflows.schema_times import QuietYaml, StartTime
from service.workflows.schema_words import Ident, Titles, YamlModel


class ReasonVariantYaml(YamlModel):
    """Another team or severity for orders that match the condition."""

    when: WhenYaml
    team: Ident | None = None
    severity: Severity | None = None


class ReasonYaml(YamlModel):
    """Why a team is called; `when` applies if a clock raises it, not if people report it."""

    team: Ident
    severity: Severity = "medium"
    title: Titles
    when: WhenYaml | None = None
    variants: list[ReasonVariantYaml] = []


class LevelYaml(YamlModel):
    """Who is called next if nobody acknowledges."""

    after: Duration
    to: str


class IncidentYaml(YamlModel):
    """More than `over` escalations of one reason `within` this time become one incident."""

    over: Annotated[int, Field(ge=1)] = 10
    within: Duration = Field(default="1m", validate_default=True)


class TeamYaml(YamlModel):
    """People who act on escalations."""

    title: str
    levels: list[LevelYaml] = []
    remind_every: Duration | None = None
    timezone: str | None = None
    quiet_hours: QuietYaml | None = None
    digest_at: StartTime | None = None
    incident: IncidentYaml = IncidentYaml()


class CallsYaml(YamlModel):
    """How a team is called about this workflow's orders, instead of its usual levels and reminders."""

    levels: list[LevelYaml] = []
    remind_every: Duration | None = None
