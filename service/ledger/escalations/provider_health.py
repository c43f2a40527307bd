"""Which providers refuse us, by channel and scope, and the incident that calls people about it.

One row for each provider, channel and scope; one open incident for each provider, however many processes, channels
and messages are affected.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Row, select, update

from service.domain.teams import Team
from service.ledger.database.sets import upsert
from service.ledger.database.transaction import Transaction
from service.ledger.escalations import incident_calls
from service.ledger.escalations.incidents import (
    Announced,
    ProviderIncident,
    open_for_provider,
    release_members,
    step_of,
)
from service.ledger.escalations.tables import incidents, provider_health
from service.ledger.escalations.writing import publish, serialise

Key = tuple[str, str, str]
# The scope of refusals of single messages while others pass.
SOME: Final = "*"
# Prefix of the scope of messages that were accepted and not delivered because of us, by receipts; a country follows.
UNDELIVERED: Final = "later:"
# How long a provider must work before its incident is resolved, so that one that flaps is one incident.
SETTLED_AFTER: Final = timedelta(seconds=15)
# Orders of its incident that were not notified by then have another problem.
NOTIFIED_WITHIN: Final = timedelta(minutes=5)
# A refusal within this time after the resolution reopens the incident.
SAME_WITHIN: Final = timedelta(minutes=15)
# For how long a refusal of single messages, or one reported by receipts, counts after the last one: accepted
# messages do not prove that they are delivered.
FORGET_AFTER: Final = timedelta(minutes=15)


class Refusal(Struct, frozen=True):
    """A provider that refuses us. `scope`: a country or mail domain, SOME, or empty for all messages."""

    channel: str
    provider: str
    scope: str
    code: str
    words: str
    since: datetime
    seen: datetime

    @property
    def key(self) -> Key:
        """The row's key."""
        return self.channel, self.provider, self.scope

    @property
    def holds_back(self) -> bool:
        """Whether messages wait because of it; those that are accepted but not delivered are not held back."""
        return not self.scope.startswith(UNDELIVERED)

    @property
    def what(self) -> str:
        """What is refused, or not delivered, in words for people."""
        to = self.scope.removeprefix(UNDELIVERED)
        messages = f"messages to {to}" if to not in ("", SOME) else "some messages" if to else "all messages"
        return (
            f"{messages}: accepted, but not delivered because of us" if self.scope.startswith(UNDELIVERED) else messages
        )

    @property
    def in_words(self) -> str:
        """One sentence for people."""
        reason = f"{self.code}: {self.words}" if self.words else self.code
        if self.scope.startswith(UNDELIVERED):
            where = f" to {to}" if (to := self.scope.removeprefix(UNDELIVERED)) else ""
            return (
                f"{self.provider} accepts messages{where} but does not deliver them because of us since"
                f" {self.since:%Y-%m-%d %H:%M} UTC ({reason})"
            )
        what = {"": "", SOME: " some messages"}.get(self.scope, f" messages to {self.scope}")
        return f"{self.provider} refuses us{what} since {self.since:%Y-%m-%d %H:%M} UTC ({reason})"


async def refusing(tx: Transaction) -> list[Refusal]:
    """The present refusals, oldest first."""
    query = select(provider_health).where(provider_health.c.state == "refuses")
    rows = await tx.execute(query.order_by(provider_health.c.since))
    return [_refusal(row) for row in rows]


def _refusal(row: Row[Any]) -> Refusal:
    return Refusal(row.channel, row.provider, row.scope, row.code, row.words, row.since, row.seen_at)


async def note(tx: Transaction, news: Mapping[Key, Refusal | None], now: datetime) -> None:
    """Store refusals, and recoveries (None)."""
    already = {r.key: r.since for r in await refusing(tx)}
    refused = [
        {
            "channel": r.channel, "provider": r.provider, "scope": r.scope, "state": "refuses",
            "since": already.get(r.key, r.since), "seen_at": r.seen, "code": r.code, "words": r.words,
        }
        for r in news.values() if r is not None
    ]  # fmt: skip
    changes = ("state", "since", "seen_at", "code", "words")
    await upsert(tx, provider_health, refused, changes, ("channel", "provider", "scope"))
    for key, refusal in news.items():
        if refusal is None:
            await note_recovered(tx, key, now)


async def note_recovered(tx: Transaction, key: Key, now: datetime) -> None:
    """Note that the provider accepts our messages again."""
    h = provider_health.c
    is_it = (h.channel == key[0]) & (h.provider == key[1]) & (h.scope == key[2]) & (h.state == "refuses")
    await tx.execute(update(provider_health).where(is_it).values(state="works", since=now))


async def is_quiet(tx: Transaction) -> bool:
    """Whether no provider refuses us and no provider's incident is open."""
    open_one = select(incidents.c.id).where(incidents.c.provider != "", incidents.c.state != "resolved").limit(1)
    if (await tx.execute(open_one)).first() is not None:
        return False
    return not await refusing(tx)


async def sync_incidents(
    tx: Transaction, team: Team | None, severity: str, endpoints: Mapping[str, int], now: datetime
) -> bool:
    """Open incidents of providers that refuse us, and resolve those of recovered ones; returns whether any changed."""
    h = provider_health.c
    is_passing = (h.scope == SOME) | h.scope.startswith(UNDELIVERED, autoescape=True)
    forgotten = is_passing & (h.state == "refuses") & (h.seen_at < now - FORGET_AFTER)
    await tx.execute(update(provider_health).where(forgotten).values(state="works", since=now))
    rows = (await tx.execute(select(provider_health))).all()
    refused = {row.provider for row in rows if row.state == "refuses"}
    worked = {row.provider: row.since for row in rows if row.state == "works" and row.provider not in refused}
    is_open = (incidents.c.provider != "") & (incidents.c.state != "resolved")
    opened = {row.provider for row in await tx.execute(select(incidents.c.provider).where(is_open))}
    if team is None or not (refused - opened or opened & set(worked)):
        return False
    await serialise(tx)
    announced: list[Announced] = []
    for provider in sorted(refused - opened):
        mine = [_refusal(r) for r in rows if r.provider == provider and r.state == "refuses"]
        announced += await _open(tx, mine, team, severity, now)
    for row in (await tx.execute(select(incidents).where(is_open))).all():
        works_since = max((r.since for r in rows if r.provider == row.provider), default=None)
        if row.provider in worked and works_since is not None and works_since <= now - _settled_after(row):
            await release_members(tx, row.id)
            announced.append(await step_of(tx, row, "resolved", "resolved", team, now))
    await publish(tx, announced, endpoints, now)
    return bool(announced)


def _settled_after(row: Row[Any]) -> timedelta:
    """How long a provider must work before its incident is resolved: longer if its orders wait for messages."""
    return NOTIFIED_WITHIN if row.orders else SETTLED_AFTER


async def _open(tx: Transaction, refusals: list[Refusal], team: Team, severity: str, now: datetime) -> list[Announced]:
    """Open an incident, or reopen the last one if it was just resolved; nothing if a person just resolved it."""
    first = min(refusals, key=lambda r: r.since)
    last = (
        await tx.execute(
            select(incidents)
            .where(incidents.c.provider == first.provider, incidents.c.last_at > now - SAME_WITHIN)
            .order_by(incidents.c.opened_at.desc())
            .limit(1)
        )
    ).one_or_none()
    if last is None:
        incident = ProviderIncident(first.provider, first.channel, "; ".join(r.in_words for r in refusals))
        return [await open_for_provider(tx, incident, team, severity, now)]
    if first.since < last.last_at:
        return []
    return [await step_of(tx, last, "reminded", "open", team, now)]


async def call_again(tx: Transaction, team: Team | None, endpoints: Mapping[str, int], now: datetime) -> bool:
    """Send reminders and raise levels for provider incidents that nobody acknowledged; returns whether any was due."""

    def called(incident: Any) -> Team | None:
        return team if team is not None and incident.provider and incident.team == team.name else None

    announced = await incident_calls.call_again(tx, called, now)
    await publish(tx, announced, endpoints, now)
    return bool(announced)


async def find_incident(tx: Transaction, incident_id: UUID) -> Row[Any] | None:
    """A provider's incident; None if there is none."""
    query = select(incidents).where(incidents.c.id == incident_id, incidents.c.provider != "")
    return (await tx.execute(query)).one_or_none()


async def act_on(
    tx: Transaction,
    row: Row[Any],
    state: str,
    teams: Mapping[str, Team],
    endpoints: Mapping[str, int],
    now: datetime,
    until: datetime | None = None,
) -> None:
    """A person acknowledges, snoozes or resolves a provider's incident; notifications are sent as for any other."""
    await serialise(tx)
    team = teams.get(row.team)
    kind = {"acknowledged": "acknowledged", "resolved": "resolved"}.get(state, "reminded")
    if team is None:
        values = {"state": state, "last_at": now, "snoozed_until": until}
        await tx.execute(update(incidents).where(incidents.c.id == row.id).values(**values))
        return
    await publish(tx, [await step_of(tx, row, kind, state, team, now, until)], endpoints, now)
