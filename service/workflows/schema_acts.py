"""What people may do to orders themselves, at the desk or by the API, as a pack says it."""

from typing import Annotated

from pydantic import Field

from service.workflows.schema_words import DataPath, Ident, Idents, Part

# Of the company's own people, or an audience that the pack names under `parties`.
ActRole = Ident


class ActYaml(Part):
    """Something that people of these roles may do; a supervisor may whatever an agent may, and an admin all of it.

    A role may also be an audience of `parties`: its people may do it to their own orders.
    """

    roles: Annotated[list[ActRole], Field(min_length=1)] = ["agent"]
    in_: Annotated[Idents, Field(alias="in", description="in which statuses; else in every open one")] = []
    to: Annotated[
        list[Ident],
        Field(description="which statuses may be entered by hand, or which roles assigned; else all"),
    ] = []
    sets: Annotated[
        list[DataPath], Field(description="what may be given with it: eta, appointment, price, attributes.NAME")
    ] = []


class ActsYaml(Part):
    """By act; what is not named here nobody may do by hand."""

    change_status: ActYaml | None = None
    assign: ActYaml | None = None
    note: ActYaml | None = None
    comment: ActYaml | None = None
    set_dates: ActYaml | None = None
    quote: ActYaml | None = None
    create: ActYaml | None = None
