"""Ladders: a notice goes by one rung of channels after the other, until it has reached its reader.

The first rung goes at once. The next is a clock of the order, one for each reader, which knows how far the notice has
come with them (`Clock.climb`): it goes when its time comes, or at once where nothing on the rung before it can be sent
or has arrived. Receipts move it on or end it, and calling off the notice ends it. Messages of a rung are subject to
the same checks as first messages.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from service.domain.channels import ChannelSpec
from service.domain.conditions.judging import why_not as why_not_met
from service.domain.draft import Draft
from service.domain.messages import message_to
from service.domain.notice_rules import Notice
from service.domain.notices import Message, PlannedNotice
from service.domain.order import Clock, ClockState
from service.domain.persons import Person
from service.domain.readers import Reader, is_in, people_of, places, reached_on, together
from service.domain.rungs import NOT_NEEDED, RANKS, Climb, Role, Rung, clock_of

# The message with the time before which it is not sent, where something besides its reader makes it wait.
Postpone = Callable[[Message], Message]
# States of a message that end its ladder: the notice is not told any more, by any channel.
_PULLED_BACK = frozenset({"superseded", "expired"})


def readers(draft: Draft, notice: Notice, but: frozenset[str]) -> list[tuple[Role, ...]]:
    """The readers of a notice on a ladder, each with all their roles: roles that share an address are one reader.

    `but`: readers with one of these addresses are left out.
    """
    found: list[tuple[set[tuple[str, str]], set[str], tuple[Role, ...]]] = []
    channels = [draft.workflow.channel(name) for name in notice.channels]
    for audience in notice.audiences:
        if not is_in(draft, notice, notice.audience_when.get(audience), audience=audience):
            continue
        for index, person in enumerate(people_of(draft, audience) or (Person(),)):
            here = _places(person, channels)
            theirs: tuple[Role, ...] = (Role(audience, index, person.name),)
            known = {address for channel in channels for address in channel.addresses(person)}
            for other in [o for o in found if not o[0].isdisjoint(here)]:
                found.remove(other)
                here, known, theirs = here | other[0], known | other[1], (*other[2], *theirs)
            found.append((here, known, theirs))
    return [theirs for _, known, theirs in found if known.isdisjoint(but)]


def _places(person: Person, channels: Sequence[ChannelSpec]) -> set[tuple[str, str]]:
    return {place for channel in channels for place in places(person, channel)}


def begin(
    draft: Draft, notice: Notice, planned: PlannedNotice, reader_roles: Sequence[tuple[Role, ...]], postponed: Postpone
) -> list[Message]:
    """Plan the first rung that reaches each of them. `postponed`: applies other reasons to wait."""
    found: list[Message] = []
    for roles in reader_roles:
        climb = Climb(
            notice.name, roles, planned.planned, planned.valid_until, planned.stage_rank, planned.supersedable
        )
        clock = Clock(draft.next_id(), clock_of(notice.name), draft.now, draft.now, notice_id=planned.id, climb=climb)
        found += _go_on(draft, notice, clock, climb, at_once=True, postponed=postponed)
    return found


def ring(draft: Draft, clock: Clock) -> None:
    """Go on to the next rung, whose time has come."""
    climb = clock.climb
    assert climb is not None
    notice = draft.workflow.notices.get(climb.notice)
    if why := _pulled_back(draft, climb):
        _end(draft, clock, "cancelled", why)
    elif notice is None or climb.rung >= len(notice.rungs):
        _end(draft, clock, "cancelled", "no longer in the pack")
    else:
        draft.more_messages += _go_on(draft, notice, clock, climb)


def _pulled_back(draft: Draft, climb: Climb) -> str:
    """Why the notice is stale, by the rules of `notices.before_sending`; empty when it is not."""
    if draft.now >= climb.valid_until:
        return "its time is over"
    passed_by = draft.workflow.stages[draft.order.stage].rank > climb.stage_rank
    if climb.supersedable and passed_by and draft.now - climb.planned > draft.workflow.grace:
        return "the order has moved on to a later stage"
    return ""


def arrived(draft: Draft, n: Message) -> None:
    """A message of a ladder arrived: drop the rungs that go only where it does not."""
    clock, climb = _found(draft, n)
    if clock is None or climb is None or climb.messages[n.id] >= RANKS[n.state]:
        return
    climb = replace(climb, messages={**climb.messages, n.id: RANKS[n.state]})
    notice = draft.workflow.notices.get(n.notice)
    left = notice.rungs[climb.rung :] if notice else ()
    # A message that was sent may still turn out undelivered.
    may_fail = climb.reached < RANKS["delivered"]
    if may_fail or any(rung.unless is None or RANKS[rung.unless] > climb.reached for rung in left):
        draft.put_clock(_key(clock), replace(clock, climb=climb))
        return
    why = f"{n.channel} was {n.state}"
    for number, rung in enumerate(left, climb.rung + 1):
        _log(draft, "rung_not_needed", climb, number, rung, why)
    _end(draft, clock, "met", why)


def fell(draft: Draft, n: Message) -> None:
    """A message of a ladder ended without arriving: if it was the last of its rung, the next rung goes now."""
    clock, climb = _found(draft, n)
    if clock is None or climb is None:
        return
    if n.state in _PULLED_BACK and n.id in climb.waits_for and n.error_code != NOT_NEEDED:
        _end(draft, clock, "cancelled", n.error)
        return
    goes_on = climb.waits_for == (n.id,) and n.error_code != NOT_NEEDED
    waits_for = tuple(m for m in climb.waits_for if m != n.id)
    climb = replace(climb, messages={**climb.messages, n.id: 0}, waits_for=waits_for)
    notice = draft.workflow.notices.get(n.notice)
    if not goes_on or notice is None:
        draft.put_clock(_key(clock), replace(clock, climb=climb))
    elif why := _pulled_back(draft, climb):
        _end(draft, clock, "cancelled", why)
    else:
        draft.more_messages += _go_on(draft, notice, clock, climb, at_once=True, why=_fate(n))


def _fate(n: Message) -> str:
    fate = f"{n.channel} was {n.state}" if n.state == "suppressed" else f"{n.channel} {n.state}"
    return f"{fate}: {n.error}" if n.error else fate


def is_climbed(draft: Draft, notice_id: UUID) -> bool:
    """Whether a later rung of this notice is still to come, or one is planned by this decision."""
    ahead = any(c.climb and c.notice_id == notice_id for c in draft.order.clocks.values())
    return ahead or any(n.notice_id == notice_id for n in draft.more_messages)


def end(draft: Draft, notice_id: UUID, why: str) -> None:
    """End the ladders of a notice that is called off."""
    for clock in list(draft.order.clocks.values()):
        if clock.climb and clock.notice_id == notice_id:
            _end(draft, clock, "cancelled", why)


def forget(draft: Draft, goes: Callable[[Person], bool], names: frozenset[str], *, everybody: bool) -> None:
    """End the ladders of people who are erased."""
    for clock in list(draft.order.clocks.values()):
        roles = clock.climb.roles if clock.climb else ()
        if roles and (everybody or any(r.name in names or any(map(goes, _now(draft, r))) for r in roles)):
            _end(draft, clock, "cancelled", "erased")


def _found(draft: Draft, n: Message) -> tuple[Clock, Climb] | tuple[None, None]:
    for clock in draft.order.clocks.values():
        if clock.climb and n.id in clock.climb.messages:
            return clock, clock.climb
    return None, None


def _go_on(
    draft: Draft,
    notice: Notice,
    clock: Clock,
    climb: Climb,
    *,
    at_once: bool = False,
    why: str = "",
    postponed: Postpone = lambda n: n,
) -> list[Message]:
    """Plan the next possible rung if its time has come, or `at_once`; and start the clock of the one after it.

    A rung by which nobody can be reached is followed by the next at once. A rung that is left out does not count.
    """
    found: list[Message] = []
    while climb.rung < len(notice.rungs):
        rung = notice.rungs[climb.rung]
        due = draft.now if at_once or climb.since is None else climb.since + rung.after
        if due > draft.now:
            _wait(draft, clock, climb, due)
            return found
        climb = replace(climb, rung=climb.rung + 1, waits_for=())
        if left_out := _left_out(draft, notice, climb, rung):
            _log(draft, *left_out)
            continue
        planned = [postponed(n) for n in _messages(draft, notice, clock, climb, rung)]
        found += planned
        going = [n for n in planned if n.state != "suppressed"]
        if not going:
            why, at_once = next((n.error for n in planned), "nobody is told by it"), True
            _log(draft, "rung_skipped", climb, climb.rung, rung, why)
            continue
        if climb.rung > 1:
            _log(draft, "rung_planned", climb, climb.rung, rung, why or _overdue(rung))
        ids, at_once, why = tuple(n.id for n in going), False, ""
        since = max(n.not_before for n in going)
        climb = replace(climb, since=since, messages={**climb.messages, **dict.fromkeys(ids, 0)}, waits_for=ids)
    if _key(clock) in draft.order.clocks:
        _end(draft, replace(clock, climb=climb), "met", "no rung is left")
    return found


def _overdue(rung: Rung) -> str:
    return f"not {rung.unless} in time" if rung.unless else "its time came"


def _left_out(draft: Draft, notice: Notice, climb: Climb, rung: Rung) -> tuple[str, Climb, int, Rung, str] | None:
    """The timeline line about a rung that is left out; None for one that is not."""
    if rung.unless and RANKS[rung.unless] <= climb.reached:
        return "rung_not_needed", climb, climb.rung, rung, f"it was {rung.unless} before"
    if rung.when and (why := why_not_met(rung.when, draft.situation(notice.name))):
        return "rung_left_out", climb, climb.rung, rung, why
    return None


def _messages(draft: Draft, notice: Notice, clock: Clock, climb: Climb, rung: Rung) -> Iterator[Message]:
    assert clock.notice_id is not None
    channels = [c for c in rung.channels if is_in(draft, notice, notice.channel_when.get(c), channel=c)]
    found: list[Reader] = []
    for role in climb.roles:
        people = _now(draft, role)
        for channel in channels:
            reached = [r for p in people for r in reached_on(draft.workflow, channel, role.audience, role.index, p)]
            found += reached or [Reader(channel, "", role.audience, role.index, people)]
    for reader in together(draft.workflow, found):
        yield message_to(draft, notice, clock.notice_id, reader, climb.valid_until, rung=climb.rung)


def _now(draft: Draft, role: Role) -> tuple[Person, ...]:
    """The person who has the role now, as events may have changed the audience: by name, else its only person."""
    people = people_of(draft, role.audience)
    here = people[role.index : role.index + 1]
    if here and here[0].name == role.name:
        return here
    return tuple(p for p in people if p.name == role.name)[:1] or (people if len(people) == 1 else ())


def _wait(draft: Draft, clock: Clock, climb: Climb, due: datetime) -> None:
    """Wait for the next rung, unless the notice expires before that."""
    if due < climb.valid_until:
        draft.put_clock(_key(clock), replace(clock, due=due, climb=climb))
    elif _key(clock) in draft.order.clocks:
        _end(draft, clock, "cancelled", "its time is over before the next rung")


def _end(draft: Draft, clock: Clock, state: ClockState, why: str) -> None:
    """End the ladder; a cancelled one gets a timeline line, as its rungs have theirs."""
    if state == "cancelled" and clock.climb:
        draft.log("ladder_ended", notice=clock.climb.notice, why=why)
    draft.drop_clock(_key(clock), replace(clock, state=state, stopped=draft.now, why=why, climb=None))


def _key(clock: Clock) -> str:
    return f"{clock.spec}#{clock.id}"


def _log(draft: Draft, kind: str, climb: Climb, number: int, rung: Rung, why: str) -> None:
    audience = ", ".join(dict.fromkeys(role.audience for role in climb.roles))
    channels = ", ".join(rung.channels)
    draft.log(kind, notice=climb.notice, rung=number, channel=channels, audience=audience, why=why)
