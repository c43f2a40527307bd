"""The schema of parties: what their people see of their orders."""

from typing import Annotated

from pydantic import Field

from service.workflows.schema_words import DataPath, Idents, YamlModel


class PartyYaml(YamlModel):
    """People with keys or accounts limited to the orders of one party of this audience, such as `provider:v-9`."""

    sees: Annotated[
        list[DataPath],
        Field(description="beside their own: customer.phone, customer, price, payment, attributes.NAME; else masked"),
    ] = []
    to_do: Annotated[
        Idents, Field(description="in which statuses an order waits for them; else where they may change the status")
    ] = []
