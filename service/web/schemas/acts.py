"""Acts on an order."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from service.domain.events import Appointment, AssigneeGiven, EventWarning, Note, PersonGiven, Price
from service.domain.json_object import JsonObject
from service.web.schemas.fields import Moment, Name
from service.web.schemas.lists import RowsOrder


class ActOrder(Struct, forbid_unknown_fields=True):
    """Something that the pack lets people do to an order (`acts` of the order says what, now).

    `version`: the order's, as it was when they looked: it is not done to an order that has changed since.
    """

    act: Name
    version: int | None = None
    status: Annotated[str, Meta(max_length=120)] = ""
    note: Note | UnsetType = UNSET
    assignee: AssigneeGiven | None | UnsetType = UNSET
    eta: Moment | None | UnsetType = UNSET
    appointment: Appointment | None | UnsetType = UNSET
    price: Price | None | UnsetType = UNSET
    attributes: JsonObject = {}
    recipients: dict[str, PersonGiven | list[PersonGiven] | None] | UnsetType = UNSET
    brand: Annotated[str, Meta(max_length=120)] | UnsetType = UNSET
    lists: dict[str, RowsOrder] = {}


class ActAnswer(Struct):
    """The order after it. `warnings`: what of it could not be used."""

    workflow: str
    order_id: str
    version: int
    status: str
    stage: str
    warnings: Sequence[EventWarning]
