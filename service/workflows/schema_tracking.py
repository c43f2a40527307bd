"""What a pack says of the customer's page: whom to ask for help, who comes, what each status means to the reader."""

from typing import Annotated, Literal

from pydantic import Field

from service.workflows.schema_words import Ident, Titles, YamlModel


class SupportYaml(YamlModel):
    """Whom customers reach when they need help; what is left out is not shown."""

    phone: Annotated[str, Field(pattern=r"^$|^\+[0-9 ]{6,20}$", description="E.164, blanks allowed")] = ""
    email: Annotated[str, Field(pattern=r"^$|^[^@\s]+@[^@\s]+$")] = ""
    hours: Titles = {}


class TrackingYaml(YamlModel):
    """The customer's page."""

    support: SupportYaml = SupportYaml()
    assignee: Annotated[
        Literal["name", "masked", "contact", "hidden"], Field(description="how much is shown of whoever comes")
    ] = "masked"
    says: Annotated[
        dict[Ident, Titles], Field(description="by status: what it means and what comes next, such as after a failure")
    ] = {}
