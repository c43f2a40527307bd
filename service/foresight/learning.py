"""Learns scenarios from recorded orders: sequences of statuses with their durations, without personal data.

Each recorded order becomes a scenario of the pack's `demo` section, from which simulated orders are drawn. Of
attributes only declared ones that are not personal are used.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import UNSET, structs

from service.domain.causes import EventReceived
from service.domain.events import EventData, IssueReportedData, StatusChangedData
from service.domain.json_object import JsonObject
from service.domain.people import as_list
from service.domain.workflow import Workflow
from service.ledger.database.transaction import Transaction
from service.ledger.orders.past import Past, orders_since, past_of

AT_MOST: Final = 5000
AT_ONCE: Final = 200
# People of simulated orders, unless the pack declares some.
_PEOPLE: Final[JsonObject] = {"customers": ["Customer"], "assignees": ["Assignee"], "role": "assignee"}


class NothingLearnt(Exception):
    """No recorded order to learn from."""


async def learn_scenarios(tx: Transaction, workflow: Workflow, since: datetime) -> Workflow:
    """The workflow with the recorded orders as its scenarios; raises NothingLearnt."""
    ids = await orders_since(tx, since, [workflow.name], AT_MOST)
    scenarios: list[JsonObject] = []
    locales: list[str] = []
    for first in range(0, len(ids), AT_ONCE):
        for past in await past_of(tx, ids[first : first + AT_ONCE]):
            if past.left_out or not (steps := list(_steps(past, workflow))):
                continue
            scenarios.append({"name": f"as recorded {len(scenarios)}", "steps": steps})
            locales += _locales(past)
    if not scenarios:
        raise NothingLearnt(f"no order of {workflow.name} is recorded from its beginning since {since:%Y-%m-%d}")
    zone = {"timezone": workflow.timezone, "locales": locales or [workflow.default_locale]}
    demo = {**_PEOPLE, **zone, **workflow.demo, "scenarios": scenarios}
    return structs.replace(workflow, demo={**demo, "locales": zone["locales"]})


def _events(past: Past) -> list[EventReceived]:
    events = [c.cause for c in past.causes if isinstance(c.cause, EventReceived)]
    # Simulated orders begin with a status. Events that arrived late keep their recorded sequence.
    return events if events and isinstance(events[0].event.data, StatusChangedData) else []


def _steps(past: Past, workflow: Workflow) -> Iterator[JsonObject]:
    before: datetime | None = None
    seen = ""
    for cause in _events(past):
        at, data = min(cause.event.time, cause.at), cause.event.data
        after = max(at - before, timedelta(0)) if before else timedelta(0)
        before = max(before, at) if before else at
        step: JsonObject = {"after": after, **_event_data(data, at, workflow)}
        if cause.at - at > timedelta(0):
            step["delayed"] = cause.at - at
        if data.assignee and data.assignee.id != seen:
            seen = data.assignee.id
            step["assignee"] = "new"
        if {"status", "issue", "note", "eta", "price", "assignee", "appointment", "attributes"} & step.keys():
            yield step


def _event_data(data: EventData, at: datetime, workflow: Workflow) -> JsonObject:
    fields: JsonObject = {}
    if isinstance(data, StatusChangedData):
        fields["status"] = data.status
    elif isinstance(data, IssueReportedData):
        fields["issue"] = data.issue.reason
    if data.note is not None and "status" not in fields:
        fields["note"] = {"text": "a note", "public": data.note.public}
    if data.eta and data.eta > at:
        fields["eta"] = data.eta - at
    if data.appointment and data.appointment.start > at:
        lasts = (data.appointment.end or data.appointment.start) - data.appointment.start
        fields["appointment"] = {"after": data.appointment.start - at, "lasts": lasts}
    if data.price and "price" in workflow.demo:
        fields["price"] = True
    if data.payment and data.payment.verified:
        fields["paid"] = True
    if data.secrets:
        fields["secrets"] = [*data.secrets]
    if data.attributes is not UNSET:
        declared = {n: a for n, a in workflow.attributes.items() if not a.personal}
        if kept := {n: v for n, v in data.attributes.items() if n in declared}:
            fields["attributes"] = kept
    return fields


def _locales(past: Past) -> Sequence[str]:
    """The languages of the order's people."""
    people = [p for c in _events(past) for given in (c.event.data.recipients or {}).values() for p in as_list(given)]
    return [p.locale for p in people if p.locale]
