"""What the demo plays, as a pack's YAML writes it."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from service.domain.json_object import JsonObject
from service.workflows.durations import parse_duration
from service.workflows.schema_words import Ident, YamlModel


def _is_length(text: Any) -> Any:
    """As it was written: orders that are learnt from the past come in the same form."""
    parse_duration(text)
    return text


LengthText = Annotated[str, AfterValidator(_is_length), Field(description="30s, 5m, 24h or 3 days")]


class DemoNoteYaml(YamlModel):
    """A remark."""

    text: str
    public: bool = False


class DemoAppointmentYaml(YamlModel):
    """How long after its event it begins, and how long it lasts."""

    after: LengthText
    lasts: LengthText


class DemoStepYaml(YamlModel):
    """An event, `after` the one before; what it says beside."""

    after: LengthText = "0s"
    delayed: Annotated[LengthText, Field(description="published so much later than it happened")] = "0s"
    twice: Annotated[bool, Field(description="it comes twice, as events do")] = False
    status: Ident | None = None
    issue: Annotated[Ident | None, Field(description="a reason")] = None
    note: DemoNoteYaml | None = None
    attributes: JsonObject = {}
    brand: Ident | None = None
    assignee: Literal["new"] | None = None
    appointment: DemoAppointmentYaml | None = None
    eta: LengthText | None = None
    price: bool = False
    paid: bool = False
    secrets: list[str] = []


class DemoPartYaml(YamlModel):
    """An order that is part of another, `after` its beginning; of another workflow where one is named."""

    after: LengthText = "0s"
    workflow: Ident | None = None
    steps: Annotated[list[DemoStepYaml], Field(min_length=1)]


class ScenarioYaml(YamlModel):
    """How an order may go; `weight`: how often, beside the others."""

    name: str = ""
    weight: Annotated[float, Field(gt=0)] = 1.0
    steps: Annotated[list[DemoStepYaml], Field(min_length=1)]
    parts: list[DemoPartYaml] = []


class PriceSpanYaml(YamlModel):
    """Made-up prices lie in it."""

    from_: Annotated[int, Field(alias="from", ge=0)]
    to: int
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class DemoYaml(YamlModel):
    """Made-up people and orders: for `stagebell demo`, and to try a pack by `simulate`."""

    speed: Annotated[float | None, Field(gt=0, description="times as fast as life")] = None
    customers: Annotated[list[str], Field(description="their names; addresses are made up")] = []
    people: Annotated[dict[Ident, JsonObject | list[JsonObject]], Field(description="further audiences")] = {}
    assignees: list[str] = []
    role: Ident | None = None
    locales: list[str] = []
    timezone: str | None = None
    price: PriceSpanYaml | None = None
    scenarios: list[ScenarioYaml] = []

    def as_said(self) -> JsonObject:
        """What was written, and nothing else."""
        return self.model_dump(by_alias=True, exclude_unset=True)
