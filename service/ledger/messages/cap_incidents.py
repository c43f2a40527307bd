"""Incidents that warn of a cap that is nearly used up: one for each cap and day (UTC).

It stands in the ledger beside the counters, so it is opened once, whichever process came near the cap, and also after a
restart; it is resolved when the counters begin anew.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from msgspec import Struct
from sqlalchemy import select

from service.domain.teams import Team
from service.ledger.database.transaction import Transaction
from service.ledger.escalations.incidents import Announced, ProviderIncident, open_for_provider, step_of
from service.ledger.escalations.tables import incidents
from service.ledger.escalations.writing import publish, serialise
from service.ledger.messages.caps import SMALL

CAP_NEAR: Final = "cap_near"


class Near(Protocol):
    """A cap or a budget that is nearly used up."""

    @property
    def channel(self) -> str:
        """On which channel; empty: on all."""
        ...

    @property
    def subject(self) -> str:
        """What the incident is about."""
        ...

    @property
    def in_words(self) -> str:
        """For people: what is near, what follows, and where it is set."""
        ...


class NearCap(Struct, frozen=True):
    """A cap of which four fifths are used today. `name`: number, prefix or all."""

    channel: str
    name: str
    most: int

    @property
    def subject(self) -> str:
        """What the incident is about."""
        return f"cap:{self.channel}:{self.name}"

    @property
    def in_words(self) -> str:
        """For people: what is near, what follows, and where it is set."""
        whom, setting = {
            "number": ("to one number", "MAX_PER_NUMBER_PER_DAY"),
            "prefix": ("to one number range", "MAX_PER_PREFIX_PER_DAY"),
        }.get(self.name, ("in all", "MAX_SMS_PER_DAY"))
        kept = "all but codes" if self.most >= SMALL else "what comes after them"
        return (
            f"four fifths of the {self.most} {self.channel} messages a day {whom} are used; once the cap is reached,"
            f" {kept} will be suppressed until 00:00 UTC ({setting})"
        )


async def keep(
    tx: Transaction,
    near: Sequence[Near],
    called: tuple[Team | None, str],
    endpoints: Mapping[str, int],
    now: datetime,
) -> bool:
    """Open the incidents of caps that are nearly used up today, resolve those of other days; whether any changed."""
    team, severity = called
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if team is None or not await _is_due(tx, near, midnight):
        return False
    await serialise(tx)
    announced: list[Announced] = []
    warned = await _warned(tx, midnight)
    for cap in (c for c in near if c.subject not in warned):
        incident = ProviderIncident(cap.subject, cap.channel, cap.in_words, CAP_NEAR, is_warning=True)
        announced.append(await open_for_provider(tx, incident, team, severity, now))
    over = (incidents.c.reason == CAP_NEAR) & (incidents.c.state != "resolved") & (incidents.c.opened_at < midnight)
    for row in (await tx.execute(select(incidents).where(over))).all():
        announced.append(await step_of(tx, row, "resolved", "resolved", team, now))
    await publish(tx, announced, endpoints, now)
    return bool(announced)


async def _is_due(tx: Transaction, near: Sequence[Near], midnight: datetime) -> bool:
    """Without a lock: mostly there is nothing to do."""
    over = (incidents.c.reason == CAP_NEAR) & (incidents.c.state != "resolved") & (incidents.c.opened_at < midnight)
    if (await tx.execute(select(incidents.c.id).where(over).limit(1))).first() is not None:
        return True
    return bool(near) and not {cap.subject for cap in near} <= await _warned(tx, midnight)


async def _warned(tx: Transaction, midnight: datetime) -> set[str]:
    """Caps whose incident of this day was opened, whatever people have made of it since."""
    query = select(incidents.c.provider).where(incidents.c.reason == CAP_NEAR, incidents.c.opened_at >= midnight)
    return set((await tx.execute(query)).scalars())
