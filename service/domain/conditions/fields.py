"""The fields of every order that conditions can use, with their types; attributes are declared by the pack."""

from collections.abc import Mapping
from typing import Final

from service.domain.attributes import Attribute, AttributeType
from service.domain.persons import Assignee

FIELDS: Final[Mapping[str, AttributeType]] = {
    "status": "text",
    "stage": "text",
    "brand": "text",
    "created": "datetime",
    "status_since": "datetime",
    "visits": "number",
    "eta": "datetime",
    "appointment": "any",
    "appointment.start": "datetime",
    "appointment.end": "datetime",
    "price": "money",
    "price.amount": "number",
    "price.currency": "text",
    "payment": "any",
    "payment.verified": "boolean",
    "payment.reference": "text",
    "assignee": "any",
    "assignee.role": "text",
    "assignee.id": "text",
    "assignee.name": "text",
    "previous_assignee": "text",
    "note": "any",
    "note.text": "text",
    "note.public": "boolean",
    "parent": "any",
    "parent.workflow": "text",
    "parts": "list",
    "parts.next_eta": "datetime",
    "parts.last_eta": "datetime",
}
# With one more step: people by audience, how often each status was entered, how many parts are in a status or stage
# (or `open`), and what events bring besides.
OPEN: Final[Mapping[str, AttributeType]] = {
    "recipients": "list",
    "entered": "number",
    "parts": "number",
    "attributes": "any",
}
# Of a list: its number of rows, and how many came with the last event that added any.
OF_LISTS: Final = ("count", "added")


def type_at(path: str, declared: Mapping[str, Attribute]) -> AttributeType | None:
    """The type of the value at `path`; None for an unknown path. Below an attribute it may be anything."""
    if path in FIELDS:
        return FIELDS[path]
    first, _, rest = path.partition(".")
    if first == "lists":
        return "number" if rest.partition(".")[2] in OF_LISTS else None
    if first not in OPEN or not rest:
        return None
    name, _, below = rest.partition(".")
    if first != "attributes":
        return None if below else OPEN[first]
    return declared[name].type if name in declared and not below else "any"


def is_known(path: str) -> bool:
    """Whether an order may have a value at `path`; below an attribute or a list any path is allowed."""
    head, _, rest = path.partition(".")
    return (
        type_at(path, {}) is not None or (head == "assignee" and rest in Assignee.__struct_fields__) or head == "lists"
    )
