"""Reservations under daily caps: taken before a send, kept when it may have arrived, released otherwise.

A send's reservation is stored in its message's row, so that settling releases or keeps exactly that, in the
same transaction, whatever crashed in between; and on the day on which it was taken (UTC).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import select

from service.ledger.database.engine import padded
from service.ledger.database.sets import Rows, Writes, dialect_insert, insert_missing
from service.ledger.database.transaction import Transaction
from service.ledger.messages.tables import send_counts

CODES_SHARE: Final = 5
SMALL: Final = 5
Place = Literal["free", "later", "over"]


class Cap(Struct, frozen=True):
    """At most `most` messages a day within `scope` (a keyed digest). `name`: number, prefix or all."""

    scope: bytes
    name: str
    most: int


class Reservation(Struct, frozen=True, array_like=True):
    """The places that one send took."""

    day: str
    scopes: tuple[bytes, ...]
    is_code: bool


class Used(Struct, frozen=True):
    """Of one cap on one day: places taken, those of them whose send is not settled, and the codes among both."""

    taken: int = 0
    unsettled: int = 0
    codes: int = 0
    codes_unsettled: int = 0

    def and_one_more(self, *, is_code: bool) -> "Used":
        """With one more place taken by a send that begins now."""
        codes = int(is_code)
        return Used(self.taken + 1, self.unsettled + 1, self.codes + codes, self.codes_unsettled + codes)


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Reservation)


def encode(reservation: Reservation | None) -> bytes | None:
    """For the message's row; digests only, nothing personal."""
    return _encoder.encode(reservation) if reservation else None


def decode(kept: bytes | None) -> Reservation | None:
    """From the message's row."""
    return _decoder.decode(kept) if kept else None


def codes_own(most: int) -> int:
    """How many places of a cap only codes may take: a fifth, rounded up.

    A cap below 5 has no fifth to give away without closing the channel to everything else, so there it is on top:
    one code a day goes out although the others have used the cap up.
    """
    return -(-most // CODES_SHARE)


def place(most: int, used: Used, *, is_code: bool) -> Place:
    """Whether one more may be sent now: `later` while unsettled sends hold places that may become free."""
    if _fits(most, used.taken, used.codes, is_code=is_code):
        return "free"
    settled, codes = used.taken - used.unsettled, used.codes - used.codes_unsettled
    return "later" if _fits(most, settled, codes, is_code=is_code) else "over"


def _fits(most: int, taken: int, codes: int, *, is_code: bool) -> bool:
    if is_code:
        return taken < most or codes < codes_own(most)
    of_others = most if most < SMALL else most - codes_own(most)
    return taken < most and taken - codes < of_others


def is_near(most: int, taken: int) -> bool:
    """Whether 80 % is used, which is warned of before the cap stops messages."""
    return taken * CODES_SHARE >= most * (CODES_SHARE - 1)


async def lock(tx: Transaction, scopes: Iterable[bytes], now: datetime) -> dict[bytes, Used]:
    """What is used of these caps today, locked until the transaction ends."""
    day = day_of(now)
    ordered = padded(sorted(set(scopes)))
    await insert_missing(tx, send_counts, [{"scope": s, "day": day, "n": 0} for s in dict.fromkeys(ordered)])
    query = (
        select(send_counts)
        .where(send_counts.c.day == day, send_counts.c.scope.in_(ordered))
        .order_by(send_counts.c.scope)
        .with_for_update()
    )
    return {row.scope: Used(row.n, row.unsettled, row.codes, row.codes_unsettled) for row in await tx.execute(query)}


def day_of(now: datetime) -> str:
    """The day that a cap counts for (UTC)."""
    return f"{now:%Y-%m-%d}"


async def take(tx: Transaction, reservations: Iterable[Reservation]) -> None:
    """Count these places as taken; lock their caps first."""
    await _add(tx, [(r, 1, 1) for r in reservations])


class Settled(Struct, frozen=True):
    """The end of a reservation. `was_kept`: its send had been unanswered before, which counts as accepted."""

    reservation: Reservation
    is_free: bool
    was_kept: bool = False


async def settle(tx: Transaction, settled: Sequence[Settled]) -> None:
    """Keep these places, or give them back."""
    changes = [(s.reservation, -1 if s.is_free else 0, 0 if s.was_kept else -1) for s in settled]
    await _add(tx, [c for c in changes if c[1:] != (0, 0)])


async def _add(tx: Transaction, changes: Iterable[tuple[Reservation, int, int]]) -> None:
    sums: Counter[tuple[str, bytes, str]] = Counter()
    for reservation, taken, unsettled in changes:
        for scope in reservation.scopes:
            for column, by in (("taken", taken), ("unsettled", unsettled)):
                sums[reservation.day, scope, column] += by
                sums[reservation.day, scope, f"codes_{column}"] += by if reservation.is_code else 0
    # In the order in which everybody locks them.
    rows: Rows = [
        {"scope": scope, "day": day, **{column: sums[day, scope, counted] for column, counted in _COUNTED.items()}}
        for day, scope in sorted({key[:2] for key in sums})
    ]
    writes = Writes()
    writes.update(send_counts, rows, ("scope", "day"), added=frozenset(_COUNTED))
    await writes.run(tx)


_COUNTED: Final = {
    "n": "taken",
    "unsettled": "unsettled",
    "codes": "codes_taken",
    "codes_unsettled": "codes_unsettled",
}


async def marked(tx: Transaction, marks: Iterable[bytes], now: datetime) -> set[bytes]:
    """Which of these marks were set on this day."""
    c = send_counts.c
    query = select(c.scope).where(c.day == day_of(now), c.scope.in_(padded(list(marks))))
    return set((await tx.execute(query)).scalars())


async def is_first_today(tx: Transaction, mark: bytes, now: datetime) -> bool:
    """Set this mark for the day; returns whether it was not set before."""
    insert = dialect_insert(tx)
    statement = insert(send_counts).values(scope=mark, day=day_of(now), n=1).on_conflict_do_nothing()
    return int((await tx.execute(statement)).rowcount) == 1
