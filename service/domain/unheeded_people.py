"""Warns a publisher of values in an event that its pack cannot use, instead of ignoring them silently. Pure."""

import re
from collections.abc import Collection, Iterator
from datetime import datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from msgspec import UNSET

from service.domain.events import Data, EventWarning, PersonGiven
from service.domain.order import ASSIGNEE, Order
from service.domain.people import as_list
from service.domain.unknown_fields import MOST, step
from service.domain.workflow import Workflow

# RFC 5646, "Tags for Identifying Languages", §2.1, and the underscore that many systems write.
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*([.@][A-Za-z0-9-]+)?")
# Attributes may have any name; only one that nearly matches a declared one counts as a misspelling.
_SLIP: Final = 0.8


def unheeded(data: Data, workflow: Workflow, known: Order | None, now: datetime) -> Iterator[EventWarning]:
    """Warnings about names that this pack does not know, and about unusable values."""
    yield from _of_persons(data, workflow, known)
    yield from _of_assignee(data, workflow)
    yield from _of_attributes(data, workflow)
    yield from _of_lists(data, workflow)
    if data.brand and data.brand not in workflow.brands:
        near = _near(data.brand[:100], workflow.brands)
        yield EventWarning("data.brand", f"{workflow.name} has no such brand{near}; the service's own is used")
    secrets = {n.secret for n in workflow.notices.values() if n.secret}
    for name in data.secrets.keys() - secrets:
        where = step("data.secrets", name)
        yield EventWarning(where, f"no notice of {workflow.name} tells it{_near(name, secrets)}")
    for name in data.secrets.keys() & secrets:
        if (expires := data.secrets[name].expires) and expires <= now:
            yield EventWarning(step("data.secrets", name) + ".expires", "is past, so that nobody is told it")
    appointment = data.appointment or None
    if appointment and appointment.end and appointment.end < appointment.start:
        yield EventWarning("data.appointment.end", "is before its start")


def _of_persons(data: Data, workflow: Workflow, known: Order | None) -> Iterator[EventWarning]:
    """Unknown channels, notices and languages; audiences that look like misspelt ones of the pack.

    An audience that resembles none of the pack's is no mistake: publishers may name everybody who takes part.
    """
    if data.recipients is UNSET:
        return
    audiences = _notified_audiences(workflow)
    addressed = audiences | {*workflow.audience_fallback.values(), *workflow.contacts, *workflow.contact_from, ASSIGNEE}
    before = known.recipients if known else {}
    for audience, people in data.recipients.items():
        where = step("data.recipients", audience)
        if audience not in addressed and audience not in before and (near := _near(audience, audiences)):
            yield EventWarning(where, f"no notice of {workflow.name} is told to them{near}")
        for person in as_list(people):
            yield from _of_person(person, workflow, where)


def _of_person(person: PersonGiven, workflow: Workflow, where: str) -> Iterator[EventWarning]:
    for name in person.channels or ():
        if name not in workflow.channels:
            yield EventWarning(f"{where}.channels", f"there is no such channel{_near(name, workflow.channels)}")
    for name in person.muted or ():
        if name not in workflow.notices:
            yield EventWarning(f"{where}.muted", f"there is no such notice{_near(name, workflow.notices)}")
    if person.locale and not _LANGUAGE.fullmatch(person.locale.strip()):
        yield EventWarning(f"{where}.locale", f"is no language, such as en-IN; {workflow.default_locale} is used")


def _of_assignee(data: Data, workflow: Workflow) -> Iterator[EventWarning]:
    """A role that looks like a misspelt one of the pack; any other is the publisher's own."""
    if not data.assignee:
        return
    named = {role for n in workflow.notices.values() for role in (n.on_assigned, n.on_assignee_change) if role}
    roles = (named | _notified_audiences(workflow)) - {ASSIGNEE}
    if data.assignee.role not in roles and (near := _near(data.assignee.role, roles)):
        yield EventWarning("data.assignee.role", f"{workflow.name} knows no such role{near}")


def _of_attributes(data: Data, workflow: Workflow) -> Iterator[EventWarning]:
    """Attributes that look like misspelt declared ones, if the event lacks those."""
    given = data.attributes or {}
    missing = tuple(name for name in workflow.attributes if name not in given)
    found = 0
    for name in given:
        if name in workflow.attributes or not (near := _slip(name, missing)):
            continue
        yield EventWarning(step("data.attributes", name), f"{workflow.name} declares no such attribute{near}")
        found += 1
        if found == MOST:
            return


def _of_lists(data: Data, workflow: Workflow) -> Iterator[EventWarning]:
    """Rows that still come as an attribute, although the pack has a list of that name."""
    for name in (data.attributes or {}).keys() & workflow.lists.keys():
        problem = f"is read as before; {workflow.name} has a list {name!r} by now: send data.lists.{name}.rows"
        yield EventWarning(f"data.attributes.{name}", problem)


def _notified_audiences(workflow: Workflow) -> set[str]:
    return {a for n in workflow.notices.values() for a in n.audiences}


@lru_cache(maxsize=2048)
def _slip(name: str, declared: tuple[str, ...]) -> str:
    return _near(name[:100], declared, _SLIP)


def _near(name: str, known: Collection[str], least: float = 0.6) -> str:
    found = get_close_matches(name, known, 1, least)
    return f"; did you mean {found[0]!r}?" if found else ""
