"""Sends calls to teams: through Apprise to chat, mail and pagers, and as signed webhooks."""

import asyncio
import difflib
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import msgspec
import structlog

from service.domain.workflow import Workflow
from service.ledger.messages.outbox import SEND_WITHIN_S, OutboxMessage
from service.setting_values import WEBHOOK
from service.timekeeping import TimeSource
from service.webhooks import NOT_ALLOWED, WebhookClient

log = structlog.get_logger(__name__)
logging.getLogger("apprise").setLevel(logging.CRITICAL)  # Apprise logs addresses with their tokens
_TYPES: Final = {"critical": "failure", "high": "failure"}
_NEWS: Final = {"acknowledged": "info", "resolved": "success"}


class TeamTransport:
    """Sends to one of a team's endpoints; the routing key is `<team or level>.<endpoint>`."""

    def __init__(self, urls: Mapping[str, Sequence[str]], webhooks: WebhookClient, desk: str, time: TimeSource) -> None:
        self._urls = urls
        self._webhooks = webhooks
        self._desk = desk
        self._time = time

    async def send(self, message: OutboxMessage) -> bool:
        """Whether the endpoint accepted it; one that is no longer configured counts as accepting."""
        team, _, endpoint = message.routing_key.rpartition(".")
        endpoints = self._urls.get(team, ())
        if int(endpoint) >= len(endpoints):
            return True
        url = endpoints[int(endpoint)]
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                return await self._send(url, message)
        except (TimeoutError, OSError) as error:
            log.warning("team.call_failed", team=team, endpoint=endpoint, error=type(error).__name__)
            return False

    async def _send(self, url: str, message: OutboxMessage) -> bool:
        if url.startswith(WEBHOOK):
            text = message.body.decode()
            posted = await self._webhooks.post(url.removeprefix(WEBHOOK), message.message_id, text, datetime.now(UTC))
            if posted.code == NOT_ALLOWED:
                hint = "its network must be named in STAGEBELL_WEBHOOK_ALLOW"
                log.error("team.webhook_not_allowed", team=message.routing_key, hint=hint)
            return posted.outcome == "taken"
        import apprise  # a hundred plugins: loaded when the first call is sent through it

        body = msgspec.json.decode(message.body)
        caller = apprise.Apprise()
        if not caller.add(url):
            log.error("team.invalid_address", team=message.routing_key)
            return True
        title, text = in_words(body, self._desk, self._time.now())
        kind = apprise.NotifyType(_notify_type(body))
        return bool(await caller.async_notify(body=text, title=title, notify_type=kind))


def in_words(body: Mapping[str, Any], desk: str, now: datetime) -> tuple[str, str]:
    """Title and text of an escalation or a digest: what, how late, whose, who acted, what to do next."""
    data = body["data"]
    if "text" in data:
        return str(data["title"]), str(data["text"])
    step = str(body["type"]).partition(".")[2]
    reason = str(data["reason"]).replace("_", " ")
    level = f", level {data['level']}" if data.get("level") else ""
    if data.get("incident"):
        return _incident_in_words(step, reason, level, data, desk)
    title = f"{step}: {reason}, order {data['order_id']} ({data['severity']}{level})"
    lines = [
        str(data.get("title", "")),
        _lateness(data, now) if step != "resolved" else "",
        f"Order {data['order_id']} of {data['workflow']}" + (f", now {data['status']}" if data.get("status") else ""),
        _next_step(step, data),
        f"{desk}/desk/orders/{quote(str(data['workflow']), safe='')}/{quote(str(data['order_id']), safe='')}",
    ]
    return title, "\n".join(line for line in lines if line)


def _incident_in_words(step: str, reason: str, level: str, data: Mapping[str, Any], desk: str) -> tuple[str, str]:
    whom = f"Called for {data['to']}. " if data.get("to") else ""
    orders = f"{data['open_orders']} orders"
    how = f"({data['severity']}{level})"
    if not data.get("provider"):
        return f"{step}: {reason}, {orders}{level}", f"{whom}{orders}: {desk}/desk"
    if reason != "provider refused":
        return f"{step}: {reason} {how}", f"{whom}{data['detail']}: {desk}/desk"
    waiting = f"; {orders} wait" if data["open_orders"] else ""
    return f"{step}: {data['provider']} refuses us {how}", f"{whom}{data['detail']}{waiting}: {desk}/desk/health"


def _lateness(data: Mapping[str, Any], now: datetime) -> str:
    """How late, in words; empty where no clock has breached."""
    if not data.get("due"):
        return ""
    due = datetime.fromisoformat(str(data["due"]))
    minutes = int((now - due).total_seconds() // 60)
    if minutes < 1:
        return f"Due now ({due:%H:%M} UTC)"
    days, rest = divmod(minutes, 24 * 60)
    hours, left = divmod(rest, 60)
    parts = [f"{days} d"] * bool(days) + [f"{hours} h"] * bool(hours) + [f"{left} min"] * (not days)
    return f"{' '.join(parts)} late (due {due:%d %b %H:%M} UTC)"


def _next_step(step: str, data: Mapping[str, Any]) -> str:
    by = f" by {data['by']}" if data.get("by") else ""
    if step == "resolved":
        return f"Resolved{by}{': ' + str(data['why']) if data.get('why') else ''}. Nothing is left to do."
    if step == "acknowledged":
        return f"Acknowledged{by}. No more reminders come."
    whom = f"Called for {data['to']}. " if data.get("to") else ""
    raised = f"Raised{by}. " if step == "opened" and by else ""
    return f"{raised}{whom}Acknowledge it, or resolve it, here:"


def _notify_type(body: Mapping[str, Any]) -> str:
    """Apprise's type: failure or warning for a call, by its severity; info for later news."""
    step = str(body["type"]).partition(".")[2]
    if step in _NEWS:
        return _NEWS[step]
    return _TYPES.get(str(body["data"].get("severity", "")), "info" if step == "team" else "warning")


def unheard(workflows: Iterable[Workflow], names: Iterable[str]) -> list[str]:
    """Warnings about configured addresses: unknown names, and levels that use their team's endpoints."""
    known = set(names)
    if not known:
        return []
    teams = [team for w in workflows for team in w.teams.values()]
    levels = {(v.to, team.name) for team in teams for v in team.levels}
    callable_ = {team.name for team in teams} | {to for to, _ in levels}
    warnings = []
    for name in sorted(known - callable_):
        near = difflib.get_close_matches(name, sorted(callable_), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        warnings.append(f"STAGEBELL_TEAM_URLS: no team or level is called {name!r}{hint}")
    warnings += [
        f"STAGEBELL_TEAM_URLS: level {to!r} of {team!r} has no addresses; the team's own are called in its stead"
        for to, team in sorted(levels)
        if to not in known and team in known
    ]
    return warnings
