"""The schema of replies: what customers may say or tap."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from service.workflows.schema_conditions import Given, WhenYaml
from service.workflows.schema_words import AttributeName, Ident, Idents, Titles, YamlModel, one_or_many

Words = Annotated[str, Field(max_length=200, description="a whole message; case, marks, blanks and emoji do not count")]


class MatchingActYaml(YamlModel):
    """The act with its values, which an agent confirms with one click when a reply asks for it."""

    act: Literal["change_status", "set_dates"] = "change_status"
    status: Annotated[Ident | None, Field(description="the one that is entered, by change_status")] = None
    attributes: dict[AttributeName, Given] = {}


class ReplyYaml(YamlModel):
    """A reply: its words, the statuses in which it counts, and what it does.

    A word without a question mark does not match a message with one.
    """

    title: Titles
    in_: Annotated[
        Literal["any"] | Idents, Field(alias="in", description="where it counts: statuses, or any; else every open one")
    ] = []
    when: Annotated[WhenYaml | None, Field(description="it is this reply only while this holds")] = None
    audience: Idents = ["customer"]
    words: Annotated[
        dict[str, Annotated[list[Words], BeforeValidator(one_or_many)]], Field(description="by language")
    ] = {}
    choice: Annotated[Ident | None, Field(description="of replies of one choice, such as a rating, one counts")] = None
    buttons: Annotated[bool, Field(description="offered on the tracking page")] = True
    publish: Annotated[bool, Field(description="told to the exchange replies, where the order system decides")] = True
    escalate: Annotated[Ident | None, Field(description="a reason")] = None
    notify: Annotated[Ident | None, Field(description="a notice that is told to its own readers")] = None
    answer: Annotated[Ident | None, Field(description="a notice of facts, told to whoever replied, there")] = None
    too_late: Annotated[Ident | None, Field(description="a notice to whoever says it when it counts no more")] = None
    waits: Annotated[bool, Field(description="a person answers, too")] = False
    act: Annotated[
        MatchingActYaml | None, Field(description="where no system moves orders: it waits until an agent does this")
    ] = None
    repeats: Annotated[bool, Field(description="counts each time; others once while the order stays in a status")] = (
        False
    )
