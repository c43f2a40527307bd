"""The schema of the demo."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from service.domain.json_object import JsonObject
from service.workflows.durations import parse_duration
from service.workflows.schema_words import Ident, YamlModel


def _is_length(text: Any) -> Any:
    """Keeps the text as written, as learnt scenarios have the same form."""
    parse_duration(text)
    return text


LengthText = Annotated[str, AfterValidator(_is_length), Field(description="30s, 5m, 24h or 3 days")]


class DemoNoteYaml(YamlModel):
    """A note."""

    text: str
    public: bool = False


class DemoAppointmentYaml(YamlModel):
    """When the appointment begins after its event, and how long it takes."""

    after: LengthText
    lasts: LengthText


class DemoStepYaml(YamlModel):
    """An event, `after` the previous one, with its data."""

    after: LengthText = "0s"
    delayed: Annotated[LengthText, Field(description="published this long after it happened")] = "0s"
    twice: Annotated[bool, Field(description="delivered twice")] = False
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
    """A part of the order, `after` its beginning; of another workflow if one is named."""

    after: LengthText = "0s"
    workflow: Ident | None = None
    steps: Annotated[list[DemoStepYaml], Field(min_length=1)]


class ScenarioYaml(YamlModel):
    """A scenario; `weight`: its frequency relative to the others."""

    name: str = ""
    weight: Annotated[float, Field(gt=0)] = 1.0
    steps: Annotated[list[DemoStepYaml], Field(min_length=1)]
    parts: list[DemoPartYaml] = []


class PriceSpanYaml(YamlModel):
    """The range of simulated prices."""

    from_: Annotated[int, Field(alias="from", ge=0)]
    to: int
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class DemoYaml(YamlModel):
    """Simulated people and orders, for `stagebell demo` and `simulate`."""

    speed: Annotated[float | None, Field(gt=0, description="how many times faster than real time")] = None
    customers: Annotated[list[str], Field(description="names; addresses are invented")] = []
    people: Annotated[dict[Ident, JsonObject | list[JsonObject]], Field(description="further audiences")] = {}
    assignees: list[str] = []
    role: Ident | None = None
    locales: list[str] = []
    timezone: str | None = None
    price: PriceSpanYaml | None = None
    scenarios: list[ScenarioYaml] = []

    def as_written(self) -> JsonObject:
        """The section as written."""
        return self.model_dump(by_alias=True, exclude_unset=True)
