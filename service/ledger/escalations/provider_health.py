"""Which providers refuse us, by channel and by what of it, and the incident that calls people for it.

One row for each provider, channel and scope; one open incident for each provider, however many processes, channels and
messages it refuses.
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
from service.ledger.escalations.incidents import Announced, ProviderIncident, let_go, open_for_provider, step_of
from service.ledger.escalations.tables import incidents, provider_health
from service.ledger.escalations.writing import publish, serialise

Key = tuple[str, str, str]
# The scope of what is refused here and there, while other messages pass.
SOME: Final = "*"
# How the scope begins of what is taken and not delivered because of us, as receipts say; the country comes after it.
LATER: Final = "later:"
# Working again is believed after so long: a provider that goes on and off is one incident.
SETTLED_AFTER: Final = timedelta(seconds=15)
# Orders of its incident that are not told after so long have a trouble of their own.
TOLD_WITHIN: Final = timedelta(minutes=5)
# And one that refuses us again within this is the same one.
SAME_WITHIN: Final = timedelta(minutes=15)
# What only some messages met, and none does any more; and what receipts said, and none does any more: that later
# messages are taken does not show that they arrive.
SOME_FORGOTTEN: Final = timedelta(minutes=15)


class Refusal(Struct, frozen=True):
    """A provider that refuses us. `scope`: a country or mail domain, SOME, or empty for everything."""

    channel: str
    provider: str
    scope: str
    code: str
    words: str
    since: datetime
    seen: datetime

    @property
    def key(self) -> Key:
        """Its row."""
        return self.channel, self.provider, self.scope

    @property
    def holds_back(self) -> bool:
        """Whether messages wait because of it: what is taken and not delivered lets them go."""
        return not self.scope.startswith(LATER)

    @property
    def what(self) -> str:
        """What it refuses, or takes in vain, for people."""
        to = self.scope.removeprefix(LATER)
        messages = f"messages to {to}" if to not in ("", SOME) else "some messages" if to else "all messages"
        return f"{messages}: taken, and not delivered because of us" if self.scope.startswith(LATER) else messages

    @property
    def in_words(self) -> str:
        """For people."""
        said = f"{self.code}: {self.words}" if self.words else self.code
        if self.scope.startswith(LATER):
            where = f" to {to}" if (to := self.scope.removeprefix(LATER)) else ""
            return (
                f"{self.provider} takes messages{where} and does not deliver them, because of us, since"
                f" {self.since:%Y-%m-%d %H:%M} UTC ({said})"
            )
        what = {"": "", SOME: " some messages"}.get(self.scope, f" messages to {self.scope}")
        return f"{self.provider} refuses us{what} since {self.since:%Y-%m-%d %H:%M} UTC ({said})"


async def refusing(tx: Transaction) -> list[Refusal]:
    """The providers that refuse us now."""
    query = select(provider_health).where(provider_health.c.state == "refuses")
    rows = await tx.execute(query.order_by(provider_health.c.since))
    return [_refusal(row) for row in rows]


def _refusal(row: Row[Any]) -> Refusal:
    return Refusal(row.channel, row.provider, row.scope, row.code, row.words, row.since, row.seen_at)


async def note(tx: Transaction, news: Mapping[Key, Refusal | None], now: datetime) -> None:
    """Write down what refuses us, and (None) what works again."""
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
            await works(tx, key, now)


async def works(tx: Transaction, key: Key, now: datetime) -> None:
    """It takes our messages again."""
    h = provider_health.c
    is_it = (h.channel == key[0]) & (h.provider == key[1]) & (h.scope == key[2]) & (h.state == "refuses")
    await tx.execute(update(provider_health).where(is_it).values(state="works", since=now))


async def is_quiet(tx: Transaction) -> bool:
    """Nothing refuses us, and no incident says so."""
    open_one = select(incidents.c.id).where(incidents.c.provider != "", incidents.c.state != "resolved").limit(1)
    if (await tx.execute(open_one)).first() is not None:
        return False
    return not await refusing(tx)


async def keep_incidents(
    tx: Transaction, team: Team | None, severity: str, endpoints: Mapping[str, int], now: datetime
) -> bool:
    """Open the incidents of providers that refuse us, resolve those of providers that work; whether any changed."""
    h = provider_health.c
    is_passing = (h.scope == SOME) | h.scope.startswith(LATER, autoescape=True)
    forgotten = is_passing & (h.state == "refuses") & (h.seen_at < now - SOME_FORGOTTEN)
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
            await let_go(tx, row.id)
            announced.append(await step_of(tx, row, "resolved", "resolved", team, now))
    await publish(tx, announced, endpoints, now)
    return bool(announced)


def _settled_after(row: Row[Any]) -> timedelta:
    """How long a provider must work before its incident is resolved: briefly, once its orders' messages are sent."""
    return TOLD_WITHIN if row.orders else SETTLED_AFTER


async def _open(tx: Transaction, refusals: list[Refusal], team: Team, severity: str, now: datetime) -> list[Announced]:
    """A new incident, or the last one again if it was resolved a moment ago; nothing if a person has just done so."""
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
    """An incident of a provider."""
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
    """A person acknowledges, snoozes or resolves a provider's incident; notifications go out as for any other."""
    await serialise(tx)
    team = teams.get(row.team)
    kind = {"acknowledged": "acknowledged", "resolved": "resolved"}.get(state, "reminded")
    if team is None:
        values = {"state": state, "last_at": now, "snoozed_until": until}
        await tx.execute(update(incidents).where(incidents.c.id == row.id).values(**values))
        return
    await publish(tx, [await step_of(tx, row, kind, state, team, now, until)], endpoints, now)
