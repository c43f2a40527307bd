"""What a pack's `workflow.yaml` may say: pydantic models, all errors at once, and a JSON Schema for editors."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.domain.workflow import Severity, Told, WhenUnknown
from service.workflows.durations import Duration

CHANNELS = ("sms", "whatsapp", "push", "email")
Channel = Literal["sms", "whatsapp", "push", "email"]
Ident = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Idents = Annotated[list[Ident], BeforeValidator(_one_or_many, json_schema_input_type=Ident | list[Ident])]
Titles = dict[str, str]


class Part(BaseModel):
    """Unknown keys are mistakes, most often of spelling."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StageYaml(Part):
    """A stage that customers see; stages are ordered as written."""

    title: Titles
    failed: bool = False


class StatusYaml(Part):
    """An internal status."""

    stage: Ident
    tells: Idents = []
    final: bool = False


class TransitionsYaml(Part):
    """Which status may follow which.

    `forward`: along `path`, `any` number of steps, the `next` one, or the next not listed in `optional`.
    `back`: statuses that an order may return to, or `step` for one step back.
    """

    path: list[Ident] = []
    forward: Literal["any", "optional", "next", "none"] = "next"
    optional: list[Ident] = []
    back: Literal["step", "none"] | list[Ident] = "none"
    from_any: list[Ident] = []
    also: dict[Ident, list[Ident]] = {}
    repeat: Literal["update", "reject"] = "reject"


class ContentYaml(Part):
    """A WhatsApp template approved by the provider."""

    sid: Annotated[str, Field(pattern=r"^HX[0-9a-fA-F]{32}$")]
    variables: dict[str, str] = {}


class NoticeYaml(Part):
    """One thing worth telling."""

    audience: Idents = ["customer"]
    channels: list[Channel]
    on_assignee_change: Ident | None = None
    replaces: Idents = []
    secret: Ident | None = None
    valid_for: Duration = Field(default="24h", validate_default=True)
    when_unknown: WhenUnknown = "resend"
    manual: Titles = {}
    whatsapp_content: dict[str, ContentYaml] = {}


class EscalateYaml(Part):
    """What a breach raises."""

    reason: Ident
    severity: Severity | None = None


class DefaultDateYaml(Part):
    """Stands in while the order has no such date."""

    after: Duration
    in_: Annotated[Idents, Field(alias="in")]


class ClockYaml(Part):
    """A promise and what its breach does."""

    kind: Literal["notify", "dwell", "deadline", "reminder"]
    within: Duration
    notice: Ident | None = None
    until: Told = "sent"
    in_: Annotated[Idents, Field(alias="in")] = []
    reset_by_any_event: bool = False
    date: str | None = None
    default: DefaultDateYaml | None = None
    warn_at: Annotated[str, Field(pattern=r"^\d{1,2}%$")] | None = None
    paused_in: Idents = []
    tell: Ident | None = None
    escalate: EscalateYaml | None = None


class ReasonYaml(Part):
    """Why a team is called."""

    team: Ident
    severity: Severity = "medium"
    title: Titles


class LevelYaml(Part):
    """Who is called next without acknowledgement."""

    after: Duration
    to: str


class TeamYaml(Part):
    """People who act on escalations."""

    title: str
    levels: list[LevelYaml] = []
    remind_every: Duration | None = None


class AnswerYaml(Part):
    """A usual question of customers."""

    question: str
    in_: Annotated[Idents, Field(alias="in")] = []
    check: list[str]
    do: list[str]
    say: str


class WorkflowYaml(Part):
    """A whole pack."""

    workflow: Ident
    title: str
    locales: Annotated[list[str], Field(min_length=1)]
    timezone: str = "UTC"
    adopts: bool = True
    starts: Idents = []
    grace: Duration = Field(default="60s", validate_default=True)
    stages: Annotated[dict[Ident, StageYaml], Field(min_length=1)]
    statuses: Annotated[dict[Ident, StatusYaml], Field(min_length=1)]
    transitions: TransitionsYaml
    contact_from: Idents = []
    notices: dict[Ident, NoticeYaml] = {}
    fallback: dict[Channel, Channel] = {}
    clocks: dict[Ident, ClockYaml] = {}
    teams: dict[Ident, TeamYaml] = {}
    reasons: dict[Ident, ReasonYaml] = {}
    answers: list[AnswerYaml] = []
    demo: dict[str, Any] = {}
