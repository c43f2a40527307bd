"""Lists on an order, as a pack says them: their columns, who may change them, whom new rows are greeted by."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from service.domain.calendars import Every
from service.domain.lists import ColumnType, ExportFormat
from service.workflows.schema_acts import ActRole
from service.workflows.schema_times import StartTime
from service.workflows.schema_words import Ident, Idents, Titles, YamlModel

Choice = Annotated[str, Field(min_length=1, max_length=200)]


class ColumnYaml(YamlModel):
    """A column of a list. `personal`: it tells of a person; phone numbers and mail addresses do, unless it says no."""

    type: ColumnType = "text"
    title: Titles = {}
    required: Annotated[bool, Field(description="no row is taken without it")] = False
    personal: bool | None = None
    unique: Annotated[bool, Field(description="no two rows of an order's list have the same there")] = False
    choices: Annotated[list[Choice], Field(description="of the type choice: what it may be")] = []

    @property
    def is_personal(self) -> bool:
        """Whether it tells of a person."""
        return self.type in ("phone", "email") if self.personal is None else self.personal


def _typed(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


class GreetYaml(YamlModel):
    """A notice told to the person of a new row, where this column of the row says yes."""

    notify: Ident
    when: Annotated[Ident, Field(description="a boolean column: the row asks for it")]


class ListExportYaml(YamlModel):
    """New rows by mail, to the people of an audience of the order."""

    every: Every
    at: StartTime = "08:00"
    to: Ident
    format: ExportFormat = "csv"


class ListYaml(YamlModel):
    """A list. `roles`: who may change it by hand, and `in` which statuses of the order; else in every open one."""

    title: Titles = {}
    columns: Annotated[
        dict[Ident, Annotated[ColumnYaml, BeforeValidator(_typed, json_schema_input_type=ColumnType | ColumnYaml)]],
        Field(min_length=1, max_length=100),
    ]
    roles: Annotated[list[ActRole], Field(min_length=1)] = ["agent"]
    in_: Annotated[Idents, Field(alias="in")] = []
    greet: GreetYaml | None = None
    exports: list[ListExportYaml] = []
