"""Guards against toll fraud: which countries may be written to, and how often a number, a prefix, anybody."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import phonenumbers
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from service.keyring import Keyring
from service.ledger.claims import Claimed
from service.ledger.tables_admin import send_counts
from service.ledger.upsert import dialect_insert

PHONE_CHANNELS: Final = ("sms", "whatsapp")
PREFIX_DIGITS: Final = 7
# E.164: a plus, no leading zero, at most 15 digits.
_E164 = re.compile(r"^\+[1-9]\d{6,14}$")


class Limits(Struct, frozen=True):
    """0 and an empty tuple mean: no limit. Caps count a day in UTC."""

    countries: tuple[str, ...] = ()
    per_number: int = 0
    per_prefix: int = 0
    in_all: int = 0


def refuse_address(address: str, limits: Limits) -> str:
    """Why this number is never written to; empty when it may be."""
    if not _E164.match(address):
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


async def over_cap(
    connection: AsyncConnection, keyring: Keyring, claimed: Sequence[Claimed], limits: Limits, now: datetime
) -> dict[UUID, str]:
    """Count these sends; those that are over a cap, and which."""
    caps = [("number", limits.per_number), ("prefix", limits.per_prefix), ("all", limits.in_all)]
    wanted = [(name, cap) for name, cap in caps if cap]
    over: dict[UUID, str] = {}
    for c in claimed if wanted else ():
        address = c.notification.address
        values = {"number": address, "prefix": address[: 1 + PREFIX_DIGITS], "all": ""}
        for name, cap in wanted:
            scope = keyring.digest("cap", c.notification.channel, name, values[name])
            if await _count(connection, scope, now) > cap:
                over[c.notification.id] = f"the cap of {cap} a day for this {name if name != 'all' else 'channel'}"
    return over


async def _count(connection: AsyncConnection, scope: bytes, now: datetime) -> int:
    insert = dialect_insert(connection)
    statement = (
        insert(send_counts)
        .values(scope=scope, day=f"{now:%Y-%m-%d}", n=1)
        .on_conflict_do_update(index_elements=["scope", "day"], set_={"n": send_counts.c.n + 1})
        .returning(send_counts.c.n)
    )
    counted: int = (await connection.execute(statement)).scalar_one()
    return counted
