"""The schema of lists on an order: columns, roles, greetings and exports."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from service.domain.calendars import Every
from service.domain.lists import ColumnType, ExportFormat
from service.workflows.schema_acts import ActRole
from service.workflows.schema_times import StartTime
from service.workflows.schema_words import Ident, Idents, Titles, YamlModel

Choice = Annotated[str, Field(min_length=1, max_length=200)]


class ColumnYaml(YamlModel):
    """A column of a list. `personal`: it is about a person; by default true for phone numbers and mail addresses."""

    type: ColumnType = "text"
    title: Titles = {}
    required: Annotated[bool, Field(description="required in every row")] = False
    personal: bool | None = None
    unique: Annotated[bool, Field(description="unique within an order's list")] = False
    choices: Annotated[list[Choice], Field(description="the values of a choice")] = []

    @property
    def is_personal(self) -> bool:
        """Whether it is about a person."""
        return self.type in ("phone", "email") if self.personal is None else self.personal


def _typed(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


class GreetYaml(YamlModel):
    """A notice to the person of a new row, if this column of the row is true."""

    notify: Ident
    when: Annotated[Ident, Field(description="a boolean column: whether to greet the row's person")]


class ListExportYaml(YamlModel):
    """An export of new rows by mail, to the people of an audience of the order."""

    every: Every
    at: StartTime = "08:00"
    to: Ident
    format: ExportFormat = "csv"


class ListYaml(YamlModel):
    """A list. `roles`: who may change it by hand, `in` which statuses of the order; by default in every open one."""

    title: Titles = {}
    columns: Annotated[
        dict[Ident, Annotated[ColumnYaml, BeforeValidator(_typed, json_schema_input_type=ColumnType | ColumnYaml)]],
        Field(min_length=1, max_length=100),
    ]
    roles: Annotated[list[ActRole], Field(min_length=1)] = ["agent"]
    in_: Annotated[Idents, Field(alias="in")] = []
    greet: GreetYaml | None = None
    exports: list[ListExportYaml] = []
