"""The schema of a pack's `workflow.yaml`: pydantic models, all errors at once, and a JSON Schema for editors."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from service.domain.attributes import AttributeType
from service.domain.calendars import Every
from service.domain.notice_rules import WhenQuiet, WhenUnknown
from service.domain.reports import MeasureKind
from service.domain.workflow import OnRepeat
from service.workflows.durations import Duration
from service.workflows.schema_acts import ActsYaml
from service.workflows.schema_asks import Asks
from service.workflows.schema_brands import BrandYaml, ContentYaml, MailAddress
from service.workflows.schema_channels import Channel, Channels, single
from service.workflows.schema_clocks import ClockYaml, FollowUpYaml
from service.workflows.schema_conditions import Audiences, AudienceYaml, Notifies, WhenYaml
from service.workflows.schema_demo import DemoYaml
from service.workflows.schema_lists import ListYaml
from service.workflows.schema_parties import PartyYaml
from service.workflows.schema_parts import PartsYaml
from service.workflows.schema_replies import ReplyYaml
from service.workflows.schema_teams import CallsYaml, ReasonYaml, TeamYaml
from service.workflows.schema_times import CalendarYaml, QuietYaml, StartTime
from service.workflows.schema_tracking import TrackingYaml
from service.workflows.schema_words import (
    AttributeName,
    DataPath,
    Ident,
    Idents,
    Language,
    Languages,
    OptOutWord,
    Titles,
    YamlModel,
    one_or_many,
)


class StageYaml(YamlModel):
    """A stage that customers see; stages are ordered as in the file."""

    title: Titles
    failed: bool = False


class NeedYaml(YamlModel):
    """What an event needs to enter the status from one of these statuses."""

    what: DataPath
    from_: Annotated[Idents, Field(alias="from")] = []


def _needs(value: Any) -> Any:
    items = value if isinstance(value, list) else [value]
    return [{"what": item} if isinstance(item, str) else item for item in items]


class StatusYaml(YamlModel):
    """An internal status.

    `needs`: `note`, or values such as `attributes.reason`, without which an event may not enter it. `tracked`: false
    if customers may not open the order's page. `listed`: false if lists leave such orders out by default.
    """

    stage: Ident
    notify: Notifies = []
    on_repeat: Annotated[
        OnRepeat | None,
        Field(
            description="treat an event with the order's present status as entering anew, as new data, or as an error"
        ),
    ] = None
    final: bool = False
    needs: Annotated[
        list[NeedYaml], BeforeValidator(_needs, json_schema_input_type=DataPath | list[DataPath | NeedYaml])
    ] = []
    tracked: bool = True
    listed: bool = True


class TransitionsYaml(YamlModel):
    """Allowed transitions between statuses.

    `forward`: along `path`, `any` number of steps, the `next` one, or the next not listed in `optional`.
    `back`: statuses that an order may return to, or `step` for one step back.
    """

    path: list[Ident] = []
    forward: Literal["any", "optional", "next", "none"] = "next"
    optional: list[Ident] = []
    back: Literal["step", "none"] | list[Ident] = "none"
    from_any: list[Ident] = []
    also: dict[Ident, list[Ident]] = {}
    strict: Annotated[bool, Field(description="no status may be skipped, `optional` or not")] = False
    repeat: Literal["update", "reject"] = "reject"


class OnNoteYaml(YamlModel):
    """Sent when a note is added: public or internal, by one of these roles, or by none of those."""

    public: bool = True
    by: Idents = []
    not_by: Idents = []
    in_: Annotated[Idents, Field(alias="in")] = []


class OnChangeYaml(YamlModel):
    """Sent when an event changes this value of the order, or one of these."""

    path: Annotated[list[DataPath], BeforeValidator(one_or_many, json_schema_input_type=DataPath | list[DataPath])]
    in_: Annotated[Idents, Field(alias="in")] = []


class BundleYaml(YamlModel):
    """Messages wait up to this time to be sent as one with others to the same person on the same channel."""

    within: Duration
    by: Literal["person"] = "person"


class ThrottleYaml(YamlModel):
    """At most so many times about one order within this time."""

    most: Annotated[int, Field(ge=1)] = 1
    within: Duration


class NoticeYaml(YamlModel):
    """One thing worth telling."""

    audience: Audiences = ["customer"]
    channels: Channels
    on_assignee_change: Ident | None = None
    on_assigned: Annotated[
        Ident | None, Field(description="sent when somebody of this role (assignee: of any role) gets the order")
    ] = None
    on_note: OnNoteYaml | None = None
    on_change: OnChangeYaml | None = None
    on_rows: Annotated[Idents, Field(description="sent when rows are added to one of these lists")] = []
    quiet: WhenQuiet = "send"
    mandatory: bool = False
    bundle: BundleYaml | None = None
    throttle: ThrottleYaml | None = None
    replaces: Idents = []
    after: Annotated[Idents, Field(description="sent only if one of these was sent before")] = []
    once: Annotated[bool, Field(description="sent only once for each order")] = False
    when: Annotated[WhenYaml | None, Field(description="sent only if this holds")] = None
    secret: Ident | None = None
    valid_for: Duration = Field(default="24h", validate_default=True)
    when_unknown: WhenUnknown = "resend"
    manual: Annotated[Titles, Field(description="titles for agents, who may send it")] = {}
    in_: Annotated[
        Idents, Field(alias="in", description="of a manual notice: the statuses in which it may be sent")
    ] = []
    asks: Annotated[Asks, Field(description="of a manual notice: what the agent fills in")] = {}
    whatsapp_content: dict[str, ContentYaml] = {}
    replies: Annotated[Idents, Field(description="replies offered as buttons in its mails")] = []
    unless_whole_tells: Annotated[
        Idents, Field(description="not sent for a part if its whole sends one of these for the same event")
    ] = []


class FaqYaml(YamlModel):
    """A frequent question of customers."""

    question: str
    in_: Annotated[Idents, Field(alias="in")] = []
    check: list[str]
    do: list[str]
    say: Annotated[str | Titles, Field(description="what an agent says or sends, possibly by language")]


class ReportYaml(YamlModel):
    """A list of orders that people may subscribe to."""

    title: str
    in_: Annotated[Idents, Field(alias="in")] = []
    stuck_for: Duration | None = None
    open_only: bool = False
    every: list[Every] = ["day", "week", "month"]
    at: StartTime = "08:00"


class MeasureYaml(YamlModel):
    """A measure of the business: a rate (goal in percent), a time (goal a duration) or an average."""

    kind: MeasureKind
    title: str
    start: Annotated[Idents, Field(alias="from")] = []
    end: Annotated[Idents, Field(alias="to")] = []
    path: DataPath | None = None
    at_least: str | float | None = None
    at_most: str | float | None = None


class RunningYaml(YamlModel):
    """How a new version of the pack treats running orders: `rename` maps old statuses to new ones."""

    move: bool = False
    rename: dict[Ident, Ident] = {}


class AttributeYaml(YamlModel):
    """An attribute that the pack uses. `personal`: it is about a person, and erased with them.

    `choices`: predefined texts, by name with their titles, for forms and templates.
    """

    type: AttributeType = "any"
    title: Titles = {}
    personal: bool = False
    choices: dict[Ident, Titles] = {}


def audiences_of(notice: NoticeYaml) -> list[str]:
    """The names of the audiences of a notice."""
    return [a.audience if isinstance(a, AudienceYaml) else a for a in notice.audience]


def channels_of(notice: NoticeYaml) -> list[str]:
    """The names of the channels of a notice."""
    return list(dict.fromkeys(name for name, _ in single(notice.channels)))


def _typed(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


class WorkflowYaml(YamlModel):
    """A whole pack."""

    workflow: Ident
    title: str
    locales: Annotated[list[Language], Field(min_length=1)]
    locale_fallback: Annotated[
        dict[Language, Languages], Field(description="fallbacks by language, other than by truncating the tag")
    ] = {}
    timezone: str = "UTC"
    region: Annotated[
        str, Field(pattern=r"^([A-Z]{2})?$", description="ISO 3166: the country of phone numbers without country code")
    ] = ""
    reply_to: MailAddress = ""
    brands: dict[Ident, BrandYaml] = {}
    adopts: bool = True
    starts: Idents = []
    grace: Duration = Field(default="60s", validate_default=True)
    stages: Annotated[dict[Ident, StageYaml], Field(min_length=1)]
    statuses: Annotated[dict[Ident, StatusYaml], Field(min_length=1)]
    transitions: TransitionsYaml
    contact_from: Idents = []
    attributes: dict[
        AttributeName,
        Annotated[AttributeYaml, BeforeValidator(_typed, json_schema_input_type=AttributeType | AttributeYaml)],
    ] = {}
    shows: Annotated[
        list[AttributeName],
        Field(description="attributes that are columns of lists of orders; none that is personal"),
    ] = []
    contacts: Annotated[
        Idents, Field(description="audiences whose phone numbers and mail addresses may appear in messages")
    ] = []
    notices: dict[Ident, NoticeYaml] = {}
    fallback: dict[Channel, Channel] = {}
    opt_out_words: Annotated[
        dict[str, list[OptOutWord]],
        Field(description="by language: whole messages that opt out, besides the usual ones"),
    ] = {}
    replies: dict[Ident, ReplyYaml] = {}
    acts: Annotated[ActsYaml, Field(description="what people may do to orders by hand")] = ActsYaml()
    parties: Annotated[
        dict[Ident, PartyYaml], Field(description="audiences whose people may see their own orders")
    ] = {}
    lists: Annotated[dict[Ident, ListYaml], Field(description="tables on an order, such as leads")] = {}
    tracking: TrackingYaml = TrackingYaml()
    parts: Annotated[PartsYaml | None, Field(description="how a whole's status follows from its parts")] = None
    clocks: dict[Ident, ClockYaml] = {}
    follow_ups: dict[Ident, FollowUpYaml] = {}
    teams: dict[Ident, TeamYaml] = {}
    calls: dict[Ident, CallsYaml] = {}
    reasons: dict[Ident, ReasonYaml] = {}
    faqs: list[FaqYaml] = []
    audience_fallback: dict[Ident, Ident] = {}
    calendars: dict[Ident, CalendarYaml] = {}
    quiet_hours: QuietYaml | None = None
    reports: dict[Ident, ReportYaml] = {}
    measures: dict[Ident, MeasureYaml] = {}
    running_orders: RunningYaml = RunningYaml()
    expected_end: list[DataPath] = []
    demo: DemoYaml = DemoYaml()
