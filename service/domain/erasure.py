"""Forgetting a person: who and where goes, what is counted and timed stays."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import structs

from service.domain.address_keys import address_key
from service.domain.causes import PersonErased
from service.domain.draft import Draft
from service.domain.order import Order
from service.domain.persons import Assignee, Person
from service.domain.workflow import Workflow


def addresses_of(person: Person | Assignee) -> frozenset[str]:
    """Where a person can be reached, comparably written."""
    found = (person.phone, person.whatsapp, person.email)
    return frozenset(address_key(a) for a in found if a)


def reach_of(order: Order, addresses: frozenset[str]) -> frozenset[str]:
    """Every address, app tokens too, of the people in this order who have one of these."""
    everybody: list[Person | Assignee] = [p for people in order.recipients.values() for p in people]
    everybody += [order.assignee] if order.assignee else []
    theirs = [p for p in everybody if not addresses_of(p).isdisjoint(addresses)]
    tokens = {address_key(token) for p in theirs for token in p.push_tokens}
    return addresses.union(tokens, *(addresses_of(p) for p in theirs))


def erase(draft: Draft, cause: PersonErased) -> None:
    """Take these people out of the order, and free text and loose attributes with them."""
    order = draft.order

    def goes(person: Person | Assignee) -> bool:
        return cause.everybody or not addresses_of(person).isdisjoint(cause.addresses)

    recipients = {a: tuple(p for p in people if not goes(p)) for a, people in order.recipients.items()}
    assignee = order.assignee
    if assignee is not None and goes(assignee):
        assignee = Assignee(role=assignee.role, id=assignee.id)
    draft.set(
        recipients=recipients,
        assignee=assignee,
        previous_assignee="",
        note=None,
        attributes=_impersonal(draft.workflow, order.attributes),
        escalations={k: structs.replace(e, detail="", by="") for k, e in order.escalations.items()},
        links=order.links + 1,
    )
    draft.log("person_erased", draft.now)


def _impersonal(workflow: Workflow, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers, dates, and what the pack's clocks and measures go by."""
    needed = {m.path for c in workflow.clocks.values() for m in (c.when, c.unless, *(v.when for v in c.variants)) if m}
    needed |= {n.when.path for n in workflow.notices.values() if n.when}
    needed |= {measure.path for measure in workflow.measures.values()}
    return {k: v for k, v in attributes.items() if f"attributes.{k}" in needed or _is_plain(v)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).tzinfo is not None
        except ValueError:
            return False
    return isinstance(value, (bool, int, float))
