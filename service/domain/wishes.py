"""What an event says of persons that its pack cannot heed: told to its publisher, not simply ignored. Pure."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from typing import Final

from msgspec import UNSET

from service.domain.events import Data, EventWarning
from service.domain.order import ASSIGNEE, Order
from service.domain.people import as_list
from service.domain.readers import CHANNEL_ADDRESSES
from service.domain.unknown_fields import step
from service.domain.workflow import Workflow

CHANNELS: Final = (*CHANNEL_ADDRESSES, "push")


def unheeded(data: Data, workflow: Workflow, known: Order | None) -> Iterator[EventWarning]:
    """Channels and notices that there are not; audiences that are misspelt ones of the pack.

    An audience that this pack tells nothing and resembles none is no mistake: publishers name whoever takes part.
    """
    if data.recipients is UNSET:
        return
    told = {a for n in workflow.notices.values() for a in n.audiences}
    heard = told | {*workflow.stand_ins.values(), *workflow.contacts, *workflow.contact_from, ASSIGNEE}
    before = known.recipients if known else {}
    for audience, said in data.recipients.items():
        where = step("data.recipients", audience)
        if audience not in heard and audience not in before and (near := _near(audience, told)):
            yield EventWarning(where, f"no notice of {workflow.name} is told to them{near}")
        for person in as_list(said):
            for name in person.channels or ():
                if name not in CHANNELS:
                    yield EventWarning(f"{where}.channels", f"there is no such channel{_near(name, CHANNELS)}")
            for name in person.muted or ():
                if name not in workflow.notices:
                    yield EventWarning(f"{where}.muted", f"there is no such notice{_near(name, workflow.notices)}")


def _near(name: str, known: Collection[str]) -> str:
    found = get_close_matches(name, known, 1)
    return f"; did you mean {found[0]!r}?" if found else ""
