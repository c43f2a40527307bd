"""The schema of conditions on an order's data, and of names that may have one."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from service.workflows.schema_words import DataPath, Ident, Idents, YamlModel

Given: TypeAlias = bool | int | float | datetime | date | str
Givens = Annotated[
    list[Given],
    BeforeValidator(lambda v: v if isinstance(v, list) else [v], json_schema_input_type=Given | list[Given]),
]


class CountYaml(YamlModel):
    """Bounds for a count."""

    over: int | None = None
    at_least: int | None = None
    under: int | None = None
    at_most: int | None = None


class WhenYaml(YamlModel):
    """A condition: all of its tests must hold.

    For the value at `path`: without a test, that it is present and neither false, zero nor empty. It is compared
    with a number, money (`500 EUR`), a date, `now`, `now + 2h`, `eta - 1h`, or the path of another value.
    """

    path: DataPath | None = None
    is_: Annotated[Givens, Field(alias="is", description="one of these")] = []
    known: Annotated[bool | None, Field(description="whether there is a value")] = None
    over: Given | None = None
    at_least: Given | None = None
    under: Given | None = None
    at_most: Given | None = None
    before: Given | None = None
    after: Given | None = None
    contains: Annotated[Givens, Field(description="a list contains one of these, or a text contains it")] = []
    starts_with: Givens = []
    changed: Annotated[Literal[True] | None, Field(description="the event changed it")] = None
    changed_by: Annotated[
        Given | None, Field(description="it differs by at least this much from when the notice was last sent")
    ] = None
    first: Annotated[Literal[True] | None, Field(description="the event gave it its first value")] = None
    in_: Annotated[Idents, Field(alias="in", description="the order is in one of these statuses")] = []
    entered: Annotated[
        int | CountYaml | None, Field(description="the number of visits to the status of `in`, or to the present one")
    ] = None
    all: list["WhenYaml"] = []
    any: list["WhenYaml"] = []
    not_: Annotated["WhenYaml | None", Field(alias="not")] = None


class NotifyYaml(YamlModel):
    """A notice, sent only if the condition holds."""

    notice: Ident
    when: WhenYaml | None = None


class AudienceYaml(YamlModel):
    """An audience, notified only if the condition holds."""

    audience: Ident
    when: WhenYaml


def named(key: str) -> Any:
    """A name stands for an object with that name and no condition."""

    def read(value: Any) -> Any:
        return {key: value} if isinstance(value, str) else value

    return read


def _each_named(key: str) -> Any:
    def read(value: Any) -> Any:
        items = value if isinstance(value, list) else [value]
        return [named(key)(item) for item in items]

    return read


Notify = Annotated[NotifyYaml, BeforeValidator(named("notice"), json_schema_input_type=Ident | NotifyYaml)]
Notifies = Annotated[
    list[NotifyYaml],
    BeforeValidator(_each_named("notice"), json_schema_input_type=Ident | NotifyYaml | list[Ident | NotifyYaml]),
]
Audiences = Annotated[
    list[Ident | AudienceYaml],
    BeforeValidator(
        lambda v: v if isinstance(v, list) else [v],
        json_schema_input_type=Ident | AudienceYaml | list[Ident | AudienceYaml],
    ),
]
