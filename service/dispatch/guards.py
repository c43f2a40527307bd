"""Guards against toll fraud: allowed countries, and caps per number, per prefix and in all."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import phonenumbers
import structlog
from msgspec import Struct

from service.channels import registry
from service.domain.address_keys import address_key
from service.keyring import Keyring
from service.ledger.database.transaction import Transaction
from service.ledger.messages import caps
from service.ledger.messages.cap_incidents import NearCap
from service.ledger.messages.caps import Cap, Reservation
from service.ledger.messages.claims import ClaimedMessage
from service.telemetry import metrics

log = structlog.get_logger(__name__)

PREFIX_DIGITS: Final = 7
# E.164: a plus, no leading zero, at most 15 digits.
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class SendLimits(Struct, frozen=True):
    """The limits; 0 and an empty tuple mean none. Caps are per day (UTC)."""

    countries: tuple[str, ...] = ()
    per_number: int = 0
    per_prefix: int = 0
    in_all: int = 0

    @property
    def are_counted(self) -> bool:
        """Whether a day's messages are counted."""
        return bool(self.per_number or self.per_prefix or self.in_all)


def refuse_address(address: str, limits: SendLimits) -> str:
    """Why nothing may be sent to this number; empty when it may."""
    if not _E164.fullmatch(address):
        return "not a phone number in international form (+ and digits)"
    if not limits.countries:
        return ""
    try:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(address))
    except phonenumbers.NumberParseException:
        region = None
    if region in limits.countries:
        return ""
    return f"numbers of {region or 'an unknown country'} are not in ALLOWED_COUNTRIES"


class CapReservations(Struct, frozen=True):
    """The places that sends get under the caps; those over a cap, and which; those that wait for a place."""

    taken: Mapping[UUID, Reservation] = {}
    over: Mapping[UUID, str] = {}
    later: Sequence[UUID] = ()

    def refuses(self, message_id: UUID) -> bool:
        """Whether this one must not be sent now."""
        return message_id in self.over or message_id in self.later


async def reserve(
    tx: Transaction, sends: Sequence[ClaimedMessage], limits: SendLimits, now: datetime
) -> CapReservations:
    """Take places for these sends, in the transaction that begins them; in their order, as far as there are any.

    A message waits while the places it lacks are held by sends that are not settled: these may be turned away yet.
    """
    caps_of = {c.message.id: _caps_of(c, tx.keyring, limits) for c in sends}
    if not any(caps_of.values()):
        return CapReservations()
    used = await caps.lock(tx, (cap.scope for wanted in caps_of.values() for cap in wanted), now)
    before = dict(used)
    taken: dict[UUID, Reservation] = {}
    over: dict[UUID, str] = {}
    later: list[UUID] = []
    for c in sends:
        n, wanted = c.message, caps_of[c.message.id]
        found = {cap: caps.place(cap.most, used[cap.scope], is_code=n.secret) for cap in wanted}
        if exceeded := next((cap for cap, place in found.items() if place == "over"), None):
            over[n.id] = _over(exceeded, is_code=n.secret)
        elif "later" in found.values():
            later.append(n.id)
        elif wanted:
            taken[n.id] = Reservation(caps.day_of(now), tuple(cap.scope for cap in wanted), n.secret)
            used |= {cap.scope: used[cap.scope].and_one_more(is_code=n.secret) for cap in wanted}
    await caps.take(tx, taken.values())
    for c in sends:
        for cap in caps_of[c.message.id]:
            if not caps.is_near(cap.most, before[cap.scope].taken) and caps.is_near(cap.most, used[cap.scope].taken):
                await _warn(tx, c.message.channel, cap, now)
    return CapReservations(taken, over, later)


def _caps_of(c: ClaimedMessage, keyring: Keyring, limits: SendLimits) -> tuple[Cap, ...]:
    n = c.message
    every = (
        ("number", address_key(n.address), limits.per_number),
        ("prefix", n.address[: 1 + PREFIX_DIGITS], limits.per_prefix),
        ("all", "", limits.in_all),
    )
    return tuple(Cap(keyring.digest("cap", n.channel, name, of), name, most) for name, of, most in every if most)


def _over(cap: Cap, *, is_code: bool) -> str:
    of = cap.name if cap.name != "all" else "channel"
    kept = "" if is_code or cap.most < caps.SMALL else f", of which {caps.codes_own(cap.most)} are kept for codes"
    return f"the cap of {cap.most} a day for this {of}{kept}"


async def _warn(tx: Transaction, channel: str, cap: Cap, now: datetime) -> None:
    """Warn once a day for each cap of a channel that is nearly used up."""
    if await caps.is_first_today(tx, _near_mark(tx.keyring, channel, cap.name), now):
        log.warning("cap.near", channel=channel, cap=cap.name, a_day=cap.most, used="four fifths")
        metrics.caps_near.labels(channel, cap.name).inc()


def _near_mark(keyring: Keyring, channel: str, name: str) -> bytes:
    return keyring.digest("cap-near", channel, name)


async def near(tx: Transaction, limits: SendLimits, now: datetime) -> list[NearCap]:
    """The caps of which four fifths were used at some time today, by whichever process."""
    every = (("number", limits.per_number), ("prefix", limits.per_prefix), ("all", limits.in_all))
    found = {
        _near_mark(tx.keyring, channel, name): NearCap(channel, name, most)
        for channel, spec in registry.specs().items()
        if spec.is_dialled
        for name, most in every
        if most
    }
    marked = await caps.marked(tx, found, now) if found else set()
    return [cap for mark, cap in found.items() if mark in marked]
