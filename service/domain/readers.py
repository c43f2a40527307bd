"""The readers of a notice: who is told, and at which addresses. For first, fallback and manual messages alike.

One notice, one channel, one address is one message, however many roles of the order that address has.
"""

import re
from collections.abc import Sequence
from datetime import time
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from service.domain.calendars import QuietHours
from service.domain.causes import OptOutChanged, PreferencesChanged
from service.domain.channels import ChannelSpec
from service.domain.conditions.judging import why_not as why_not_met
from service.domain.conditions.tree import Condition
from service.domain.draft import Draft
from service.domain.languages import region_of
from service.domain.notice_rules import Notice
from service.domain.notices import Message
from service.domain.order import Order
from service.domain.people import with_former, with_wishes
from service.domain.persons import Person
from service.domain.workflow import Workflow

# ISO 3166-1, alpha-2.
_COUNTRY: Final = re.compile("[A-Z]{2}")


class Reader(Struct, frozen=True, gc=False):
    """One address on one channel: the first role that it has, and everybody who is reached there.

    `address` is empty where the person has none on this channel; `instead_of`: the channel for which it stands in.
    """

    channel: str
    address: str
    audience: str
    index: int
    people: tuple[Person, ...] = ()
    instead_of: str = ""

    @property
    def name(self) -> str:
        """The name of the first of them."""
        return self.people[0].name if self.people else ""

    @property
    def locale(self) -> str | None:
        """The language that they ask for themselves."""
        for p in self.people:
            if language := p.language:
                return language
        return None

    @property
    def quiet(self) -> QuietHours | None:
        """The quiet hours that they chose themselves."""
        for p in self.people:
            if p.wishes and (own := p.wishes.quiet):
                return QuietHours(time.fromisoformat(own[0]), time.fromisoformat(own[1]))
        return None

    @property
    def region(self) -> str:
        """The region whose formats of numbers and times they use: that of their language, else their country."""
        if named := region_of(self.locale):
            return named
        countries = (p.country.upper() for p in self.people if p.country)
        return next((c for c in countries if _COUNTRY.fullmatch(c)), "")

    @property
    def timezone(self) -> str:
        """Their own time zone, if known."""
        for p in self.people:
            if p.timezone:
                return p.timezone
        return ""


class _Role(Struct, frozen=True, gc=False):
    audience: str
    index: int
    person: Person


def people_of(draft: Draft, audience: str) -> tuple[Person, ...]:
    """Everybody in `audience`; where nobody is known, everybody in its fallback audience."""
    people = draft.order.people(audience)
    stand_in = draft.workflow.audience_fallback.get(audience)
    return people or (draft.order.people(stand_in) if stand_in else ())


def audiences_at(order: Order, channel: ChannelSpec, address: str) -> str:
    """The roles of the reader at this address, separated by commas."""
    wanted = channel.place(address)
    roles = dict.fromkeys([*order.recipients, *([order.assignee.role] if order.assignee else [])])
    reached = [a for a in roles if any(wanted in places(p, channel) for p in order.people(a))]
    return ", ".join(reached)


def say_opt_out(draft: Draft, cause: OptOutChanged) -> None:
    """Log the opt-out in the order's timeline, so that nobody waits for an answer to a message that never went out."""
    audiences = audiences_at(draft.order, draft.workflow.channel(cause.channel), cause.address)
    draft.log("opted_in" if cause.lifted else "opted_out", channel=cause.channel, audience=audiences, why=cause.why)


def keep_wishes(draft: Draft, chosen: PreferencesChanged) -> None:
    """Apply what somebody chose on their preference page to everybody of the order with one of their addresses."""
    wishes = dict.fromkeys(chosen.addresses, chosen.wishes)
    draft.set(recipients=with_wishes(draft.order.recipients, wishes))
    draft.log("preferences_changed", channel=", ".join(chosen.wishes.channels))


def drop_address(draft: Draft, n: Message) -> None:
    """Remove a push token, or an address of a channel's own, that the provider reported as gone.

    Phone numbers and mail addresses are changed by the publisher only.
    """
    channel = draft.workflow.channel(n.channel)
    if channel.field not in ("push_tokens", ""):
        return
    people = tuple(_without(p, channel, n.address) for p in draft.order.recipients.get(n.audience, ()))
    draft.set(recipients={**draft.order.recipients, n.audience: people})
    if channel.field:
        draft.log("push_token_dropped", audience=n.audience, why="the app is no longer registered under it")
    else:
        draft.log("address_dropped", channel=n.channel, audience=n.audience, why="nobody is reached under it any more")


def _without(person: Person, channel: ChannelSpec, address: str) -> Person:
    kept = tuple(a for a in channel.addresses(person) if a != address)
    if channel.field:
        return replace(person, push_tokens=kept)
    own = {c: a for c, a in {**person.addresses, channel.name: kept}.items() if a}
    return with_former(person, replace(person, addresses=own))


def places(person: Person, channel: ChannelSpec) -> set[tuple[str, str]]:
    """The keys of a person's addresses on a channel."""
    return {channel.place(a) for a in channel.addresses(person)}


def readers_of(draft: Draft, notice: Notice, only: Sequence[str] = ()) -> list[Reader]:
    """The readers of the notice; where somebody has no address on a channel, its fallback is tried at once.

    `only`: the channels that an agent chose. Audiences and channels whose condition does not hold are left out, with a
    line in the timeline.
    """
    found: list[Reader] = []
    workflow = draft.workflow
    channels = only or [c for c in notice.channels if is_in(draft, notice, notice.channel_when.get(c), channel=c)]
    for audience in notice.audiences if channels else ():
        if not is_in(draft, notice, notice.audience_when.get(audience), audience=audience):
            continue
        people = people_of(draft, audience)
        if not people:
            found += [Reader(channel, "", audience, 0) for channel in channels]
        for index, person in enumerate(people):
            role = _Role(audience, index, person)
            for channel in channels:
                found += _readers_of_role(workflow, role, channel, only or notice.channels)
    return together(workflow, found)


def is_in(draft: Draft, notice: Notice, when: Condition | None, *, channel: str = "", audience: str = "") -> bool:
    """Whether the condition of this audience or channel holds now; the timeline says why not."""
    if when is None:
        return True
    why = why_not_met(when, draft.situation(notice.name))
    if why:
        draft.log("notice_skipped", notice=notice.name, channel=channel, audience=audience, why=why)
    return not why


def _readers_of_role(workflow: Workflow, role: _Role, channel: str, channels: Sequence[str]) -> list[Reader]:
    if reached := _on(workflow, channel, role):
        return reached
    other = next_channel(workflow, role.person, channel)
    nowhere = Reader(channel, "", role.audience, role.index, (role.person,))
    return [nowhere, *(_on(workflow, other, role, channel) if other and other not in channels else ())]


def _on(workflow: Workflow, channel: str, role: _Role, instead_of: str = "") -> list[Reader]:
    return reached_on(workflow, channel, role.audience, role.index, role.person, instead_of)


def reached_on(
    workflow: Workflow, channel: str, audience: str, index: int, person: Person, instead_of: str = ""
) -> list[Reader]:
    """The addresses at which a channel reaches this person of an audience."""
    return [
        Reader(channel, address, audience, index, (person,), instead_of)
        for address in workflow.channel(channel).addresses(person)
    ]


def next_channel(workflow: Workflow, person: Person, channel: str) -> str | None:
    """The first fallback of a channel on which the person has an address; None where there is none."""
    tried = {channel}
    while (channel := workflow.fallback.get(channel, "")) and channel not in tried:
        if workflow.channel(channel).addresses(person):
            return channel
        tried.add(channel)
    return None


def together(workflow: Workflow, readers: Sequence[Reader]) -> list[Reader]:
    """One reader for each address of a channel: with the first of its roles, and the people of all of them."""
    if len(readers) == 1:
        return [*readers]
    found: dict[object, Reader] = {}
    for reader in readers:
        nowhere = (reader.channel, reader.audience, reader.index)
        key = workflow.channel(reader.channel).place(reader.address) if reader.address else nowhere
        first = found.get(key)
        found[key] = reader if first is None else replace(first, people=(*first.people, *reader.people))
    return list(found.values())


def behind(draft: Draft, notice: Notice, n: Message) -> list[Reader]:
    """The readers of a message that did not arrive, by their fallback channels; empty where they have none."""
    found: list[Reader] = []
    for role in _readers_before(draft, notice, n):
        if other := next_channel(draft.workflow, role.person, n.channel):
            found += _on(draft.workflow, other, role, n.channel)
    return together(draft.workflow, found)


def on_channel(draft: Draft, notice: Notice, n: Message, channel: str) -> list[Reader]:
    """The readers of a message, by this channel; empty where none of them has an address on it."""
    found = [r for role in _readers_before(draft, notice, n) for r in _on(draft.workflow, channel, role)]
    return together(draft.workflow, found)


def _readers_before(draft: Draft, notice: Notice, n: Message) -> list[_Role]:
    """The people whom the message was for, as the order knows them now."""
    channel = draft.workflow.channel(n.channel)
    wanted = channel.place(n.address)
    roles = [_Role(a, i, p) for a in notice.audiences or (n.audience,) for i, p in enumerate(people_of(draft, a))]
    theirs = [r for r in roles if wanted in places(r.person, channel)]
    if not theirs:
        # Their address has changed or was removed since.
        theirs = [r for r in roles if (r.audience, r.index, r.person.name) == (n.audience, n.person, n.name)]
    return theirs
