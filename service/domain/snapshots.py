"""The order as templates see it, taken when a notice is planned: never a secret."""

from collections.abc import Mapping
from typing import Any

from service.domain import link_acts
from service.domain.notices import Snapshot
from service.domain.order import ASSIGNEE, Order
from service.domain.persons import Person
from service.domain.workflow import Workflow


def snapshot(
    order: Order, workflow: Workflow, asked: Mapping[str, Any] | None = None, withheld: tuple[str, ...] = ()
) -> Snapshot:
    """The order as templates see it. `asked`: what an agent filled in; `withheld`: replies that mean nothing now."""
    assignee = order.assignee
    return Snapshot(
        order_id=order.reference,
        status=order.status,
        stage=order.stage,
        assignee={"name": assignee.name, "role": assignee.role, "phone": assignee.phone or ""} if assignee else None,
        previous_assignee=order.previous_assignee,
        eta=order.eta,
        appointment=order.appointment,
        price={"amount": order.price.amount, "currency": order.price.currency} if order.price else None,
        payment=order.payment,
        note=order.note.text if order.note and order.note.public else "",
        attributes=order.attributes,
        asked=asked or {},
        brand=order.brand,
        withheld=withheld,
        lists=order.lists,
        attachments=order.note.attachments if order.note and order.note.public else (),
        parent=order.parent.reference if order.parent else "",
        parts=order.parts,
        people={audience: people[0].name for audience, people in order.recipients.items() if people},
        contacts={
            audience: _contact(people[0]) for audience in workflow.contacts if (people := order.people(audience))
        },
        handlers=_handlers(order, workflow),
    )


def _handlers(order: Order, workflow: Workflow) -> dict[str, str]:
    """Under which audiences a notice reaches whoever handles the order, and their id, where they have a page."""
    if order.assignee is None or not link_acts.has_page(workflow, order.assignee.role):
        return {}
    return {a: order.assignee.id for a in (order.assignee.role, ASSIGNEE) if not order.recipients.get(a)}


def _contact(person: Person) -> dict[str, str]:
    return {"name": person.name, "phone": person.phone or "", "email": person.email or ""}
