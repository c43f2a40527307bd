"""Acts among the events: published to other systems, and accepted only from our own desk, API and links."""

from typing import Final

from service.broker.port import ACTS
from service.domain.events import Event
from service.domain.order import Order
from service.domain.scopes import Scope, parties_in, parties_of
from service.intake.cloudevents import STRUCTURED
from service.intake.decoding import Incoming
from service.ledger.messages.outbox import OutboxMessage

DESK: Final = "/desk"
API: Final = "/api"
OUTSIDE: Final = "data.workflow: this order is not of those that you are limited to"
# The page that whoever handles an order opens by a link.
ASSIGNEE_PAGE: Final = "/assignee"
OURS: Final = (DESK, API, ASSIGNEE_PAGE)
STALE: Final = "version: the order has changed since; look at it again"


def refused_act(incoming: Incoming, event: Event, known: Order | None) -> str:
    """Why an event is refused before it is decided; empty where it is not.

    It forges an act of ours, is about an order outside of its sender's scope, or has a stale version.
    """
    if not _is_theirs(incoming.scope, event, known):
        return OUTSIDE
    if incoming.acted is None:
        if event.source in OURS:
            return f"source: {event.source!r} is Stagebell's own, for what people do at the desk, by its API or a link"
        return ""
    version = incoming.acted.version
    return STALE if version is not None and version != (known.entries if known else 0) else ""


def _is_theirs(scope: Scope, event: Event, known: Order | None) -> bool:
    """Whether the sender's scope includes this order. Scopes by team were checked before."""
    data = event.data
    if data.parent and not (scope.is_of_workflows and scope.has_workflow(data.parent.workflow)):
        return False
    return scope.has_workflow(data.workflow) and scope.has_people(parties_of(known) if known else parties_in(data))


def act_out(incoming: Incoming, event: Event) -> OutboxMessage:
    """The outgoing message of an act: the event as taken in; acts carry no secrets."""
    return OutboxMessage(ACTS, event.type, event.id, incoming.body, STRUCTURED)
