"""The schema of parties: what their people see of their orders."""

from typing import Annotated

from pydantic import Field

from service.workflows.schema_words import DataPath, Idents, YamlModel


class PartyYaml(YamlModel):
    """People with keys or accounts limited to the orders of one party of this audience, such as `provider:v-9`."""

    sees: Annotated[
        list[DataPath],
        Field(description="values besides their own: customer.phone, customer, price, payment, attributes.NAME"),
    ] = []
    to_do: Annotated[
        Idents,
        Field(
            description="statuses in which an order waits for them; default: those in which they may change the status"
        ),
    ] = []
