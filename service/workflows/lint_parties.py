"""Finds mistakes in parties: roles of acts that nobody has, and paths that would show nothing."""

from collections.abc import Iterator
from typing import Final

from service.domain.acts import STAFF
from service.domain.party_rules import SEEN_OF_PEOPLE
from service.workflows.schema import audiences_of
from service.workflows.schema_acts import acts_of
from service.workflows.source import Finding, Source

ATTRIBUTES: Final = "attributes."
# Fields of the order that can be shown; status and dates are shown in any case.
OF_ORDER: Final = ("price", "payment")


def check(source: Source) -> Iterator[Finding]:
    """All problems of `parties`, and of acts that are for one."""
    y = source.yaml
    for name in y.parties:
        if name in STAFF:
            yield source.problem(("parties", name), f"{name!r} is a role of your own people, not an audience")
        for path in y.parties[name].sees:
            if problem := _problem(source, path):
                yield source.problem(("parties", name, "sees"), f"{name}: {problem}")
    for name, act in acts_of(y.acts):
        for role in (*act.roles, *(r for entry in act.to.values() for r in entry.roles)):
            if role not in STAFF and role not in y.parties:
                known = ", ".join([*STAFF, *y.parties])
                message = (
                    f"{name}: nobody has the role {role!r}; known are {known} (audiences are named under 'parties')"
                )
                yield source.problem(("acts", name, "roles"), message)


def _problem(source: Source, path: str) -> str:
    y = source.yaml
    if path.startswith(ATTRIBUTES):
        return "" if path.removeprefix(ATTRIBUTES) in y.attributes else f"no attribute is declared as {path!r}"
    if path in OF_ORDER:
        return ""
    audience, _, field = path.partition(".")
    notified = {a for n in y.notices.values() for a in audiences_of(n)}
    known = {*notified, *y.contacts, *y.parties, "assignee"}
    if audience not in known or (field and field not in SEEN_OF_PEOPLE):
        some = ", ".join(SEEN_OF_PEOPLE)
        return (
            f"{path!r} cannot be shown; known are {', '.join(OF_ORDER)}, attributes.NAME, and "
            f"{', '.join(sorted(known))} or one of their {some}"
        )
    return ""
