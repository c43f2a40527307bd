"""The schema of acts: what people may do to orders at the desk, by the API or by a link."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from service.workflows.schema_words import AttributeName, DataPath, Ident, Idents, Titles, YamlModel

# A role of the company's own people, or an audience that the pack lists under `parties`.
ActRole = Ident
Sets = Annotated[
    list[DataPath], Field(description="values of the act: eta, appointment, price, assignee, note, attributes.NAME")
]


class EntryYaml(YamlModel):
    """How one status is entered by hand: the button's title, who may, and the fields of the form."""

    title: Titles = {}
    roles: list[ActRole] = []
    sets: Annotated[Sets | None, Field(description="fields of its form; default: those of the act")] = None


def _entries(value: Any) -> Any:
    """A list of names stands for entries without further keys."""
    names = [value] if isinstance(value, str) else value
    return {name: {} for name in names} if isinstance(names, list) else value


class ActYaml(YamlModel):
    """An act for people of these roles; a supervisor may do all that an agent may, and an admin everything.

    A role may also be an audience of `parties`: its people may do it to their own orders.
    """

    roles: Annotated[list[ActRole], Field(min_length=1)] = ["agent"]
    title: Titles = {}
    in_: Annotated[
        Idents, Field(alias="in", description="statuses in which it is allowed; default: every open one")
    ] = []
    to: Annotated[
        dict[Ident, EntryYaml],
        BeforeValidator(_entries, json_schema_input_type=Idents | dict[Ident, EntryYaml]),
        Field(description="statuses that may be entered, or roles that may be assigned; default: all"),
    ] = {}
    sets: Sets = []
    lines: Annotated[AttributeName | None, Field(description="of a quote: the attribute with its lines")] = None
    people: Annotated[Idents, Field(description="of a new order: the audiences in its form")] = []
    prefix: Annotated[
        str | None, Field(pattern=r"^[A-Z][A-Z0-9]{0,9}$", description="of a new order: the prefix of its id")
    ] = None


class ChoiceYaml(YamlModel):
    """One of several meanings of a button: a status to enter, or a reason to report."""

    title: Titles
    to: Ident | None = None
    report: Annotated[Ident | None, Field(description="a reason, whose team is called")] = None


class LinkActYaml(YamlModel):
    """A button on the assignee's page, which is opened by a link."""

    title: Titles
    in_: Annotated[
        Idents, Field(alias="in", description="statuses in which it is allowed; default: every open one")
    ] = []
    to: Ident | None = None
    report: Annotated[Ident | None, Field(description="a reason, whose team is called")] = None
    needs: Annotated[list[DataPath], Field(description="required values")] = []
    sets: Sets = []
    choices: Annotated[dict[Ident, ChoiceYaml], Field(description="alternatives, in place of `to` and `report`")] = {}


class ActsYaml(YamlModel):
    """The acts; any other act is not allowed. `by_link`: by role of the assignee."""

    change_status: ActYaml | None = None
    assign: ActYaml | None = None
    note: ActYaml | None = None
    comment: ActYaml | None = None
    set_dates: ActYaml | None = None
    quote: ActYaml | None = None
    create: ActYaml | None = None
    by_link: dict[Ident, dict[Ident, LinkActYaml]] = {}


def acts_of(acts: ActsYaml) -> Iterator[tuple[str, ActYaml]]:
    """The declared acts of the desk and the API."""
    for name in ActsYaml.model_fields:
        if isinstance(act := getattr(acts, name), ActYaml):
            yield name, act


def link_acts_of(acts: ActsYaml) -> Iterator[tuple[str, str, LinkActYaml]]:
    """The buttons of the assignee's page: role, name and declaration."""
    for role, by_name in acts.by_link.items():
        for name, act in by_name.items():
            yield role, name, act


def choices_of(act: LinkActYaml) -> dict[str, ChoiceYaml]:
    """The meanings of a button; a single meaning is its own choice."""
    if act.choices:
        return act.choices
    return {"": ChoiceYaml(title=act.title, to=act.to, report=act.report)} if act.to or act.report else {}
