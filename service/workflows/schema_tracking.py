"""The schema of the tracking page: support contacts, the assignee, and what each status means to the reader."""

from typing import Annotated, Literal

from pydantic import Field

from service.workflows.schema_words import Ident, Titles, YamlModel


class SupportYaml(YamlModel):
    """The support contacts; those left out are not shown."""

    phone: Annotated[str, Field(pattern=r"^$|^\+[0-9 ]{6,20}$", description="E.164, blanks allowed")] = ""
    email: Annotated[str, Field(pattern=r"^$|^[^@\s]+@[^@\s]+$")] = ""
    hours: Titles = {}


class TrackingYaml(YamlModel):
    """The tracking page."""

    support: SupportYaml = SupportYaml()
    assignee: Annotated[
        Literal["name", "masked", "contact", "hidden"], Field(description="how much of the assignee is shown")
    ] = "masked"
    says: Annotated[dict[Ident, Titles], Field(description="by status: what it means to the customer")] = {}
