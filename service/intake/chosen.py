"""The preferences of the people of events, looked up per batch once any preferences exist."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec import UNSET

from service.canonical import spellings
from service.domain.address_keys import address_key
from service.domain.events import Event, PersonGiven
from service.domain.people import as_list
from service.domain.persons import Wishes
from service.domain.recorded import places_given
from service.ledger.database.transaction import Transaction
from service.ledger.people import preferences
from service.workflows.packs import Packs

# While nobody ever chose, it is looked again so often: other processes serve the page.
LOOK_AGAIN: Final = timedelta(seconds=2)


class ChosenWishes:
    """Of one process. Most installations have few such people, and an event's commit is to cost nothing for them."""

    def __init__(self, packs: Packs) -> None:
        self._packs = packs
        self._has_any = False
        self._looked: datetime | None = None

    async def of(self, tx: Transaction, events: Iterable[Event], now: datetime) -> Mapping[str, Wishes]:
        """By comparable address, what the people of these events chose."""
        if not await self._is_worth_it(tx, now):
            return {}
        addresses = {a for event in events for a in self._addresses(event)}
        return await preferences.wishes_of(tx, addresses) if addresses else {}

    async def _is_worth_it(self, tx: Transaction, now: datetime) -> bool:
        if not self._has_any and (self._looked is None or now - self._looked >= LOOK_AGAIN):
            self._has_any = await preferences.has_any(tx)
            self._looked = now
        return self._has_any

    def _addresses(self, event: Event) -> Iterator[str]:
        pack = self._packs.find(event.data.workflow)
        region = pack.workflow.region if pack else ""
        for person in _people(event):
            country = person.country if isinstance(person.country, str) else None
            for address in (person.phone, person.whatsapp, person.email):
                if isinstance(address, str) and address:
                    yield address_key(spellings(address, [c for c in (country, region) if c])[-1])


def theirs(event: Event, wishes: Mapping[str, Wishes]) -> dict[str, Wishes]:
    """Those of the event's own people."""
    if not wishes:
        return {}
    return {place: wishes[place] for p in _people(event) for place in places_given(p) if place in wishes}


def _people(event: Event) -> Iterator[PersonGiven]:
    recipients = event.data.recipients
    for people in recipients.values() if recipients is not UNSET and recipients else ():
        yield from as_list(people)
