"""The schema of replies: what customers may say or tap."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from service.workflows.schema_conditions import Given, WhenYaml
from service.workflows.schema_words import AttributeName, Ident, Idents, Titles, YamlModel, one_or_many

Words = Annotated[
    str, Field(max_length=200, description="a whole message; case, diacritics, blanks and emoji are ignored")
]


class MatchingActYaml(YamlModel):
    """The act with its values, which an agent confirms with one click when a reply asks for it."""

    act: Literal["change_status", "set_dates"] = "change_status"
    status: Annotated[Ident | None, Field(description="the status to enter, for change_status")] = None
    attributes: dict[AttributeName, Given] = {}


class ReplyYaml(YamlModel):
    """A reply: its words, the statuses in which it counts, and what it does.

    A word without a question mark does not match a message with one.
    """

    title: Titles
    in_: Annotated[
        Literal["any"] | Idents,
        Field(alias="in", description="the statuses in which it counts, or any; default: every open one"),
    ] = []
    when: Annotated[WhenYaml | None, Field(description="counts as this reply only if this holds")] = None
    audience: Idents = ["customer"]
    words: Annotated[
        dict[str, Annotated[list[Words], BeforeValidator(one_or_many)]], Field(description="by language")
    ] = {}
    choice: Annotated[Ident | None, Field(description="a choice, such as a rating: only one reply of it counts")] = None
    buttons: Annotated[bool, Field(description="offered on the tracking page")] = True
    publish: Annotated[bool, Field(description="published to the exchange replies, for the order system")] = True
    escalate: Annotated[Ident | None, Field(description="a reason")] = None
    notify: Annotated[Ident | None, Field(description="a notice to its own audience")] = None
    answer: Annotated[Ident | None, Field(description="a notice with facts, to the person who replied")] = None
    too_late: Annotated[Ident | None, Field(description="a notice to people who reply when it no longer counts")] = None
    waits: Annotated[bool, Field(description="it also waits for an agent's answer")] = False
    act: Annotated[
        MatchingActYaml | None,
        Field(description="if no other system changes orders: it waits until an agent does this"),
    ] = None
    repeats: Annotated[
        bool, Field(description="counts each time; by default once while the order stays in a status")
    ] = False
