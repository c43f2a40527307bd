"""What people may do to orders themselves, at the desk, by the API or by a link, as a pack says it."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from service.workflows.schema_words import AttributeName, DataPath, Ident, Idents, Titles, YamlModel

# Of the company's own people, or an audience that the pack names under `parties`.
ActRole = Ident
Sets = Annotated[
    list[DataPath], Field(description="what may be given: eta, appointment, price, assignee, note, attributes.NAME")
]


class EntryYaml(YamlModel):
    """How one status is entered by hand: what the button says, who may, and what its form asks for."""

    title: Titles = {}
    roles: list[ActRole] = []
    sets: Annotated[Sets | None, Field(description="what its form asks for; else what the act sets")] = None


def _entries(value: Any) -> Any:
    """A list of names is one of entries without a word about them."""
    names = [value] if isinstance(value, str) else value
    return {name: {} for name in names} if isinstance(names, list) else value


class ActYaml(YamlModel):
    """Something that people of these roles may do; a supervisor may whatever an agent may, and an admin all of it.

    A role may also be an audience of `parties`: its people may do it to their own orders.
    """

    roles: Annotated[list[ActRole], Field(min_length=1)] = ["agent"]
    title: Titles = {}
    in_: Annotated[Idents, Field(alias="in", description="in which statuses; else in every open one")] = []
    to: Annotated[
        dict[Ident, EntryYaml],
        BeforeValidator(_entries, json_schema_input_type=Idents | dict[Ident, EntryYaml]),
        Field(description="which statuses may be entered by hand, or which roles assigned; else all"),
    ] = {}
    sets: Sets = []
    lines: Annotated[AttributeName | None, Field(description="of a quote: the attribute that holds its lines")] = None
    people: Annotated[Idents, Field(description="of a new order: the audiences that its form asks for")] = []
    prefix: Annotated[
        str | None, Field(pattern=r"^[A-Z][A-Z0-9]{0,9}$", description="of a new order: how its id begins")
    ] = None


class ChoiceYaml(YamlModel):
    """One of several things that a button may mean: a status that is entered, or a reason that is reported."""

    title: Titles
    to: Ident | None = None
    report: Annotated[Ident | None, Field(description="a reason: its team is called")] = None


class LinkActYaml(YamlModel):
    """A button on the page of whoever handles the order, which they open by a link."""

    title: Titles
    in_: Annotated[Idents, Field(alias="in", description="in which statuses; else in every open one")] = []
    to: Ident | None = None
    report: Annotated[Ident | None, Field(description="a reason: its team is called")] = None
    needs: Annotated[list[DataPath], Field(description="what must be given")] = []
    sets: Sets = []
    choices: Annotated[dict[Ident, ChoiceYaml], Field(description="in place of `to` and `report`: one of these")] = {}


class ActsYaml(YamlModel):
    """By act; what is not named here nobody may do by hand. `by_link`: by role of whoever handles the order."""

    change_status: ActYaml | None = None
    assign: ActYaml | None = None
    note: ActYaml | None = None
    comment: ActYaml | None = None
    set_dates: ActYaml | None = None
    quote: ActYaml | None = None
    create: ActYaml | None = None
    by_link: dict[Ident, dict[Ident, LinkActYaml]] = {}


def acts_of(acts: ActsYaml) -> Iterator[tuple[str, ActYaml]]:
    """Those of the desk and the API that the pack names."""
    for name in ActsYaml.model_fields:
        if isinstance(act := getattr(acts, name), ActYaml):
            yield name, act


def link_acts_of(acts: ActsYaml) -> Iterator[tuple[str, str, LinkActYaml]]:
    """The buttons of the page: role, name, and what the pack says of it."""
    for role, by_name in acts.by_link.items():
        for name, act in by_name.items():
            yield role, name, act


def choices_of(act: LinkActYaml) -> dict[str, ChoiceYaml]:
    """What a button may mean; one that means one thing alone is its own choice."""
    if act.choices:
        return act.choices
    return {"": ChoiceYaml(title=act.title, to=act.to, report=act.report)} if act.to or act.report else {}
